"""The official JavaScript package, where there is Node: its core flows, in one process of it."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.sdk.stage import World, staged

FOLDER = Path(__file__).with_name("javascript")
FLOWS = ["application", "eventType", "delivery", "rotation", "portal", "pagination", "retry", "ingest", "errors", "end"]
_SECONDS = 30


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine")
@pytest.mark.skipif((FOLDER / ".not-installed").exists(), reason="npm reaches no packages here")
async def test_the_javascript_package_does_what_most_of_its_users_do(world: World) -> None:
    assert (FOLDER / "node_modules").is_dir(), "the package is not installed: run `make install`"
    stage = staged(world, sync=False)
    node = await asyncio.create_subprocess_exec(
        *("node", "core_flows.mjs"),
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], "POSTRIDER_URL": world.address, "POSTRIDER_TOKEN": stage.token()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    talking = asyncio.create_task(node.communicate())
    try:
        async with asyncio.timeout(_SECONDS):
            while not talking.done():
                world.ring()
                await asyncio.wait([talking], timeout=0.02)
    finally:
        if node.returncode is None:
            node.kill()
    output, errors = await talking
    assert node.returncode == 0, errors.decode()
    assert output.decode().split() == FLOWS
