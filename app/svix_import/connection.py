"""Connections of an import: to the Svix server's database, which it only reads, and to ours."""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import psycopg
from psycopg.rows import DictRow, dict_row

Connection: TypeAlias = psycopg.Connection[DictRow]
Values: TypeAlias = Sequence[object] | Mapping[str, object]

_SECONDS: Final = 10
# What libpq says of a login or a database that is wrong, rather than away.
_REFUSED: Final = re.compile(
    r"authentication failed|no password supplied|no pg_hba|does not exist|certificate|SSL", re.I
)
_AGAIN: Final = "run this again, it goes on from where it was"


class Unreachable(Exception):
    """A database is away, or went away. The text names which one, and no password."""


class Refused(Exception):
    """A database is there and cannot be used so. The text names which one, and what to do."""


@contextmanager
def connected(dsn: str, name: str, *, read_only: bool) -> Generator[Connection, None, None]:
    """A connection whose transactions are given by `transaction()`. Unreachable or Refused if there is none.

    One that is read-only sees one moment in each transaction.
    """
    try:
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            connect_timeout=_SECONDS,
            application_name="postrider import",
            client_encoding="UTF8",
            row_factory=dict_row,
            # Statements are planned for their values, which say what partitions are about; and poolers keep no names.
            prepare_threshold=None,
        )
    except psycopg.OperationalError as error:
        if _REFUSED.search(str(error)):
            raise Refused(f"{name} refuses: {_line(error)}") from None
        raise Unreachable(f"{name} cannot be reached: {_line(error)}") from None
    except psycopg.ProgrammingError:
        # libpq may quote the part that it does not understand, which may hold the password.
        raise Refused(f"the address of {name} cannot be understood: postgresql://user:password@host/name") from None
    with connection:
        connection.read_only = read_only
        if read_only:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


@contextmanager
def losses_explained() -> Generator[None, None, None]:
    """Turns what psycopg raises once the work has begun into Unreachable and Refused. What was done by then stays."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise Unreachable(
            f"somebody created at this moment what was to be imported ({_line(error)}): {_AGAIN}"
        ) from None
    except psycopg.OperationalError as error:
        raise Unreachable(f"one of the databases has gone away ({_line(error)}): {_AGAIN}") from None
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
    ) as error:
        raise Refused(f"one of the databases refuses: {_line(error)}") from None
    except psycopg.Error as error:
        raise Refused(f"something cannot be imported as it is ({_line(error)}), and nothing of its bite was") from None


def _line(error: psycopg.Error) -> str:
    """What happened, without the rows that Postgres may quote."""
    return " ".join((error.diag.message_primary or str(error)).split())


def run(connection: Connection, statement: str, values: Values | None = None) -> psycopg.Cursor[DictRow]:
    """A statement, put together from constants; values are its parameters."""
    return connection.execute(statement.encode(), values)


def copy_across(source: Connection, select: str, values: Values, target: Connection, table: str) -> None:
    """Rows of a statement, as they are, into a table of the same columns. Nothing of it is kept in memory."""
    copy_out, copy_in = f"COPY ({select}) TO STDOUT (FORMAT BINARY)", f"COPY {table} FROM STDIN (FORMAT BINARY)"
    with (
        source.cursor() as reading,
        target.cursor() as writing,
        reading.copy(copy_out.encode(), values) as rows,
        writing.copy(copy_in.encode()) as copied,
    ):
        for part in rows:
            copied.write(part)
