"""The rules of tokens that reach no further than one application."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids, scopes
from app.api.api_token.models import ApiTokenOut
from app.api.application_token.models import CreateTokenIn, RotatePollerTokenIn
from app.db.api_token.model import ApiTokenRow
from app.db.api_token.table import ApiTokensTable
from app.db.application.model import ApplicationRow
from app.db.audit.trail import note
from app.db.organization.table import OrganizationsTable
from app.db.poller.table import PollersTable
from app.errors import InsufficientAccess, NotFound, existing
from app.sealing import Sealer
from app.tokens import Principal, fingerprint, new_api_token

_ENDING = 4
_POLLER = "Poller"


class ApplicationTokenService:
    """Makes tokens of an application, and shows those of its pollers."""

    def __init__(self, session: AsyncSession, sealer: Sealer) -> None:
        self._session = session
        self._sealer = sealer
        self._tokens = ApiTokensTable(session)
        self._pollers = PollersTable(session)
        self._organizations = OrganizationsTable(session)

    async def create_for_messages(self, caller: Principal, app: ApplicationRow, body: CreateTokenIn) -> ApiTokenOut:
        """A token that publishes to the application and does nothing else; its text is told this once.

        InsufficientAccess if the caller may not publish.
        """
        _check(caller, (scopes.PUBLISH,))
        await self._organizations.ensure_live(app.organization_id)
        text = new_api_token()
        row = _row(app, body.name, text, (scopes.PUBLISH_OWN,), body.expiry)
        await self._tokens.insert(row)
        return _out(row, text)

    async def of_poller(self, app: ApplicationRow, reference: str) -> ApiTokenOut:
        """The poller's token. NotFound if there is no such poller, or it has no token that is still good."""
        poller = existing(await self._pollers.find(app.id, reference))
        row = await self._tokens.current_of_poller(app.organization_id, poller.id)
        if row is None or row.sealed is None:
            raise NotFound("The poller has no token that is still good. Make one: POST the same path with /rotate.")
        return _out(row, self._sealer.open(row.sealed, row.id).decode())

    async def rotate(
        self, caller: Principal, app: ApplicationRow, reference: str, body: RotatePollerTokenIn
    ) -> ApiTokenOut:
        """A new token for a poller; earlier ones end in a while. NotFound, and InsufficientAccess as above."""
        _check(caller, scopes.POLL)
        await self._organizations.ensure_live(app.organization_id)
        # Locked, so that two who rotate at once do not leave two that are current.
        poller = existing(await self._pollers.find_to_change(app.id, reference))
        ending = await self._tokens.expire_of_poller(app.organization_id, poller.id, body.old_token_expiry)
        for token_id in ending:
            note(self._session, "api_token", token_id, {"expires_in": {"after": body.old_token_expiry}})
        text = new_api_token()
        row = _row(app, _POLLER, text, scopes.POLL, _lasting(caller, body.expiry))
        row.poller_id = poller.id
        row.sealed = self._sealer.seal(text.encode(), row.id)
        await self._tokens.insert(row)
        return _out(row, text)


def _lasting(caller: Principal, wanted: int | None) -> int | None:
    """For how many seconds a token is good that somebody makes: what a portal makes does not outlive its own."""
    if caller.application_id is None:
        return wanted
    left = max(int(caller.expires_at - clock.unix()), 1)
    return left if wanted is None else min(wanted, left)


def _check(caller: Principal, wanted: Sequence[str]) -> None:
    if scopes.exceeding(wanted, caller.scopes):
        raise InsufficientAccess("A token gives away no more than its own scopes: ask with one that may do this.")


def _row(app: ApplicationRow, name: str, text: str, allowed: Sequence[str], seconds: int | None) -> ApiTokenRow:
    now = clock.now()
    return ApiTokenRow(
        id=ids.new_id("key"),
        organization_id=app.organization_id,
        application_id=app.id,
        name=name,
        hash=bytes.fromhex(fingerprint(text)),
        ending=text[-_ENDING:],
        scopes=list(allowed),
        created_at=now,
        expires_at=None if seconds is None else now + timedelta(seconds=seconds),
        changed_at=now,
    )


def _out(row: ApiTokenRow, text: str) -> ApiTokenOut:
    return ApiTokenOut(
        id=row.id,
        token=text,
        name=row.name,
        scopes=row.scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
