"""Where the database is that a command is about: the one that is set, or that of the `postrider up` that runs here."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

from app.cli.database import TEMPORARY
from app.cli.process import CannotRun
from app.cli.secret_file import kept_secrets
from app.settings import Settings

DATABASE: Final = "postrider"
"""The name of the database that `postrider up` makes in its own Postgres."""

# Lines of postmaster.pid: the port, the folder of the socket (empty: there is none), the address.
_PORT, _SOCKET, _ADDRESS = 3, 4, 5


def database_dsn(settings: Settings) -> str:
    """POSTRIDER_DB_DSN, or else the Postgres that `postrider up` runs from POSTRIDER_DATA_DIR.

    CannotRun, code 75, if neither is there; code 78 if it may not be read.
    """
    if settings.db_dsn:
        return settings.db_dsn
    folder = settings.data_dir.absolute() / "postgres"
    try:
        lines = (folder / "cluster" / "postmaster.pid").read_text().splitlines()
        password = (folder / "password").read_text().strip()
    except FileNotFoundError:
        lines, password = [], ""
    except OSError as error:
        raise CannotRun(
            f"{error.filename} cannot be read ({error.strerror}): run this as who runs `postrider up`"
        ) from None
    if len(lines) <= _ADDRESS:
        raise CannotRun(
            f"no `postrider up` runs from {folder.parent}: start it, "
            "or set POSTRIDER_DATA_DIR to its folder, or POSTRIDER_DB_DSN to the database",
            code=TEMPORARY,
        )
    return _dsn(password, lines)


def sealed_database(settings: Settings) -> tuple[str, tuple[str, ...]]:
    """The same, with its main secrets. CannotRun as above, and if no main secret is known."""
    dsn = database_dsn(settings)
    secrets = settings.main_secrets
    if not secrets and not settings.db_dsn:
        secrets = (kept_secrets(settings.data_dir.absolute()).main,)
    if not secrets:
        raise CannotRun("POSTRIDER_MAIN_SECRET is not set: set it as the API and the workers have it", code=78)
    return dsn, secrets


def _dsn(password: str, lines: list[str]) -> str:
    port, socket, address = lines[_PORT].strip(), lines[_SOCKET].strip(), lines[_ADDRESS].strip()
    head = f"postgresql://postgres:{quote(password)}@"
    if socket:
        return f"{head}/{DATABASE}?host={quote(str(Path(socket)), safe='/')}&port={port}"
    return f"{head}{address or '127.0.0.1'}:{port}/{DATABASE}"
