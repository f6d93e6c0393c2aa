"""The throw-away server must never reach anybody's data."""

from pathlib import Path

import pytest

from benchmarks.servers import child_environment

DATA = Path("/tmp/bench/data")


@pytest.mark.parametrize(
    "name",
    ["POSTRIDER_DB_DSN", "postrider_db_dsn", "SVIX_DB_DSN", "DATABASE_URL", "POSTRIDER_REDIS_DSN", "SVIX_REDIS_DSN"],
)
def test_the_callers_servers_are_not_used(name: str) -> None:
    assert name not in child_environment({name: "postgresql://prod/app"}, "127.0.0.1:9", DATA, retries=False)


def test_address_and_folder_are_its_own_and_other_settings_pass() -> None:
    inherited = {"POSTRIDER_DATA_DIR": ".postrider", "POSTRIDER_LISTEN_ADDRESS": "0.0.0.0:8071", "POSTRIDER_X": "1"}
    environment = child_environment(inherited, "127.0.0.1:9", DATA, retries=False)
    assert environment["POSTRIDER_DATA_DIR"] == str(DATA)
    assert environment["POSTRIDER_LISTEN_ADDRESS"] == "127.0.0.1:9"
    assert environment["POSTRIDER_X"] == "1"
    assert "POSTRIDER_RETRY_SCHEDULE" not in environment


def test_a_failing_receiver_is_retried_each_second_unless_a_schedule_is_set() -> None:
    assert child_environment({}, "127.0.0.1:9", DATA, retries=True)["POSTRIDER_RETRY_SCHEDULE"].startswith("1,1,1")
    own = {"SVIX_RETRY_SCHEDULE": "2,2"}
    assert "POSTRIDER_RETRY_SCHEDULE" not in child_environment(own, "127.0.0.1:9", DATA, retries=True)
