"""What points ask for: who calls, a session, a service's parts. Annotated, so that a point's signature says it all."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Final

from fastapi import Depends, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app import scopes
from app.api import idempotency
from app.api.message.service import MessageService
from app.db.application.model import ApplicationRow
from app.db.application.table import ApplicationsTable
from app.db.audit.entry import write_entry
from app.db.audit.model import Actor, ActorKind
from app.db.audit.trail import record
from app.db.session import Database, due_after_commit, tasks_after_commit
from app.db.source.table import SourcesTable
from app.doorbell import Doorbell
from app.errors import AuthenticationFailed, InsufficientAccess, NotFound, existing
from app.payload_store.store import PayloadStore
from app.sealing import Sealer
from app.settings import Settings
from app.tokens import Principal, TokenVerifier


async def principal(request: Request) -> Principal:
    """Who calls, by the bearer token. AuthenticationFailed without a good one, InsufficientAccess beyond its scopes."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed("Missing or malformed Authorization header: send `Authorization: Bearer <token>`.")
    verifier: TokenVerifier = request.app.state.tokens
    caller = await verifier.find_principal(token.strip())
    if caller.scopes is not None and not scopes.allows(caller.scopes, operation_of(request), request.method):
        raise InsufficientAccess(f"This token's scopes do not hold {operation_of(request)}: use one that may do this.")
    request.state.caller = caller
    return caller


def operation_of(request: Request) -> str:
    """The operation that a request asks for, as the OpenAPI document calls it."""
    route = request.scope["route"]
    return route.operation_id or str(route.name)


def actor_of(request: Request) -> Actor:
    """Who the audit log says it was; the request's caller must be known."""
    caller: Principal = request.state.caller
    address = request.client.host if request.client else None
    if caller.user_id is not None:
        return Actor(ActorKind.USER, caller.organization_id, caller.user_id, address)
    if caller.kind == "api_token":
        kind = ActorKind.API_TOKEN
    else:
        kind = ActorKind.ORGANIZATION if caller.application_id is None else ActorKind.PORTAL
    name = f"{caller.token_id}/{caller.session_id}" if caller.session_id else caller.token_id
    # Who manages environments acts for the one that the path names: its owner wants to know.
    managed = request.path_params.get("env_id") if caller.is_management else None
    return Actor(kind, managed or caller.organization_id, name, address)


async def organization(request: Request) -> Principal:
    """The caller, who must be an organization. InsufficientAccess for a portal's token."""
    caller = await principal(request)
    if caller.application_id is not None:
        raise _beyond(request, "a token of the organization")
    return caller


async def publisher(request: Request) -> Principal:
    """The caller, who publishes: an organization, or whoever has a token to publish to one application."""
    caller = await principal(request)
    if not caller.may_publish_somewhere:
        raise _beyond(request, "a token of the organization, or one of create-message-token")
    return caller


def _beyond(request: Request, needed: str) -> InsufficientAccess:
    return InsufficientAccess(f"{InsufficientAccess.text} {operation_of(request)} needs {needed}.")


async def management(request: Request) -> Principal:
    """The caller, who must manage the installation. InsufficientAccess for everybody else."""
    caller = await principal(request)
    if not caller.is_management:
        raise InsufficientAccess(
            "Environments are managed with a management token: `postrider tokens create NAME --management` makes one."
        )
    return caller


async def database(request: Request) -> Database:
    found: Database = request.app.state.database
    return found


async def app_settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


async def sealer(request: Request) -> Sealer:
    found: Sealer = request.app.state.sealer
    return found


PrincipalDep = Annotated[Principal, Depends(principal)]
OrganizationDep = Annotated[Principal, Depends(organization)]
ManagementDep = Annotated[Principal, Depends(management)]
PublisherDep = Annotated[Principal, Depends(publisher)]
DatabaseDep = Annotated[Database, Depends(database)]
SettingsDep = Annotated[Settings, Depends(app_settings)]
SealerDep = Annotated[Sealer, Depends(sealer)]


async def public_url(request: Request, settings: SettingsDep) -> str:
    """Where this server is reached by those who do not ask for it now; without a slash at its end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")


PublicUrlDep = Annotated[str, Depends(public_url)]


async def payload_store(request: Request) -> PayloadStore | None:
    found: PayloadStore | None = request.app.state.payload_store
    return found


PayloadStoreDep = Annotated[PayloadStore | None, Depends(payload_store)]


async def doorbell(request: Request) -> Doorbell:
    found: Doorbell = request.app.state.doorbell
    return found


DoorbellDep = Annotated[Doorbell, Depends(doorbell)]


async def _writing(request: Request, database: DatabaseDep, bell: DoorbellDep) -> AsyncIterator[AsyncSession]:
    async with database.transaction() as session:
        if request.method in _READING_METHODS:
            yield session
        else:
            trail = record(session)
            if idempotency.has_key(request):
                # An operation that needs no token is not to be refused for a bad one; all others refuse it themselves.
                with suppress(AuthenticationFailed):
                    await idempotency.claim(request, await principal(request), session, request.app.state.sealer)
            yield session
            # In the same transaction: neither a change without its entry, nor an entry without its change.
            references = list(request.path_params.values())
            await write_entry(session, actor_of(request), operation_of(request), trail, references)
    bell.ring(due_after_commit(session))
    if tasks_after_commit(session):
        bell.ring_for_tasks()


async def _reading(database: DatabaseDep) -> AsyncIterator[AsyncSession]:
    async with database.reading() as session:
        yield session


# These need no entry in the audit log.
_READING_METHODS: Final = frozenset({"GET", "HEAD"})
# The scope makes the commit happen before the response is sent: a failing commit is a 500, not a lie.
SessionDep = Annotated[AsyncSession, Depends(_writing, scope="function")]
ReadSessionDep = Annotated[AsyncSession, Depends(_reading, scope="function")]

REFERENCE: Final = r"^[a-zA-Z0-9\-_.]+$"
ApplicationRef = Annotated[
    str, Path(alias="app_id", description="The application's id or uid.", max_length=256, pattern=REFERENCE)
]
EndpointRef = Annotated[
    str, Path(alias="endpoint_id", description="The endpoint's id or uid.", max_length=256, pattern=REFERENCE)
]
MessageRef = Annotated[
    str, Path(alias="msg_id", description="The message's id or event id.", max_length=256, pattern=REFERENCE)
]
AttemptRef = Annotated[
    str, Path(alias="attempt_id", description="The attempt's id.", max_length=256, pattern=REFERENCE)
]


async def find_application(session: AsyncSession, caller: Principal, reference: str) -> ApplicationRow:
    """The application that a path names, if the caller may see it. NotFound otherwise, without a hint why."""
    row = await ApplicationsTable(session).find(caller.organization_id, reference)
    if row is None or caller.application_id not in {None, row.id}:
        raise NotFound
    return row


async def _writing_application(app_id: ApplicationRef, caller: PrincipalDep, session: SessionDep) -> ApplicationRow:
    return await find_application(session, caller, app_id)


async def _reading_application(app_id: ApplicationRef, caller: PrincipalDep, session: ReadSessionDep) -> ApplicationRow:
    return await find_application(session, caller, app_id)


# The path's application, read in the same session (and transaction) as the rest of the request.
ApplicationDep = Annotated[ApplicationRow, Depends(_writing_application, scope="function")]
ReadApplicationDep = Annotated[ApplicationRow, Depends(_reading_application, scope="function")]


SourceRef = Annotated[
    str, Path(alias="source_id", description="The source's id or uid.", max_length=60, pattern=r"^[a-zA-Z0-9_-]+$")
]


async def find_application_of_source(session: AsyncSession, caller: Principal, reference: str) -> ApplicationRow:
    source = existing(await SourcesTable(session).find(caller.organization_id, reference))
    return await find_application(session, caller, source.application_id)


async def _writing_of_source(source: SourceRef, caller: OrganizationDep, session: SessionDep) -> ApplicationRow:
    return await find_application_of_source(session, caller, source)


async def _reading_of_source(source: SourceRef, caller: OrganizationDep, session: ReadSessionDep) -> ApplicationRow:
    return await find_application_of_source(session, caller, source)


# The application to which the path's source delivers.
SourceApplicationDep = Annotated[ApplicationRow, Depends(_writing_of_source, scope="function")]
ReadSourceApplicationDep = Annotated[ApplicationRow, Depends(_reading_of_source, scope="function")]


async def message_service(request: Request) -> MessageService:
    found: MessageService = request.app.state.messages
    return found


MessageServiceDep = Annotated[MessageService, Depends(message_service)]
