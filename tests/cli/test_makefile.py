"""What `make` promises. The installation itself is not run here."""

import re
import subprocess
from pathlib import Path

import jwt
import pytest

from app import ids
from tests.cli.command import ROOT, environment, one_line


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory", *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def installed(folder: Path) -> None:
    if make(folder, "-q", "install").returncode != 0:
        pytest.skip("this environment was not installed by make, and a test must not change it")


def test_help_lists_every_target(folder: Path) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    listed = re.findall(r"^  make ([a-z-]+) +\S", make(folder, "help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())


def test_help_is_what_make_alone_shows(folder: Path) -> None:
    assert make(folder).stdout == make(folder, "help").stdout


@pytest.mark.usefixtures("installed")
def test_token_prints_a_token_of_the_data_folder_and_nothing_else(folder: Path) -> None:
    ran = make(folder, "-s", "token")
    assert ran.returncode == 0
    assert "made new secrets" in one_line(ran.stderr)
    secret = (folder / "data" / "secrets.env").read_text().partition("POSTRIDER_JWT_SECRET=")[2].splitlines()[0]
    assert jwt.decode(one_line(ran.stdout), secret, algorithms=["HS256"])["sub"] == ids.DEFAULT_ORGANIZATION_ID
