"""Exceptions as the log has them: of what kind they are and where they came from, without the values that they name.

Errors of the database and of validation quote what they were given: rows with payloads in them, parameters, input.
Python's own traceback prints them with it; Loguru's prints the variables too.
"""

import traceback
from collections.abc import Iterator
from typing import Final

# Packages whose errors quote values in their texts.
_QUOTING: Final = frozenset({"asyncpg", "fastapi", "psycopg", "pydantic", "pydantic_core", "sqlalchemy"})
# Of Postgres, for the operator: names of what is in the schema, never values.
_NAMED: Final = ("table_name", "column_name", "constraint_name")
# SQLSTATE class 22, data exceptions: `invalid input syntax for type integer: "…"`.
_OF_DATA: Final = "22"
_LONGEST_TEXT: Final = 1000


def description(error: BaseException) -> str:
    """One error as `Kind: what it says`, or what can be said of it without values."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    packages = {ancestor.__module__.partition(".")[0] for ancestor in kind.__mro__}
    text = str(error)[:_LONGEST_TEXT] if packages.isdisjoint(_QUOTING) else _without_values(error)
    return f"{name}: {text}" if text else name


def formatted(error: BaseException) -> str:
    """An exception with its traceback, and with those that it came from, the first one first; lines end in `\\n`."""
    return "".join(_parts(error, set()))


def _parts(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause, context = error.__cause__, None if error.__suppress_context__ else error.__context__
    if cause is not None and id(cause) not in seen:
        yield from _parts(cause, seen)
        yield "\nThe above exception was the direct cause of the following exception:\n\n"
    elif context is not None and id(context) not in seen:
        yield from _parts(context, seen)
        yield "\nDuring handling of the above exception, another exception occurred:\n\n"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    yield f"{description(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, part in enumerate(error.exceptions, 1):
            if id(part) not in seen:
                yield f"\nOf its {len(error.exceptions)} exceptions number {number}:\n\n"
                yield from _parts(part, seen)


def _without_values(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        names = [f"{name.partition('_')[0]} {value}" for name in _NAMED if (value := getattr(error, name, None))]
        says = "" if state.startswith(_OF_DATA) else str(error.args[0] if error.args else "")[:_LONGEST_TEXT]
        return " ".join(filter(None, [says, f"({', '.join([f'SQLSTATE {state}', *names])})"]))
    errors = getattr(error, "errors", None)
    if callable(errors):
        # Of Pydantic and FastAPI: a kind for each fault.
        kinds = sorted({str(fault.get("type")) for fault in errors()})
        return f"{', '.join(kinds)[:_LONGEST_TEXT]}"
    return ""
