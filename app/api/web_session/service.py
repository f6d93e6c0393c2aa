"""The rules of web sessions: how one begins, whose it is, how it ends."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import asyncpg

from app import clock, ids
from app.db.web_session.table import StoredSession, delete_session, find_session, insert_session
from app.errors import AuthenticationFailed
from app.principal import Principal
from app.sealing import Sealer
from app.tokens import TokenVerifier

LONGEST_SECONDS: Final = 7 * 86400
"""How long a session lasts, however much it is used."""


class SiteKind(IntEnum):
    """To what one is signed in."""

    DASHBOARD = 0
    PORTAL = 1


@dataclass(frozen=True, slots=True)
class WebSession:
    """Who is signed in: `token` is what pages call the API with, `caller` whom it stands for."""

    id: str
    kind: SiteKind
    caller: Principal
    token: str = field(repr=False)
    user_id: str | None = None
    appearance: Mapping[str, str] = field(default_factory=dict)


class WebSessionService:
    """Begins, finds and ends sessions. The text of a cookie is known to its browser only."""

    def __init__(self, pool: asyncpg.Pool, sealer: Sealer, tokens: TokenVerifier) -> None:
        self._pool = pool
        self._sealer = sealer
        self._tokens = tokens

    async def begin(
        self,
        kind: SiteKind,
        token: str,
        *,
        user_id: str | None = None,
        appearance: Mapping[str, str] | None = None,
    ) -> str:
        """The text of the new session's cookie. AuthenticationFailed if the token is not good, or not for this site."""
        caller = await self._tokens.find_principal(token)
        _check_site(kind, caller)
        text, session_id = secrets.token_urlsafe(32), ids.new_id("key")
        stored = StoredSession(
            session_id,
            kind,
            caller.organization_id,
            caller.application_id,
            user_id,
            self._sealer.seal(token.encode(), session_id),
            appearance or {},
        )
        seconds = min(LONGEST_SECONDS, caller.expires_at - clock.unix())
        await insert_session(self._pool, stored, _hash(text), seconds)
        return text

    async def find(self, kind: SiteKind, text: str) -> WebSession | None:
        """Whose cookie it is; None if nobody's, or if its token was revoked since."""
        stored = await find_session(self._pool, _hash(text))
        if stored is None or stored.site != kind:
            return None
        token = self._sealer.open(stored.sealed, stored.id).decode()
        try:
            caller = await self._tokens.find_principal(token)
            _check_site(kind, caller)
        except AuthenticationFailed:
            return None
        return WebSession(stored.id, kind, caller, token, stored.user_id, stored.appearance)

    async def end(self, text: str) -> None:
        """Sign out."""
        await delete_session(self._pool, _hash(text))


def _check_site(kind: SiteKind, caller: Principal) -> None:
    if caller.is_management or caller.poller_id is not None:
        raise AuthenticationFailed("This token is not for pages: sign in with an API token of the organization.")
    if kind is SiteKind.DASHBOARD and caller.application_id is not None:
        raise AuthenticationFailed("This token is an application's: its pages are the portal's.")
    if kind is SiteKind.PORTAL and caller.application_id is None:
        raise AuthenticationFailed("This token is the organization's: its pages are the dashboard's.")


def _hash(text: str) -> bytes:
    """Of 256 random bits: what cannot be guessed needs no slow one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
