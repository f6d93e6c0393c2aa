"""What a log line looks like, and what never gets into one."""

import io
import json
import logging
import re
from collections.abc import Iterator
from time import process_time

import asyncpg
import pytest
from fastapi.exceptions import RequestValidationError
from loguru import logger
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

from app.logs import configure, correlation_id, redact
from app.settings import Settings


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Loguru and the standard library's logging are the process's: put back what the other tests rely on."""
    root = logging.root
    handlers, level = root.handlers[:], root.level
    # A test that calls a middleware by itself leaves its request's.
    correlation_id.set("")
    yield
    root.handlers = handlers
    root.setLevel(level)
    logger.remove()
    logger.configure(extra={}, patcher=None)
    logger.add(lambda _message: None)


def settings(**changes: str) -> Settings:
    return Settings(_env_file=None, **changes)  # type: ignore[arg-type]


def json_lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_the_time_level_message_process_and_bound_fields() -> None:
    stream = io.StringIO()
    configure(settings(), "worker", stream)
    logger.bind(attempt=3).info("sent {}", "msg_1")
    (line,) = json_lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", str(line.pop("time")))
    assert line.pop("logger") == "tests.test_logs"
    assert line == {"level": "info", "message": "sent msg_1", "process": "worker", "attempt": 3, "correlation_id": ""}


@pytest.mark.parametrize("log_format", ["json", "default"])
def test_every_line_carries_the_correlation_id(log_format: str) -> None:
    stream = io.StringIO()
    configure(settings(log_format=log_format), stream=stream)
    token = correlation_id.set("req-4711")
    try:
        logger.info("ours")
        logging.getLogger("celery.worker").warning("theirs")
    finally:
        correlation_id.reset(token)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all("req-4711" in line for line in lines)


def test_the_format_follows_the_stream_unless_it_is_set() -> None:
    terminal, pipe, forced = Terminal(), io.StringIO(), Terminal()
    for stream, log_format in ((terminal, "auto"), (pipe, "auto"), (forced, "json")):
        configure(settings(log_format=log_format), stream=stream)
        logger.info("hello")
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert json_lines(pipe)[0]["message"] == "hello"
    assert json_lines(forced)[0]["message"] == "hello"


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    configure(settings(log_level="warning"), stream=stream)
    logger.info("quiet")
    logging.getLogger("uvicorn.error").info("quiet too")
    logger.warning("loud")
    assert [line["message"] for line in json_lines(stream)] == ["loud"]


def test_the_libraries_lines_keep_their_names_levels_and_tracebacks() -> None:
    stream = io.StringIO()
    configure(settings(), stream=stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("it {failed} %s", "here")
    (line,) = json_lines(stream)
    assert (line["logger"], line["level"], line["message"]) == ("uvicorn.error", "error", "it {failed} here")
    assert "ValueError: broken" in str(line["exception"])


def test_uvicorns_access_log_is_off_because_ours_replaces_it() -> None:
    configure(settings(), stream=io.StringIO())
    assert not logging.getLogger("uvicorn.access").hasHandlers()


SECRETS = {
    "signing secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "ed25519 key": "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
    "provider key": "sk_live_51HqLyjWDarjtT1zdp7dcAbCdEf",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcmdfMSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    "percent-encoded secret": "whsec_MfKQ9r8GKYqrTwjUPD8I%2FLPZIo2LaLaSw%3D",
    "password of a request": "Basic dXNlcjpodW50ZXIyIQ==",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("log_format", ["json", "default"])
def test_no_secret_is_written_wherever_it_comes_in(secret: str, log_format: str) -> None:
    stream = io.StringIO()
    configure(settings(log_format=log_format), stream=stream)
    logger.info("a {} b", secret)
    logger.bind(found=secret, deep={"in": [secret]}).info("bound")
    logger.info("line\n{}", secret)
    logging.getLogger("celery").error("theirs %s", secret)
    try:
        raise RuntimeError(f"failed with {secret}")
    except RuntimeError:
        logger.exception("boom")
    assert stream.getvalue().count("***") >= 5
    assert secret not in stream.getvalue()
    assert secret[10:] not in stream.getvalue()


def test_variables_are_not_printed_in_tracebacks() -> None:
    stream = io.StringIO()
    configure(settings(log_format="default"), stream=stream)
    payload = "the customer's" + " payload"
    try:
        raise RuntimeError(str(len(payload)))
    except RuntimeError:
        logger.exception("boom")
    assert "RuntimeError: 22" in stream.getvalue()
    assert "the customer's payload" not in stream.getvalue()


def test_redaction_keeps_what_kind_of_secret_it_was_and_what_stands_around_it() -> None:
    assert redact("Authorization: Bearer abc.def-_~+/= end") == "Authorization: Bearer *** end"
    assert redact("postgresql://rider:p%40ss@db:5432/postrider") == "postgresql://rider:***@db:5432/postrider"
    assert redact("redis://:hunter2@cache/0") == "redis://:***@cache/0"


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8071/docs", "msg_2yZwUdTPYwhM5TyDbYxK3vKkKkK", "risk_level", "task_sk", "the bearer"]
)
def test_redaction_leaves_other_text_alone(text: str) -> None:
    assert redact(text) == text


def test_a_message_cannot_forge_a_line_or_move_the_cursor() -> None:
    stream = io.StringIO()
    configure(settings(log_format="default"), stream=stream)
    logger.info("bad\n2026-11-21 ERROR api forged \x1b[2J")
    logger.bind(path="/x\ny").info("bound")
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()


def test_a_private_key_is_not_written() -> None:
    body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
    for name in ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"):
        pem = f"-----BEGIN {name}-----\n{body}\n-----END {name}-----"
        assert redact(f"a {pem} b") == f"a -----BEGIN {name}-----***-----END {name}----- b"
    certificate = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"
    assert redact(certificate) == certificate


HOSTILE = {
    "beginnings of tokens": "eyJ" * 21_000,
    "halves of tokens": "eyJa.b" * 10_000,
    "runs after a token's dot": "eyJa." + "b" * 60_000,
    "bearers": "bearer " * 9_000,
    "a bearer of spaces": "bearer" + " " * 60_000,
    "passwords without an end": "://a:" * 12_000,
    "a long password": "://a:" + "b" * 60_000,
    "keys": "sk_" * 20_000,
    "beginnings of private keys": "-----BEGIN " * 6_000,
    "a private key of dashes": "-----BEGIN PRIVATE KEY-----" + "-" * 60_000,
    "line breaks": "\nDETAIL" * 9_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_line_that_a_caller_made_long_takes_no_time(text: str) -> None:
    """A path of 64 KB is logged. What a beginning of a token cost that was looked at again for each was 17 seconds."""
    stream = io.StringIO()
    configure(settings(log_format="default"), stream=stream)
    started = process_time()
    logger.bind(path=text).info("{}", text)
    assert process_time() - started < 0.5


def of_postgres() -> asyncpg.PostgresError:
    """As the driver makes it: the row is in its details, a value in its text."""
    return asyncpg.PostgresError.new(
        {
            "C": "23514",
            "M": 'new row for relation "messages" violates check constraint "messages_check"',
            "D": "Failing row contains (msg_1, canary).",
            "n": "messages_check",
            "t": "messages",
        }
    )


CANARY = "canary"


class Body(BaseModel):
    secret: int


def of_validation() -> Exception:
    try:
        Body.model_validate({"secret": CANARY})
    except ValidationError as error:
        return error
    raise AssertionError


QUOTING: dict[str, tuple[Exception, str]] = {
    "a row": (of_postgres(), 'constraint "messages_check" (SQLSTATE 23514, table messages, constraint messages_check)'),
    "a value": (
        asyncpg.PostgresError.new({"C": "22P02", "M": 'invalid input syntax for type integer: "canary"'}),
        "InvalidTextRepresentationError: (SQLSTATE 22P02)",
    ),
    "an argument": (asyncpg.DataError("invalid input for query argument $1: 'canary'"), "DataError: (SQLSTATE 22000)"),
    "a statement": (
        IntegrityError("INSERT INTO t VALUES ($1)", ("canary",), of_postgres()),
        "sqlalchemy.exc.IntegrityError",
    ),
    "input": (of_validation(), "ValidationError: int_parsing"),
    "a request": (RequestValidationError([{"type": "missing", "input": "canary"}]), "RequestValidationError: missing"),
}


@pytest.mark.parametrize(("error", "said"), QUOTING.values(), ids=QUOTING.keys())
@pytest.mark.parametrize("log_format", ["json", "default"])
def test_errors_that_quote_what_they_were_given_do_not_do_so_in_the_log(
    error: Exception, said: str, log_format: str
) -> None:
    stream = io.StringIO()
    configure(settings(log_format=log_format), stream=stream)
    try:
        try:
            raise error
        except Exception as caught:
            raise RuntimeError("it was for this") from caught
    except RuntimeError:
        logger.exception("boom")
    try:
        raise ExceptionGroup("several", [error, OSError("disk")])
    except ExceptionGroup:
        logger.exception("boom")
    written = stream.getvalue()
    assert "canary" not in written
    assert written.replace('\\"', '"').count(said) == 2
    for expected in ("RuntimeError: it was for this", "OSError: disk", "direct cause", "test_logs.py"):
        assert expected in written


def test_an_error_of_postgres_in_a_message_leaves_its_details_behind() -> None:
    for log_format in ("json", "default"):
        stream = io.StringIO()
        configure(settings(log_format=log_format), stream=stream)
        logger.warning("waiting for the database: {}", of_postgres())
        assert "canary" not in stream.getvalue()
        assert "violates check constraint" in stream.getvalue()


def test_an_exception_cannot_move_the_cursor_of_whoever_reads_it() -> None:
    stream = io.StringIO()
    configure(settings(log_format="default"), stream=stream)
    try:
        raise ValueError("\x1b[2J\x07" + "x" * 5000)
    except ValueError:
        logger.exception("boom")
    assert "\x1b" not in stream.getvalue()
    assert len(stream.getvalue()) < 3000
