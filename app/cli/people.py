"""What `postrider users` and `postrider dashboard` do: keep those who sign in, and sign in who runs the command."""

import getpass
import re
import sys
import webbrowser
from contextlib import closing
from math import inf
from typing import Final

import orjson
import typer
from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.api.auth.service import AuthService
from app.api.paging import Paging
from app.api.user.models import UserIn, UserOut, UserPatch
from app.api.user.service import UserService
from app.cli.api_tokens import in_transaction, operator
from app.cli.process import CannotRun
from app.cli.running import sealed_database
from app.cli.secret_file import kept_secrets
from app.cli.up import DEFAULT_ADDRESS, base_url
from app.db.audit.entry import write_entry
from app.db.audit.trail import record
from app.db.user.model import Role
from app.passwords import LONGEST, SHORTEST, Passwords
from app.principal import Principal
from app.sealing import Sealer
from app.settings import Settings, load

_PAGE: Final = 250
_LONGEST_SESSION: Final = 64


def list_users(organization: str, as_json: bool) -> None:
    """Print an organization's users. CannotRun if the database cannot be used, as all here."""
    settings = load()

    async def read(session: AsyncSession) -> list[UserOut]:
        service, iterator = _service(session, settings, organization), None
        found: list[UserOut] = []
        while True:
            page = await service.page(Paging(limit=_PAGE, iterator=iterator, order=None))
            found += page.data
            if page.done:
                return found
            iterator = page.iterator

    users = in_transaction(settings, read)
    if as_json:
        typer.echo(orjson.dumps([user.model_dump(by_alias=True) for user in users]))
        return
    for user in users:
        seen = user.last_signed_in_at.isoformat(timespec="seconds") if user.last_signed_in_at else "never"
        state = "  disabled" if user.disabled else ""
        typer.echo(f"{user.id}  {user.email}  {user.role.value}  signed in {seen}{state}")


def create_user(email: str, role: str, name: str | None, password: str | None, organization: str) -> None:
    """Make a user; without a password, print the link with which they choose one. CannotRun if it is refused."""
    _require_organization(organization)
    try:
        body = UserIn(email=email, role=Role(role), name=name)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CannotRun(f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}", code=2) from None
    except ValueError:
        raise CannotRun(f"{role!r} is no role: take viewer, editor or admin", code=2) from None
    settings = load()

    async def create(session: AsyncSession) -> str:
        trail = record(session)
        service = _service(session, settings, organization)
        made = await service.create(body)
        if password is not None:
            await service.set_password(made.user.id, await _hashed(password))
        await write_entry(session, operator(organization), "cli.users.create", trail)
        return made.url

    url = in_transaction(settings, create)
    typer.echo(f"{body.email} may sign in now" if password is not None else url)


def set_password(email: str, password: str, organization: str) -> None:
    """Give a user another password. CannotRun if there is no such user."""
    settings = load()

    async def change(session: AsyncSession) -> None:
        trail = record(session)
        service = _service(session, settings, organization)
        await service.set_password((await service.find_by_email(email)).id, await _hashed(password))
        await write_entry(session, operator(organization), "cli.users.set-password", trail)

    in_transaction(settings, change)
    typer.echo(f"{email} has another password, and is signed out everywhere")


def change_user(email: str, disabled: bool, organization: str) -> None:
    """Disable or enable a user. CannotRun if there is no such user."""
    settings, word = load(), "disabled" if disabled else "enabled"

    async def change(session: AsyncSession) -> None:
        trail = record(session)
        service = _service(session, settings, organization)
        await service.change((await service.find_by_email(email)).id, UserPatch(disabled=disabled))
        await write_entry(session, operator(organization), f"cli.users.{'disable' if disabled else 'enable'}", trail)

    in_transaction(settings, change)
    typer.echo(f"{email} is {word}")


def dashboard(organization: str, open_it: bool) -> None:
    """Print a link that signs in, once. CannotRun if the database or its secrets cannot be used."""
    _require_organization(organization)
    settings = load()
    _, main_secrets = sealed_database(settings)
    if settings.jwt_secret is None:
        secret = kept_secrets(settings.data_dir.absolute()).jwt
        settings = settings.model_copy(update={"jwt_secret": SecretStr(secret)})
    # What the audit log calls it.
    name = re.sub(r"[^a-zA-Z0-9@_-]", "-", f"cli-{getpass.getuser()}")[:_LONGEST_SESSION]

    async def make(session: AsyncSession) -> str:
        trail = record(session)
        access = AuthService(session, settings, Sealer(main_secrets))
        url = await access.dashboard_access(organization, name, _url(settings))
        await write_entry(session, operator(organization), "cli.dashboard", trail)
        return url

    url = in_transaction(settings, make)
    typer.echo(url)
    if open_it and not webbrowser.open(url):
        raise CannotRun("no browser could be opened: follow the link yourself", code=1)


def read_password(*, ask: bool, stdin: bool) -> str | None:
    """A password from stdin, or asked for twice; None if neither is wanted. CannotRun for one that may not be taken."""
    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif ask:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        return None
    if not SHORTEST <= len(password) <= LONGEST:
        raise CannotRun(f"a password must have {SHORTEST} to {LONGEST} characters", code=2)
    return password


async def _hashed(password: str) -> bytes:
    with closing(Passwords()) as passwords:
        return await passwords.hash(password)


def _service(session: AsyncSession, settings: Settings, organization: str) -> UserService:
    return UserService(session, Principal(organization, None, inf), _url(settings))


def _url(settings: Settings) -> str:
    """Where a browser finds the dashboard."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    address = settings.listen_address if "listen_address" in settings.model_fields_set else DEFAULT_ADDRESS
    listening = settings.model_copy(update={"listen_address": address})
    return base_url(listening.host, listening.port)


def _require_organization(organization: str) -> None:
    if not ids.is_id(organization, "org"):
        raise CannotRun(f"{organization!r} is not an organization's id: org_ and 27 base62 characters", code=2)
