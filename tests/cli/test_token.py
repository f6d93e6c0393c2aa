import stat
from pathlib import Path

import jwt
import pytest

from app import __version__, ids
from tests.cli.command import one_line, postrider

SECRET = "a secret of these tests, long enough for the algorithm"


def claims(token: str, secret: str = SECRET) -> dict[str, object]:
    decoded: dict[str, object] = jwt.decode(token, secret, algorithms=["HS256"], issuer="svix-server")
    return decoded


def test_it_prints_a_valid_token_of_the_default_organization_and_nothing_else(folder: Path) -> None:
    ran = postrider(folder, "token", JWT_SECRET=SECRET)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("\n") == 1
    decoded = claims(one_line(ran.stdout))
    assert decoded["sub"] == ids.DEFAULT_ORGANIZATION_ID
    assert isinstance(decoded["exp"], int)
    assert isinstance(decoded["iat"], int)
    assert decoded["exp"] - decoded["iat"] == 10 * 365 * 86400


def test_another_organization_can_be_named(folder: Path) -> None:
    organization_id = ids.new_id("org")
    ran = postrider(folder, "token", "--organization", organization_id, JWT_SECRET=SECRET)
    assert claims(one_line(ran.stdout))["sub"] == organization_id


def test_what_is_no_organization_is_refused_in_one_line(folder: Path) -> None:
    ran = postrider(folder, "token", "--organization", "org_x", JWT_SECRET=SECRET)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "org_x" in one_line(ran.stderr)


def test_without_a_secret_it_makes_one_and_keeps_it_for_the_server(folder: Path) -> None:
    first, second = postrider(folder, "token"), postrider(folder, "token")
    assert f"made new secrets in {folder / 'data'}" in one_line(first.stderr)
    assert second.stderr == ""
    kept = folder / "data" / "secrets.env"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    secret = kept.read_text().partition("POSTRIDER_JWT_SECRET=")[2].splitlines()[0]
    assert len(secret) == 64
    assert claims(one_line(first.stdout), secret)["sub"] == claims(one_line(second.stdout), secret)["sub"]


def test_a_short_secret_adds_no_noise(folder: Path) -> None:
    ran = postrider(folder, "token", JWT_SECRET="x")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_damaged_secret_file_is_not_replaced(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "secrets.env").write_text("POSTRIDER_JWT_SECRET=x\n")
    ran = postrider(folder, "token")
    assert ran.returncode == 78
    assert "POSTRIDER_MAIN_SECRET" in one_line(ran.stderr)
    assert (folder / "data" / "secrets.env").read_text() == "POSTRIDER_JWT_SECRET=x\n"


@pytest.mark.parametrize("command", ["api", "worker", "beat"])
def test_processes_of_their_own_refuse_to_start_without_their_secrets(folder: Path, command: str) -> None:
    ran = postrider(folder, command, DB_DSN="postgresql://127.0.0.1/x", REDIS_DSN="redis://127.0.0.1")
    assert ran.returncode == 78
    assert "POSTRIDER_JWT_SECRET is not set" in one_line(ran.stderr)


def test_the_version_can_be_asked_for(folder: Path) -> None:
    assert postrider(folder, "--version").stdout == f"postrider {__version__}\n"


def test_a_required_setting_that_is_misspelled_is_named(folder: Path) -> None:
    ran = postrider(folder, "api", DB_DNS="postgresql://127.0.0.1/x")
    assert ran.returncode == 78
    hint, refusal = ran.stderr.splitlines()
    assert "is POSTRIDER_DB_DSN meant?" in hint
    assert "POSTRIDER_DB_DSN is not set" in refusal
