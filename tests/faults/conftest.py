"""One installation for all fault tests of a process, on a Postgres and a Valkey that nothing else uses."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.installation import Installation
from tests.faults.run import Run, running
from tests.servers import serving


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """Processes and servers that survive from one test to the next; each test says which it needs with `ensure()`."""
    with serving(durable=True) as servers, tempfile.TemporaryDirectory(prefix="postrider-faults-") as folder:
        dsn = asyncio.run(servers.clone("postrider_faults"))
        made = Installation(servers, dsn, Path(folder))
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
async def run(installation: Installation) -> AsyncIterator[Run]:
    """A run against the API and one worker."""
    installation.ensure(workers=1)
    async with running(installation) as started:
        yield started
