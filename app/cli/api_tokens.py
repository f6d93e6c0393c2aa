"""What `postrider tokens` does: keeps the API tokens of an organization, and ends JWTs."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
import orjson
import typer
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.api.api import routes
from app.api.api_token.models import ApiTokenCensoredOut, ApiTokenExpireIn, ApiTokenIn
from app.api.api_token.service import ApiTokenService
from app.api.auth.service import revoke as revoke_jwt
from app.api.openapi import operation_names
from app.api.paging import Paging
from app.cli.database import refusals_explained
from app.cli.process import CannotRun
from app.cli.running import database_dsn
from app.cli.secret_file import kept_secrets
from app.db.api_token.fresh import find_token
from app.db.audit.entry import write_entry
from app.db.audit.model import Actor, ActorKind
from app.db.audit.trail import note, record
from app.db.preflight import is_migrated
from app.db.session import Database
from app.errors import NotFound, PostriderError
from app.settings import Settings, load
from app.tokens import TokenVerifier, fingerprint

_PAGE: Final = 250
ResultT = TypeVar("ResultT")


def list_tokens(organization: str, as_json: bool) -> None:
    """Print an organization's API tokens. CannotRun if the database cannot be used, as all here."""

    async def read(session: AsyncSession) -> list[ApiTokenCensoredOut]:
        service, iterator = ApiTokenService(session, organization, ()), None
        found: list[ApiTokenCensoredOut] = []
        while True:
            page = await service.page(Paging(limit=_PAGE, iterator=iterator, order=None))
            found += page.data
            if page.done:
                return found
            iterator = page.iterator

    tokens = in_transaction(load(), read)
    if as_json:
        typer.echo(orjson.dumps([token.model_dump(by_alias=True) for token in tokens]))
        return
    for token in tokens:
        ends = token.expires_at.isoformat(timespec="seconds") if token.expires_at else "never"
        typer.echo(
            f"{token.id}  {token.censored_token}  ends {ends}  {','.join(token.scopes or ['all'])}  {token.name}"
        )


def create_token(name: str, scopes: list[str], organization: str, as_json: bool) -> None:
    """Make an API token and print it. CannotRun if it is refused."""
    if not ids.is_id(organization, "org"):
        raise CannotRun(f"{organization!r} is not an organization's id: org_ and 27 base62 characters", code=2)
    try:
        body = ApiTokenIn(name=name, scopes=scopes or None)
    except ValidationError as error:
        raise CannotRun(error.errors(include_url=False)[0]["msg"], code=2) from None
    operations = operation_names(FastAPI(routes=routes())) if scopes else frozenset[str]()

    async def create(session: AsyncSession) -> tuple[str, bytes]:
        trail = record(session)
        made = await ApiTokenService(session, organization, operations).create(body)
        await write_entry(session, operator(organization), "cli.tokens.create", trail)
        return made.token, made.model_dump_json(by_alias=True, exclude_none=True).encode()

    token, described = in_transaction(load(), create)
    typer.echo(described if as_json else token)


def revoke_token(token: str, after: int, organization: str) -> None:
    """End an API token in so many seconds, or a JWT now. CannotRun for what is no token of this installation."""
    settings = load()

    async def revoke(session: AsyncSession) -> str:
        trail = record(session)
        owner, key = await _owner(settings, token, organization)
        if key is not None:
            try:
                await ApiTokenService(session, owner, ()).expire(key, ApiTokenExpireIn(expiry=after))
            except NotFound:
                raise _no_token(key) from None
        else:
            bearer = _verifier(settings).verify(token)
            await revoke_jwt(session, bearer)
            note(session, "jwt", bearer.token_id, {"revoked": {"after": True}})
            key = bearer.token_id
        await write_entry(session, operator(owner), "cli.tokens.revoke", trail)
        return key

    typer.echo(f"{in_transaction(settings, revoke)} is revoked" + (f" in {after} seconds" if after else ""))


async def _owner(settings: Settings, token: str, organization: str) -> tuple[str, str | None]:
    """Whose token it is, and its id; None for a JWT. Raises what a bad token raises."""
    if ids.is_id(token, "key"):
        return organization, token
    if token.startswith("key_"):
        raise _no_token(token)
    if not token.startswith("sk_"):
        return _verifier(settings).verify(token).organization_id, None
    async with asyncpg.create_pool(database_dsn(settings), min_size=1, max_size=1) as pool:
        found = await find_token(pool, fingerprint(token))
    if found is None:
        raise CannotRun("nobody has this token: look for its id with `postrider tokens list`", code=1)
    return found.organization_id, found.id


def _no_token(key: str) -> CannotRun:
    text = f"there is no such token in this organization: {key}; `postrider tokens list` shows those that there are"
    return CannotRun(text, code=1)


def _verifier(settings: Settings) -> TokenVerifier:
    if settings.jwt_secret is not None:
        secret = settings.jwt_secret.get_secret_value()
    else:
        secret = kept_secrets(settings.data_dir.absolute()).jwt
    return TokenVerifier(secret, settings.jwt_algorithm)


def operator(organization: str) -> Actor:
    return Actor(ActorKind.OPERATOR, organization, getpass.getuser())


def in_transaction(settings: Settings, work: Callable[[AsyncSession], Awaitable[ResultT]]) -> ResultT:
    """What comes of some work, committed. CannotRun if the database cannot be used, or the work is refused."""
    dsn = database_dsn(settings)

    async def run() -> ResultT:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            if not await is_migrated(connection):
                raise CannotRun("the database lacks migrations: run `postrider migrate` first")
        finally:
            await connection.close(timeout=5)
        database = Database(settings.model_copy(update={"db_dsn": dsn, "db_read_dsn": None}))
        try:
            async with database.transaction() as session:
                return await work(session)
        finally:
            await database.close()

    with refusals_explained():
        try:
            return asyncio.run(run())
        except PostriderError as error:
            raise CannotRun(error.detail, code=1) from None
