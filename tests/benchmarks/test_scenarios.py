"""What `make bench` offers by name."""

import asyncio

import pytest
import typer

from benchmarks.__main__ import _names
from benchmarks.backlog import Sluggish
from benchmarks.load import standard_loads
from benchmarks.scenarios import ALL, DEFAULT


def test_every_scenario_is_a_load_or_one_of_the_larger_ones() -> None:
    assert set(ALL) - set(standard_loads()) == {"two-workers", "keys", "floor", "backlog", "neighbours", "growth"}


def test_without_a_name_it_is_the_loads_and_all_leaves_out_what_takes_long() -> None:
    assert _names(None) == DEFAULT
    assert set(ALL) - set(_names(["all"])) == {"growth"}
    assert _names(["growth", "one"]) == ["growth", "one"]


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(typer.BadParameter, match="choose of one, five"):
        _names(["fifty"])


async def _send(address: str, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    try:
        async with asyncio.timeout(1.0):
            return await reader.read(12)
    except TimeoutError:
        return b""
    finally:
        writer.close()


async def test_the_receiver_of_the_backlog_is_slow_at_one_endpoint_and_hangs_at_the_other() -> None:
    receiver = Sluggish()
    address = await receiver.start()
    slow, hanging = await asyncio.gather(_send(address, "/0"), _send(address, "/1"))
    await receiver.stop()
    assert slow == b"HTTP/1.1 204"
    assert hanging == b""
    assert receiver.accepted == 1
