"""Logging: one line per event on stderr, for people or as JSON; every line carries the correlation id.

Secrets are removed from the finished line, whatever part of it they came in: signing secrets, API tokens, private keys,
and the passwords in server addresses. What has no form of its own, such as a payload or a custom header's value, is not
put into lines: exceptions are written without variables and without the values that they quote (app/tracebacks.py).
"""

import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC
from typing import TYPE_CHECKING, Final, TextIO

import orjson
from loguru import logger

from app import tracebacks
from app.settings import Settings

if TYPE_CHECKING:
    from loguru import Message, Record

# The id of the request (or of the unit of work) that the current task serves; "" outside of one.
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")

# No word boundary before most of them: in a JSON line the `n` of an escaped line break may stand there.
_SECRET: Final = re.compile(
    r"(whsec_|whsk_|[Bb]earer\s+|Basic\s+|(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))sk_)[\w.~+/=%-]+"
    r"|(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)[^-]*"
)
# What begins like a token is read once, whether or not it is one: a caller may send nothing but beginnings.
_TOKEN: Final = re.compile(r"eyJ[\w-]++(\.[\w-]++\.[\w-]+)?")
# What an error of Postgres adds to what it says: the row, the key, the text that it did not like.
_QUOTED: Final = re.compile(r"\n(?:DETAIL|CONTEXT|HINT|QUERY):.*|\n\[(?:SQL|parameters): .*", re.DOTALL)
_PASSWORD: Final = re.compile(r"(://[^\s:/@]*:)[^\s/@]+(?=@)")
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))} | {0x2028: " ", 0x2029: " "}

# What other libraries log, and from which level on. uvicorn's access log is ours (app/api/middleware.py).
_LIBRARIES: Final = {
    "": logging.INFO,
    "uvicorn": logging.INFO,
    "uvicorn.error": logging.INFO,
    "celery": logging.INFO,
    # Two lines for each doorbell, of which there may be ten a second.
    "celery.worker.strategy": logging.WARNING,
    "celery.app.trace": logging.WARNING,
    # A line for each chore, of which there is one a minute.
    "celery.beat": logging.WARNING,
    "celery.redirected": logging.INFO,
    "sqlalchemy": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
}


def redact(text: str) -> str:
    """The text without secrets: each is replaced by `***`, its kind stays readable."""
    text = _TOKEN.sub(lambda found: "***" if found[1] else found[0], text)
    return _PASSWORD.sub(r"\1***", _SECRET.sub(r"\1\2***", text))


def configure(settings: Settings, process: str = "api", stream: TextIO | None = None) -> None:
    """Send every log line of this process, the libraries' too, to stderr in the settings' format."""
    out = stream or sys.stderr
    terminal = out.isatty()
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not terminal)

    def write(message: "Message") -> None:
        out.write(redact(_json_line(message.record) if as_json else str(message) + _exception(message.record)))
        out.flush()

    logger.remove()
    logger.configure(extra={"process": process}, patcher=_add_correlation_id)
    logger.add(
        write,
        level=settings.log_level.upper(),
        format="" if as_json else _text_format,
        colorize=terminal and not as_json,
        # Variables' values in tracebacks would print payloads and secrets.
        diagnose=False,
        backtrace=False,
        enqueue=False,
    )
    _intercept_libraries()


def _intercept_libraries() -> None:
    logging.root.handlers = [_Intercept()]
    for name, level in _LIBRARIES.items():
        library = logging.getLogger(name)
        library.setLevel(level)
        if name:
            library.handlers = []
            library.propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers = []
    access.propagate = False


class _Intercept(logging.Handler):
    """Hands what libraries log with the standard library over to Loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno

        def origin(target: "Record") -> None:
            target["name"], target["function"], target["line"] = record.name, record.funcName, record.lineno

        # The text is an argument, so that braces in it are not taken for fields.
        logger.patch(origin).opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def _add_correlation_id(record: "Record") -> None:
    record["extra"].setdefault("correlation_id", correlation_id.get())


def _text_format(record: "Record") -> str:
    # A line break or an escape sequence in a message would let a caller of the API forge lines.
    record["message"] = redact(_QUOTED.sub("", record["message"])).translate(_CONTROL)
    fields = (name for name, value in record["extra"].items() if name != "process" and value != "")
    tail = "".join(f" <dim>{name}={{extra[{name}]!r}}</dim>" for name in fields)
    head = "<green>{time:YYYY-MM-DD HH:mm:ss.SSS}</green> <level>{level: <7}</level> <cyan>{extra[process]}</cyan> "
    return f"{head}{{message}}{tail}\n"


def _exception(record: "Record") -> str:
    """The lines of the exception, if the record has one, for people."""
    error = record["exception"] and record["exception"].value
    if error is None:
        return ""
    lines = tracebacks.formatted(error).splitlines()
    return "".join(f"{line.translate(_CONTROL)}\n" for line in lines)


def _json_line(record: "Record") -> str:
    line: dict[str, object] = {
        **record["extra"],
        "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": record["level"].name.lower(),
        "message": _QUOTED.sub("", record["message"]),
        "logger": record["name"],
    }
    if (error := record["exception"]) is not None and error.value is not None:
        line["exception"] = tracebacks.formatted(error.value)
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE).decode()
