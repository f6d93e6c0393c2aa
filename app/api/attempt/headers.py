"""The headers of an attempt. Those that were sent are not kept with it: that would cost each delivery for the few that
are asked about.

They are worked out anew: what is the same for each attempt, what its endpoint and its message have now.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from app import ids
from app.api.attempt.models import MessageAttemptHeadersOut
from app.api.endpoint.headers import is_sensitive
from app.db.attempt.model import AttemptRow
from app.db.endpoint.access import BasicAuthentication, HeaderAuthentication, OAuthAuthentication, open_authentication
from app.db.endpoint.model import EndpointRow, open_headers
from app.delivery.exchange import unpacked
from app.delivery.head import STANDARD_HEADERS
from app.receiving.record import unpack
from app.sealing import Sealer

_CONTENT_TYPE: Final = "content-type"
# Of those that read a signature, and who could repeat the request with it.
SIGNATURES: Final = ("webhook-signature", "svix-signature")


class _Params(msgspec.Struct, frozen=True):
    """What a message's `transformationsParams` say about its headers."""

    headers: dict[str, str] | None = None

    def __repr__(self) -> str:
        return "<_Params>"


_PARAMS: Final = msgspec.json.Decoder(_Params)


def headers_of_message(params: bytes | None, arrived: bytes | None) -> Mapping[str, str]:
    """Those that a message brings: as its publisher said, or as it arrived at a source."""
    if arrived is not None:
        received = unpack(arrived)
        found = dict(received.forwarded(original=received.forwards_original))
        if received.forwards_original and received.content_type is not None:
            found[_CONTENT_TYPE] = received.content_type
        return found
    return (params and _PARAMS.decode(params).headers) or {}


def headers_of(
    attempt: AttemptRow,
    endpoint: EndpointRow | None,
    of_message: Mapping[str, str],
    sealer: Sealer,
    *,
    whitelabel: bool,
) -> MessageAttemptHeadersOut:
    """What was sent with an attempt; `endpoint` is None if it is deleted. SealBroken if its headers do not open."""
    own = {} if endpoint is None else open_headers(sealer, endpoint.id, endpoint.headers)
    headers = _merged(own, of_message) | _signed(attempt, whitelabel=whitelabel)
    names = {name.lower(): name for name in headers}
    hidden = {lower for lower in names if is_sensitive(lower) or lower in SIGNATURES}
    if endpoint is not None and (credential := _credential(sealer, endpoint)) is not None:
        hidden.add(credential.lower())
        names.setdefault(credential.lower(), credential)
    shown = {name: value for name, value in headers.items() if name.lower() not in hidden}
    return MessageAttemptHeadersOut(
        sent_headers=shown,
        response_headers=response_headers(attempt),
        sensitive=[names[lower] for lower in sorted(hidden)],
    )


def response_headers(attempt: AttemptRow) -> list[list[str]] | None:
    """What the receiver answered with; None if there was no answer, or its headers were not kept."""
    if attempt.exchange is None:
        return None
    return [list(header) for header in unpacked(attempt.exchange).headers] or None


def _merged(own: Mapping[str, str], of_message: Mapping[str, str]) -> dict[str, str]:
    """As the worker sends them: what an endpoint has stays, but for the type of what is sent."""
    names = {name.lower() for name in own}
    added = {name: value for name, value in of_message.items() if name.lower() not in names}
    standard = {name: value for name, value in STANDARD_HEADERS.items() if name not in names}
    if any(name.lower() == _CONTENT_TYPE for name in of_message):
        standard.pop(_CONTENT_TYPE, None)
    return {"accept-encoding": "identity", **standard, **own, **added}


def _signed(attempt: AttemptRow, *, whitelabel: bool) -> dict[str, str]:
    values = {"id": attempt.message_id, "timestamp": str(int(ids.created_at(attempt.id).timestamp())), "signature": ""}
    families = ("webhook",) if whitelabel else ("webhook", "svix")
    return {f"{family}-{name}": value for family in families for name, value in values.items()}


def _credential(sealer: Sealer, endpoint: EndpointRow) -> str | None:
    """The header as whose value the endpoint's credentials are sent."""
    match open_authentication(sealer, endpoint.id, endpoint.authentication):
        case BasicAuthentication() | OAuthAuthentication():
            return "Authorization"
        case HeaderAuthentication(name=name):
            return name
        case None:
            return None
