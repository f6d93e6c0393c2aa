"""Idempotency keys: a POST that comes again with its key gets the answer of the first one, and does nothing.

The key is claimed when the request's transaction begins (app/api/deps.py), and the answer is stored before it is
committed (app/api/strict.py): what was done and what was answered are kept together or not at all, whatever crashes.
Publishing has its own way, because there many requests share a transaction (app/api/message/service.py).
"""

import hashlib
from typing import Final

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.idempotency_key.responses import StoredResponsesTable
from app.errors import Conflict
from app.sealing import Sealer
from app.tokens import Principal

KEY_REUSED: Final = "This idempotency key was used with another body. Use a new key; nothing was changed."
_HEADER: Final = "idempotency-key"
_SUCCESS: Final = range(200, 300)


class Replayed(Exception):
    """The request was made before: `response` is what was answered then."""

    def __init__(self, response: Response) -> None:
        super().__init__("this request was made before")
        self.response = response


class Claim:
    """A key that the request's transaction holds."""

    def __init__(self, responses: StoredResponsesTable, row_id: str, sealer: Sealer) -> None:
        self._responses = responses
        self._row_id = row_id
        self._sealer = sealer

    async def settle(self, response: Response) -> None:
        """Store the answer, in the transaction that is about to be committed; the key is free again if it failed."""
        if response.status_code not in _SUCCESS:
            await self._responses.release(self._row_id)
            return
        sealed = self._sealer.seal(bytes(response.body), self._row_id) if response.body else None
        await self._responses.keep(self._row_id, response.status_code, response.headers.get("content-type"), sealed)


def has_key(request: Request) -> bool:
    """Whether a request asks for being done once: a POST with a key, and with a token, to whom the key belongs."""
    headers = request.headers
    return request.method == "POST" and bool(headers.get(_HEADER)) and "authorization" in headers


def digest(text: bytes) -> bytes:
    """16 bytes that stand for a key, or for the request that came with it: of a body itself nothing is kept."""
    return hashlib.blake2b(text, digest_size=16).digest()


async def claim(request: Request, caller: Principal, session: AsyncSession, sealer: Sealer) -> None:
    """Claim the request's key. Replayed if the request was made before; Conflict if the key was another request's."""
    row_id = _identity(request, caller)
    request_hash = digest(await request.body())
    responses = StoredResponsesTable(session, caller.organization_id)
    earlier = await responses.claim(row_id, request_hash)
    if earlier is None:
        request.state.claim = Claim(responses, row_id, sealer)
        return
    if earlier.request_hash != request_hash:
        raise Conflict(KEY_REUSED)
    body = b"" if earlier.body is None else sealer.open(earlier.body, row_id)
    raise Replayed(Response(body, earlier.status, media_type=earlier.media_type))


async def settle(request: Request, response: Response) -> None:
    """Store a response under the key that its request has claimed, if it has."""
    claimed: Claim | None = getattr(request.state, "claim", None)
    if claimed is not None:
        await claimed.settle(response)


def _identity(request: Request, caller: Principal) -> str:
    """Who asked, for what, under which key. Another operation may have the same key, and so may another caller.

    Who may do less than the first one did is another caller: an answer may hold what it could not have got.
    """
    scope = request.scope
    parts = (
        caller.organization_id,
        caller.application_id or "",
        "all" if caller.scopes is None else " ".join(sorted(caller.scopes)),
        f"{scope['path']}?{scope['query_string'].decode('latin-1')}",
        request.headers[_HEADER],
    )
    # Neither a path nor a header can hold a NUL.
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=24).hexdigest()
