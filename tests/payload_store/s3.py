"""A server that speaks S3's protocol, as a process of its own on loopback; it keeps its objects in memory."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from app.cli.process import free_port

# It checks that requests are signed, and not with what.
_SIGNED: Final = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its endpoint."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{endpoint}/moto-api/", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the S3 server has ended"
                assert time.monotonic() < deadline, "the S3 server did not start within 30 s"
                time.sleep(0.05)
        yield endpoint
    finally:
        process.kill()
        process.wait()


def make_bucket(endpoint: str, name: str) -> str:
    """A new bucket; the setting that names it."""
    httpx.put(f"{endpoint}/{name}", headers={"authorization": _SIGNED}, timeout=10).raise_for_status()
    return f"s3://key:secret@{name}/pre/fix?endpoint={endpoint}&region=us-east-1"
