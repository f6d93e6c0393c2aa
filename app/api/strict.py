"""Routes whose bodies are JSON as RFC 8259 has it, and nothing that some parsers take for it, and whose POSTs can be
made again with their idempotency key.

Python's own parser accepts NaN, halves of surrogate pairs, UTF-16 and byte order marks, each of which would fail later:
in Postgres, or in the encoding of an answer.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api import idempotency
from app.api.exact import reason_of
from app.errors import ValidationFailed, Violation

_DECODER: Final = msgspec.json.Decoder()
# A megabyte can be half a million of them: a fifth of a second to make them and to look through them for garbage, in
# which nobody else is served. Counted by their brackets, which takes no time, and those in texts do no harm.
_MOST_PARTS: Final = 50_000


class StrictRoute(APIRoute):
    """An ordinary route; whatever has a body belongs on one, or on a lean route."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            request = _StrictRequest(request.scope, request.receive)
            try:
                response = await handle(request)
            except idempotency.Replayed as replayed:
                return replayed.response
            # The request's transaction is committed once this returns.
            await idempotency.settle(request, response)
            return response

        return strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        """The body. ValidationFailed if it is not JSON."""
        body = await self.body()
        try:
            if body.count(b"[") + body.count(b"{") > _MOST_PARTS:
                raise ValueError(f"it has more than {_MOST_PARTS} objects and lists")
            return _DECODER.decode(body)
        except RecursionError:
            reason = "the body nests too deep"
        except (msgspec.DecodeError, ValueError) as error:
            reason = f"the body is not JSON in UTF-8, or too much of it: {reason_of(error)}"
        raise ValidationFailed(Violation(("body",), reason, "value_error.jsondecode"))
