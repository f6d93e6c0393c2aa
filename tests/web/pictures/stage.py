"""Everything that runs while pictures are taken: servers, the API, a worker, and a browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx

from app import ids, tokens
from app.http_direct import DirectProtocol
from app.main import create_app
from app.settings import load
from tests.api.live_server import serve
from tests.receiver import receiving
from tests.servers import Servers
from tests.web.pictures.world import World, begin, pretend
from tests.worker.conftest import delivering

_SECRET = "x" * 64


@dataclass
class Stage:
    """A running Postrider, and what is in it."""

    url: str
    token: str = field(repr=False)
    client: httpx.AsyncClient
    world: World


@asynccontextmanager
async def staged(servers: Servers) -> AsyncIterator[Stage]:
    """One that runs until the end of the block."""
    dsn = await servers.clone("pictures")
    settings = load(
        _env_file=None,
        db_dsn=dsn,
        redis_dsn=servers.valkey.dsn,
        jwt_secret=_SECRET,
        main_secret=_SECRET,
        whitelist_subnets="127.0.0.0/8",
        log_format="json",
        log_level="error",
    )
    token = tokens.issue(_SECRET, "HS256", ids.DEFAULT_ORGANIZATION_ID)
    with serve(create_app(settings), DirectProtocol, lifespan="on") as port:
        url = f"http://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {token}"}
        async with (
            receiving() as receiver,
            asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool,
            httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client,
        ):
            # Later there is nobody who would deliver to the addresses that are shown.
            with delivering(settings) as runtime:
                world = await begin(client, pool, receiver, runtime)
            yield Stage(url, token, client, await pretend(client, pool, world))
