"""The rules of API tokens: nobody gives away more than they have, and nothing brings back what was expired."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids, scopes
from app.api.api_token.models import (
    ApiTokenCensoredOut,
    ApiTokenExpireIn,
    ApiTokenIn,
    ApiTokenOut,
    ApiTokenPatch,
    ApiTokenUpdate,
)
from app.api.paging import ListOut, Paging, list_out
from app.db.api_token.model import ApiTokenRow
from app.db.api_token.table import ApiTokensTable
from app.db.audit.trail import note
from app.db.organization.table import OrganizationsTable
from app.errors import InsufficientAccess, ValidationFailed, Violation, existing
from app.tokens import fingerprint, new_api_token

_ENDING = 4


class ApiTokenService:
    """Keeps an organization's API tokens. `operations` are all that there are; `own` are the caller's scopes."""

    def __init__(
        self,
        session: AsyncSession,
        organization_id: str,
        operations: Collection[str],
        own: Collection[str] | None = None,
    ) -> None:
        self._session = session
        self._organization_id = organization_id
        self._operations = operations
        self._own = own
        self._tokens = ApiTokensTable(session)

    async def page(self, paging: Paging) -> ListOut[ApiTokenCensoredOut]:
        """The organization's tokens, oldest first unless asked otherwise; those that have expired too."""
        page = await self._tokens.page(self._organization_id, paging.window(ascending=True, ids_of="key"))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=_censored)

    async def get(self, token_id: str) -> ApiTokenCensoredOut:
        """One token. NotFound if there is none."""
        return _censored(existing(await self._tokens.get(self._organization_id, token_id)))

    async def create(self, body: ApiTokenIn) -> ApiTokenOut:
        """A new token. ValidationFailed for scopes that mean nothing, InsufficientAccess for more than the caller's."""
        self._check(body.scopes)
        await OrganizationsTable(self._session).ensure_live(self._organization_id)
        text = new_api_token()
        now = clock.now()
        row = ApiTokenRow(
            id=ids.new_id("key"),
            organization_id=self._organization_id,
            name=body.name,
            hash=bytes.fromhex(fingerprint(text)),
            ending=text[-_ENDING:],
            scopes=body.scopes,
            created_at=now,
            expires_at=None if body.expiry is None else now + timedelta(seconds=body.expiry),
            changed_at=now,
        )
        await self._tokens.insert(row)
        return ApiTokenOut(
            id=row.id,
            token=text,
            name=row.name,
            scopes=row.scopes,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )

    async def change(self, token_id: str, body: ApiTokenUpdate | ApiTokenPatch) -> ApiTokenCensoredOut:
        """Rename a token, or give it other scopes. Raises what `create` raises, and NotFound."""
        row = existing(await self._tokens.find_to_change(self._organization_id, token_id))
        if body.name is not None:
            row.name = body.name
        if isinstance(body, ApiTokenPatch) and "scopes" in body.model_fields_set:
            if row.application_id is not None:
                text = "The scopes of a token that was made for one application are fixed. Make another one."
                raise ValidationFailed(Violation(("body", "scopes"), text))
            # Neither may somebody with little take away from one that has more.
            self._check(row.scopes)
            self._check(body.scopes)
            row.scopes = body.scopes
        await self._tokens.rewrite(row)
        return _censored(row)

    async def expire(self, token_id: str, body: ApiTokenExpireIn) -> None:
        """End a token for good, now or in some seconds. NotFound if there is none."""
        ends_at = existing(await self._tokens.expire(self._organization_id, token_id, body.expiry))
        note(self._session, "api_token", token_id, {"expires_at": {"after": ends_at.isoformat()}})

    def _check(self, wanted: Sequence[str] | None) -> None:
        meaningless = scopes.unknown(wanted or (), self._operations)
        if meaningless:
            text = f"These scopes name no operation: {', '.join(meaningless)}. Take names from /openapi.json."
            raise ValidationFailed(Violation(("body", "scopes"), text))
        if scopes.exceeding(wanted, self._own):
            raise InsufficientAccess("A token gives away no more than its own scopes: ask for some of those.")


def _censored(row: ApiTokenRow) -> ApiTokenCensoredOut:
    return ApiTokenCensoredOut(
        id=row.id,
        censored_token=f"sk_…{row.ending}",
        name=row.name,
        scopes=row.scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
