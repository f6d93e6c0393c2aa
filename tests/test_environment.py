"""What is said at the start about names that nobody reads, and about secrets that are too short."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app import environment
from app.settings import Settings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(settings: Settings) -> list[str]:
    lines: list[str] = []
    environment.report(settings, lines.append)
    return lines


def test_an_environment_without_oddities_is_not_spoken_of(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*environment.setting_names(), "POSTRIDER_HEALTH_FILE", "POSTRIDER_TOKEN", "POSTGRES_PASSWORD"):
        monkeypatch.setenv(name, "x")
    assert said(settings) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("POSTRIDER_RETRY_SHEDULE", "is POSTRIDER_RETRY_SCHEDULE meant?"),
        ("postrider_listen_adress", "is POSTRIDER_LISTEN_ADDRESS meant?"),
        ("SVIX_JWT_SECRETS", "is SVIX_JWT_SECRET meant?"),
        ("POSTRIDER_COLOUR", "see docs/reference/settings.md"),
        ("SVIX_QUEUE_TYPE", "the queue is in Postgres"),
    ],
)
def test_a_name_that_nobody_reads_is_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "x")
    (line,) = said(settings)
    assert line.startswith(f"{name.upper()} has no effect: ")
    assert hint in line
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=x\nPOSTRIDER_LOG_LEVEL=info\n")
    assert said(settings) == [line]


def test_what_is_not_supported_is_not_a_setting() -> None:
    assert environment.SVIX_UNSUPPORTED.keys() & environment.setting_names() == set()


@pytest.mark.parametrize(
    ("algorithm", "jwt", "main", "names"),
    [
        ("HS256", "x" * 32, "x" * 16, []),
        ("HS256", "x" * 31, "x" * 16, ["POSTRIDER_JWT_SECRET"]),
        ("HS512", "x" * 63, "x" * 16, ["POSTRIDER_JWT_SECRET"]),
        ("HS256", "x" * 32, "x" * 15, ["POSTRIDER_MAIN_SECRET"]),
        ("HS256", "x" * 32, f"{'x' * 16},old", []),
    ],
)
def test_a_short_secret_is_one_line_that_does_not_tell_it(
    settings: Settings, algorithm: str, jwt: str, main: str, names: list[str]
) -> None:
    changed = {"jwt_algorithm": algorithm, "jwt_secret": SecretStr(jwt), "main_secret": SecretStr(main)}
    lines = said(settings.model_copy(update=changed))
    assert [line.split()[0] for line in lines] == names
    assert "xxx" not in "".join(lines)


def test_the_children_of_up_leave_it_to_their_parent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVIX_QUEUE_TYPE", "redis")
    assert said(settings.model_copy(update={"embedded": True})) == []
