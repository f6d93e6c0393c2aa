"""Settings: the names they are read from, the forms they are written in, and what is said about a wrong one."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from app import settings
from app.settings import Settings, SettingsError

COMPLETE = {
    "POSTRIDER_DB_DSN": "postgresql://u@127.0.0.1/d",
    "POSTRIDER_REDIS_DSN": "redis://127.0.0.1/0",
    "POSTRIDER_JWT_SECRET": "a",
    "POSTRIDER_MAIN_SECRET": "b",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where no `.env` lies, and with nothing remembered of the process's settings."""
    monkeypatch.chdir(tmp_path)
    settings.settings.cache_clear()
    yield
    settings.settings.cache_clear()


def load_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return settings.load()


@pytest.mark.parametrize("name", ["POSTRIDER_DB_DSN", "SVIX_DB_DSN", "DATABASE_URL"])
def test_the_database_is_read_from_each_of_its_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert load_with(monkeypatch, **{name: "postgresql://u@h/d"}).db_dsn == "postgresql://u@h/d"


def test_our_name_goes_before_svixs_and_that_before_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("DATABASE_URL", "SVIX_DB_DSN", "POSTRIDER_DB_DSN")
    for name in names:
        assert load_with(monkeypatch, **{name: f"postgresql://h/{name}"}).db_dsn == f"postgresql://h/{name}"


def test_an_environment_file_of_svix_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        'SVIX_JWT_SECRET="x"\nSVIX_RETRY_SCHEDULE=[5,300]\nSVIX_WHITELIST_SUBNETS=["10.0.0.0/8"]\n'
        "SVIX_QUEUE_TYPE=redis\nSVIX_LISTEN_ADDRESS=0.0.0.0:9000\n"
    )
    read = settings.load()
    assert read.jwt_secret is not None
    assert read.jwt_secret.get_secret_value() == "x"
    assert (read.retry_schedule, read.host, read.port) == ((5, 300), "0.0.0.0", 9000)
    assert read.allowed_networks == (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [("[5,300]", (5, 300)), ("5,300", (5, 300)), (" [ 5 , 300 ] ", (5, 300)), ("[]", ()), ("", ()), ("0", (0,))],
)
def test_a_retry_schedule_is_read_in_both_forms(
    monkeypatch: pytest.MonkeyPatch, text: str, schedule: tuple[int, ...]
) -> None:
    assert load_with(monkeypatch, POSTRIDER_RETRY_SCHEDULE=text).retry_schedule == schedule


@pytest.mark.parametrize("text", ['["10.0.0.0/8", "fd00::/8"]', "10.0.0.0/8,fd00::/8", " 10.0.0.0/8 , fd00::/8, "])
def test_networks_are_read_in_both_forms(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    networks = load_with(monkeypatch, POSTRIDER_WHITELIST_SUBNETS=text).allowed_networks
    assert networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_loopback_is_allowed_in_the_embedded_mode_only_and_only_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_with(monkeypatch).allowed_networks == ()
    embedded = load_with(monkeypatch, POSTRIDER_EMBEDDED="true")
    assert embedded.allowed_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert load_with(monkeypatch, POSTRIDER_WHITELIST_SUBNETS="").allowed_networks == ()


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:65535", "::1", 65535), (":80", "0.0.0.0", 80)],
)
def test_an_address_is_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch, address: str, host: str, port: int) -> None:
    read = load_with(monkeypatch, POSTRIDER_LISTEN_ADDRESS=address)
    assert (read.host, read.port) == (host, port)


def test_a_database_may_be_named_as_sqlalchemy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = load_with(
        monkeypatch, POSTRIDER_DB_DSN="postgresql+asyncpg://u:p@h/d", POSTRIDER_DB_READ_DSN="postgres://r/d"
    )
    assert (read.db_dsn, read.db_read_dsn) == ("postgresql://u:p@h/d", "postgresql://r/d")


def test_several_main_secrets_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_with(monkeypatch, POSTRIDER_MAIN_SECRET="new, old,").main_secrets == ("new", "old")


WRONG = [
    ("POSTRIDER_LISTEN_ADDRESS", "8071"),
    ("POSTRIDER_LISTEN_ADDRESS", "host:"),
    ("SVIX_LISTEN_ADDRESS", "host:0"),
    ("POSTRIDER_LISTEN_ADDRESS", "host:65536"),
    ("POSTRIDER_DB_DSN", "mysql://h/d"),
    ("POSTRIDER_DB_DSN", "h/d"),
    ("DATABASE_URL", "sqlite:///d"),
    ("POSTRIDER_DB_READ_DSN", "h/d"),
    ("POSTRIDER_REDIS_DSN", "127.0.0.1:6379"),
    ("SVIX_REDIS_DSN", "amqp://h"),
    ("POSTRIDER_DB_POOL_MAX_SIZE", "3"),
    ("SVIX_DB_POOL_MAX_SIZE", "many"),
    ("POSTRIDER_DB_STATEMENT_TIMEOUT", "0"),
    ("POSTRIDER_DB_STATEMENT_TIMEOUT", "nan"),
    ("POSTRIDER_EMBEDDED", "maybe"),
    ("POSTRIDER_JWT_ALGORITHM", "none"),
    ("POSTRIDER_DEFAULT_SIGNATURE_TYPE", "rsa"),
    ("POSTRIDER_MAX_BODY_BYTES", "1e6"),
    ("POSTRIDER_HEADER_TIMEOUT", "inf"),
    ("POSTRIDER_BODY_TIMEOUT", "-1"),
    ("POSTRIDER_IDLE_TIMEOUT", "x"),
    ("POSTRIDER_APP_PORTAL_URL", "portal.example.com"),
    ("SVIX_APP_PORTAL_URL", "javascript://x"),
    ("POSTRIDER_APP_PORTAL_URL", "https://"),
    ("POSTRIDER_RETRY_SCHEDULE", "5,x"),
    ("POSTRIDER_RETRY_SCHEDULE", "[5,300"),
    ("SVIX_RETRY_SCHEDULE", "5,300]"),
    ("SVIX_RETRY_SCHEDULE", "[5,-1]"),
    ("POSTRIDER_RETRY_SCHEDULE", ",".join(["1"] * 101)),
    ("POSTRIDER_RETRY_SCHEDULE", str(31 * 86400)),
    ("POSTRIDER_WORKER_REQUEST_TIMEOUT", "301"),
    ("POSTRIDER_WORKER_MAX_TASKS", "0"),
    ("POSTRIDER_WHITELIST_SUBNETS", "10.0.0.1/8"),
    ("POSTRIDER_WHITELIST_SUBNETS", "[10.0.0.0/8]"),
    ("POSTRIDER_WHITELIST_SUBNETS", '["10.0.0.0/8"'),
    ("POSTRIDER_WHITELIST_SUBNETS", "[1]"),
    ("SVIX_WHITELIST_SUBNETS", "localhost"),
    ("POSTRIDER_ENDPOINT_HTTPS_ONLY", "2"),
    ("POSTRIDER_CA_FILE", "/nowhere/ca.pem"),
    ("POSTRIDER_CA_FILE", "/dev/null"),
    ("POSTRIDER_PROXY_ADDR", "proxy:3128"),
    ("POSTRIDER_PROXY_ADDR", "http://proxy"),
    ("SVIX_PROXY_ADDR", "socks4://proxy:1080"),
    ("SVIX_PROXY_ADDR", "http://proxy:3128/path"),
    ("POSTRIDER_PROXY_ADDR", "http://proxy:port"),
    ("POSTRIDER_LOG_LEVEL", "loud"),
    ("POSTRIDER_LOG_FORMAT", "xml"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_refused_in_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_with(monkeypatch, **{name: value})
    assert str(refused.value).startswith(f"{name}: ")
    assert "\n" not in str(refused.value)
    assert "Value error" not in str(refused.value)


def test_a_wrong_setting_of_a_file_is_refused_with_the_names_it_may_have_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SVIX_RETRY_SCHEDULE=soon\n")
    with pytest.raises(SettingsError, match=r"^POSTRIDER_RETRY_SCHEDULE or SVIX_RETRY_SCHEDULE: "):
        settings.load()


def test_no_secret_shows_in_what_is_said_about_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refused:
        load_with(monkeypatch, POSTRIDER_DB_DSN="postgre://u:hunter2@h/d", POSTRIDER_JWT_SECRET="hunter2")
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(settings.load(db_dsn=None))


def test_no_password_of_a_proxy_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    read = load_with(
        monkeypatch, POSTRIDER_PROXY_ADDR="socks5://u:hunter2@proxy:1080", SVIX_NOPROXY=" a.b , 10.0.0.0/8"
    )
    assert read.noproxy == ("a.b", "10.0.0.0/8")
    assert "hunter2" not in repr(read)
    with pytest.raises(SettingsError) as refused:
        load_with(monkeypatch, POSTRIDER_PROXY_ADDR="socks6://u:hunter2@proxy:1080")
    assert "hunter2" not in str(refused.value)


def test_a_process_serves_with_complete_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    load_with(monkeypatch, **COMPLETE)
    assert settings.settings().main_secrets == ("b",)


@pytest.mark.parametrize("value", [None, "", " "])
@pytest.mark.parametrize("name", COMPLETE)
def test_a_process_does_not_serve_with_a_missing_or_empty_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    others = {other: text for other, text in COMPLETE.items() if other != name}
    load_with(monkeypatch, **others, **({} if value is None else {name: value}))
    with pytest.raises(SettingsError, match=f"^{name} is not set: set it"):
        settings.settings()


def test_main_secrets_that_are_all_empty_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    load_with(monkeypatch, **COMPLETE | {"POSTRIDER_MAIN_SECRET": ", ,"})
    with pytest.raises(SettingsError, match=r"^POSTRIDER_MAIN_SECRET is not set"):
        settings.settings()
