"""An import that is killed again and again, at any moment, brings everything once."""

import asyncio
import os
import random
import signal
import sys

import pytest

from tests.svix_import.conftest import Importing
from tests.svix_import.svix_server import MAIN_SECRET, SvixServer
from tests.svix_import.test_history import fill, is_even

MESSAGES = 60_000


@pytest.mark.chaos
async def test_killed_imports_bring_everything_once(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    fill(svix, application, svix.add_endpoint(application), MESSAGES)
    environment = {
        "PATH": os.environ["PATH"],
        "POSTRIDER_DB_DSN": importing.dsn,
        "POSTRIDER_MAIN_SECRET": "another secret of the tests",
        "POSTRIDER_IMPORT_MAIN_SECRET": MAIN_SECRET,
    }
    words = [sys.executable, "-m", "app.cli.main", "import", "svix", "--dsn", svix.dsn]
    kills = 0
    while True:
        process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=asyncio.subprocess.DEVNULL)
        try:
            code = await asyncio.wait_for(process.wait(), random.uniform(0.8, 1.6) + kills / 4)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            kills += 1
            assert await is_even(importing)
            # Whoever was killed may hold the lock until Postgres has noticed.
            await asyncio.sleep(0.5)
        else:
            assert code == 0
            break
    assert kills > 0
    assert (importing.count("messages"), importing.count("attempts"), importing.count("deliveries")) == (MESSAGES,) * 3
    assert await is_even(importing)
