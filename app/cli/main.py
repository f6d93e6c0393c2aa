"""The `postrider` command."""

import os
import sys
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from app import __version__, environment, ids, tokens
from app.cli.commands import api_command, beat_command, worker_command
from app.cli.import_svix import IMPORT_EXIT_CODES, svix
from app.cli.listen import LISTEN_EXIT_CODES, listen
from app.cli.process import CannotRun
from app.cli.secret_commands import SECRETS, SECRETS_EXIT_CODES
from app.cli.storage import keep_payloads, storage
from app.cli.tokens import TOKENS
from app.cli.trigger import TRIGGER_EXIT_CODES, trigger
from app.cli.users import USERS, dashboard
from app.cli.verify import VERIFY_EXIT_CODES, verify
from app.sealing import Sealer
from app.settings import Settings, SettingsError, load
from app.settings import settings as process_settings

_EXIT_CODES: Final = (
    "Exit codes: 0 ended as asked, 1 failed, 2 wrong usage, 75 try again later, 78 wrong setting, 130 Ctrl-C."
)

command = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A self-hosted webhook gateway that speaks the Svix API: it sends webhooks, and receives them.",
    epilog=_EXIT_CODES,
)


def main() -> None:
    """The entry point of the package."""
    command()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"postrider {__version__}")
        raise typer.Exit


@command.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself."""


def _one_line_errors(run: Callable[..., None]) -> Callable[..., None]:
    """What forbids to start is one line on stderr and an exit code, not a traceback."""

    @wraps(run)
    def guarded(*args: object, **kwargs: object) -> None:
        try:
            run(*args, **kwargs)
        except SettingsError as error:
            # What is missing may be there, misspelled.
            for line in environment.unknown_names():
                typer.echo(f"postrider: {line}", err=True)
            _fail(str(error), 78)
        except CannotRun as error:
            _fail(str(error), error.code)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return guarded


def _fail(text: str, code: int) -> NoReturn:
    typer.echo(f"postrider: {text}", err=True)
    raise typer.Exit(code) from None


@command.command(epilog=_EXIT_CODES)
@_one_line_errors
def up() -> None:
    """Run everything on this machine: Postgres, Valkey, the API, the worker and beat.

    Brings its own servers and secrets, kept in POSTRIDER_DATA_DIR (.postrider), and listens on POSTRIDER_LISTEN_ADDRESS
    (127.0.0.1:8071). With POSTRIDER_DB_DSN or POSTRIDER_REDIS_DSN set, uses that server instead of its own.
    Deliveries to loopback addresses are allowed unless POSTRIDER_WHITELIST_SUBNETS is set.
    """
    from app.cli.console import Console
    from app.cli.up import Up

    raise typer.Exit(Up(load(), Console()).run())


@command.command(epilog=_EXIT_CODES)
@_one_line_errors
def api() -> None:
    """Run the API: uvicorn --factory app.main:create_app."""
    settings = _ready_settings()
    _become(api_command(settings.host, settings.port, settings.trusted_proxies or ()))


@command.command(epilog=_EXIT_CODES)
@_one_line_errors
def worker() -> None:
    """Run the worker, which delivers messages: celery -A worker.main worker."""
    _ready_settings()
    _become(worker_command())


@command.command(epilog=_EXIT_CODES)
@_one_line_errors
def beat() -> None:
    """Run beat, which starts regular chores; one is enough: celery -A worker.main beat."""
    _ready_settings()
    # A predictable name in a shared folder could be planted by another user; beat unpickles what it finds.
    _become(beat_command(Path(tempfile.mkdtemp(prefix="postrider-beat-")) / "schedule"))


@command.command(epilog=_EXIT_CODES)
@_one_line_errors
def migrate() -> None:
    """Create the database if it is missing, and bring it to the newest schema. Several may run at once.

    POSTRIDER_DB_DSN names it: postgresql://user:password@host:port/database, or with a unix socket
    postgresql://user:password@/database?host=/folder&port=5432.
    """
    from app.cli.migrations import migrate as run_migrations

    settings = load()
    if not settings.db_dsn:
        raise SettingsError("POSTRIDER_DB_DSN is not set: set it to the database that shall be migrated")
    run_migrations(settings.db_dsn, typer.echo)


@command.command(epilog=_EXIT_CODES)
@_one_line_errors
def token(
    organization: Annotated[
        str, typer.Option("--organization", envvar="ORG", help="The organization that the token acts for.")
    ] = ids.DEFAULT_ORGANIZATION_ID,
) -> None:
    """Print an API token, valid for ten years, and nothing else.

    Signed with POSTRIDER_JWT_SECRET if it is set, otherwise with the secret that `postrider up` keeps in
    POSTRIDER_DATA_DIR (.postrider); one that is missing there is made.
    """
    settings = load()
    try:
        issued = tokens.issue(
            _jwt_secret(settings), settings.jwt_algorithm, organization or ids.DEFAULT_ORGANIZATION_ID
        )
    except ValueError as error:
        _fail(str(error), 2)
    typer.echo(issued)


_tokens = typer.Typer(no_args_is_help=True, help="Keep API tokens: list, create, revoke.")
for _name, _run in TOKENS.items():
    _tokens.command(_name, epilog=_EXIT_CODES)(_one_line_errors(_run))
command.add_typer(_tokens, name="tokens")

_users = typer.Typer(no_args_is_help=True, help="Keep those who sign in to the dashboard: list, create, and so on.")
for _name, _run in USERS.items():
    _users.command(_name, epilog=_EXIT_CODES)(_one_line_errors(_run))
command.add_typer(_users, name="users")
command.command("dashboard", epilog=_EXIT_CODES)(_one_line_errors(dashboard))

_secrets = typer.Typer(no_args_is_help=True, help="Replace the main secret: status, rotate.")
for _name, _run in SECRETS.items():
    _secrets.command(_name, epilog=SECRETS_EXIT_CODES)(_one_line_errors(_run))
command.add_typer(_secrets, name="secrets")

_imports = typer.Typer(no_args_is_help=True, help="Import what another server holds: svix.")
_imports.command("svix", epilog=IMPORT_EXIT_CODES)(_one_line_errors(svix))


@_imports.callback()
def _import_options() -> None:
    """Keeps `svix` a word of its own while it is the only one."""


command.add_typer(_imports, name="import")

command.command("listen", epilog=LISTEN_EXIT_CODES)(_one_line_errors(listen))
command.command("trigger", epilog=TRIGGER_EXIT_CODES)(_one_line_errors(trigger))
command.command("verify", epilog=VERIFY_EXIT_CODES)(_one_line_errors(verify))
command.command("storage", epilog=_EXIT_CODES)(_one_line_errors(storage))
command.command("keep-payloads", epilog=_EXIT_CODES)(_one_line_errors(keep_payloads))


def _jwt_secret(settings: Settings) -> str:
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    from app.cli.secret_file import kept_secrets

    data = settings.data_dir.absolute()

    def say_made() -> None:
        typer.echo(
            f"postrider: made new secrets in {data}; `make run` with the same POSTRIDER_DATA_DIR will use them, "
            "a server that runs with other secrets refuses this token",
            err=True,
        )

    return kept_secrets(data, say_made).jwt


def _ready_settings() -> Settings:
    """The settings of a process whose database is ready for it. SettingsError or CannotRun if it cannot be started."""
    from app.cli.database import require_ready

    settings = process_settings()
    assert settings.db_dsn is not None
    require_ready(settings.db_dsn, Sealer(settings.main_secrets))
    return settings


def _become(words: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execv(words[0], words)  # noqa: S606 - our own interpreter and arguments


if __name__ == "__main__":
    main()
