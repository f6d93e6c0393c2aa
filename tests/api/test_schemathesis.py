"""Schemathesis against the API behind a real uvicorn: what the OpenAPI document says is what is served, and accepted.

A few generated requests for each operation here; thousands, every boundary, and chains of requests in the long form.
"""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.api.api_server import ApiServer


def explore(server: ApiServer, token: str, folder: Path, phases: str, examples: int, seconds: float) -> None:
    """Send generated requests, the same ones each time; AssertionError with Schemathesis's report if one fails."""
    command = [
        *(f"{sysconfig.get_path('scripts')}/schemathesis", "run", f"http://127.0.0.1:{server.port}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}", "--phases", phases, "--max-examples", str(examples)),
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance", "--continue-on-failure"),
        *("--generation-deterministic", "--no-color", "--warnings", "off"),
    ]
    checks = Path(__file__).with_name("document_checks.py")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "SCHEMATHESIS_HOOKS": str(checks)}
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


# It is given a minute of both cores.
@pytest.mark.alone
def test_what_the_document_says_of_each_operation_is_true(api_server: ApiServer, token: str, tmp_path: Path) -> None:
    explore(api_server, token, tmp_path, "examples,fuzzing", 1, 60)


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("phases", "examples"), [("examples,coverage", 1), ("fuzzing", 100), ("stateful", 50)], ids=lambda value: str(value)
)
def test_thousands_of_requests_later_it_is_still_true(
    api_server: ApiServer, token: str, tmp_path: Path, phases: str, examples: int
) -> None:
    explore(api_server, token, tmp_path, phases, examples, 1800)
