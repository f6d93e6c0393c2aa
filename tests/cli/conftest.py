import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.api.api_server import ApiServer, serve_api


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, as Postgres, which does not run as root, needs it; its name has a space."""
    made = Path(tempfile.mkdtemp(prefix="postrider cli-")).resolve()
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def api_server(settings: Settings) -> Iterator[ApiServer]:
    """The API behind a real uvicorn, as `postrider api` runs it."""
    with serve_api(settings) as server:
        yield server


@pytest.fixture
async def remote_client(api_server: ApiServer, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to that API, for the test's organization."""
    async with api_server.client(token) as opened:
        yield opened


@pytest.fixture
def here(api_server: ApiServer, token: str) -> dict[str, str]:
    """Settings (without POSTRIDER_) by which a command finds it."""
    return {"SERVER_URL": f"http://127.0.0.1:{api_server.port}", "TOKEN": token}
