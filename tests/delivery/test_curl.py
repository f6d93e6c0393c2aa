"""The command that sends a request again: what a shell and curl make of it is what was sent, byte for byte."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.delivery.curl import curl_command
from tests.receiver import receiving

HEADERS = [("webhook-id", "msg_1"), ("user-agent", "Postrider"), ("accept", "*/*"), ("content-type", "text/plain")]
HOSTILE = "it's $(touch hacked) `touch hacked` \\ \" ! & | ; > hacked"


async def sent(command: str, folder: Path, shell: str = "sh") -> None:
    """Run it as if it were pasted. AssertionError if it does anything but send."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl: apt-get install curl")
    environment = {"PATH": f"{Path(curl).parent}:/usr/bin:/bin", "HOME": str(folder)}

    def paste() -> None:
        done = subprocess.run([shell], input=command.encode(), cwd=folder, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert list(folder.iterdir()) == []

    await asyncio.to_thread(paste)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "in_1"}',
        b"",
        b"@/etc/passwd",
        HOSTILE.encode(),
        'größer "ü"\n\n'.encode(),
        bytes(range(256)) + b"%s%d\\n0123",
        b"\x1b]0;title\x07",
        b'{"long": "' + b"x'" * 80_000 + b'"}',
    ],
)
async def test_the_body_arrives_byte_for_byte(tmp_path: Path, body: bytes, shell: str) -> None:
    async with receiving() as receiver:
        command = curl_command(f"{receiver.url}/a", HEADERS, body)
        assert "\x1b" not in command
        await sent(command, tmp_path, shell)
    assert [arrival.body for arrival in receiver.arrivals] == [body]


async def test_headers_and_url_arrive_as_they_were_and_nothing_beside_them(tmp_path: Path) -> None:
    path = "/a/../b/[1-3]?x={a,b}&y='$(touch%20hacked)"
    async with receiving() as receiver:
        command = curl_command(f"{receiver.url}{path}", [("x-own", HOSTILE), ("x-empty", "")], b"{}")
        await sent(command, tmp_path)
    (arrival,) = receiver.arrivals
    assert (arrival.method, arrival.path) == ("POST", path)
    assert sorted(arrival.headers) == ["content-length", "host", "x-empty:", "x-own"]
    assert arrival.headers["x-own"] == HOSTILE


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=200))
async def test_any_bytes_arrive(tmp_path: Path, body: bytes) -> None:
    async with receiving() as receiver:
        await sent(curl_command(receiver.url, HEADERS, body), tmp_path)
    assert [arrival.body for arrival in receiver.arrivals] == [body]
