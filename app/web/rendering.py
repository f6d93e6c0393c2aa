"""Templates, and how they show what the API says: times, sizes, JSON. Everything is escaped."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from app import clock
from app.web.static_files import static_url

_SPANS: Final = ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def render(template: str, **values: Any) -> str:
    """A template of app/web/templates with these values."""
    return _ENVIRONMENT.get_template(template).render(values)


def when(moment: datetime | None) -> Markup:
    """A point in time for people: how long ago or ahead it is, with the exact time in UTC as its title."""
    if moment is None:
        return Markup('<span class="muted">never</span>')
    utc = moment.astimezone(UTC)
    exact = utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(utc.isoformat(), exact, relative(moment))


def relative(moment: datetime) -> str:
    """How long ago or ahead: `3 min ago`, `in 2 h`, `now`."""
    seconds = (clock.now() - moment).total_seconds()
    for length, unit in _SPANS:
        if abs(seconds) >= length:
            count = int(abs(seconds) // length)
            return f"{count} {unit} ago" if seconds > 0 else f"in {count} {unit}"
    return "now"


def exact_time(moment: datetime) -> Markup:
    """A point in time to the millisecond, in UTC."""
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.isoformat(), utc.strftime("%Y-%m-%d %H:%M:%S.") + f"{utc.microsecond // 1000:03d} UTC"
    )


def number(value: float) -> str:
    """`12,345`, or `1.25`."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def size(count: int) -> str:
    """Bytes for people, in powers of 1000."""
    value, unit = float(count), _UNITS[0]
    for larger in _UNITS[1:]:
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == _UNITS[0] else f"{value:.1f} {unit}"


def duration(milliseconds: float | None) -> str:
    """Milliseconds for people: `38 ms`, `1.2 s`, `3 min`."""
    if milliseconds is None:
        return "–"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def pretty(value: object) -> str:
    """JSON, indented; what is no JSON, as it is."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    try:
        parsed = orjson.loads(text) if isinstance(text, str) else text
        return orjson.dumps(parsed, option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        # Or so deep that it can be read, and not be written.
        return str(text)


def _plain(value: object) -> object:
    """None is nothing, an enumeration its value, a text itself."""
    return "" if value is None else value.value if isinstance(value, Enum) else value


def attributes(**values: str | bool | int | None) -> Markup:
    """Attributes of an element, escaped; those that are None or False are left out."""
    made = (
        escape(name.replace("_", "-")) if value is True else Markup('{}="{}"').format(name.replace("_", "-"), value)
        for name, value in values.items()
        if value is not None and value is not False
    )
    return Markup(" ").join(made)


_FILTERS: Final[dict[str, Callable[..., object]]] = {
    "when": when,
    "exact_time": exact_time,
    "number": number,
    "size": size,
    "duration": duration,
    "pretty": pretty,
}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
        auto_reload=False,
    )
    environment.filters.update(_FILTERS)
    environment.globals.update(static=static_url, attributes=attributes)
    return environment


_ENVIRONMENT: Final = _environment()
