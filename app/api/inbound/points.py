"""Hop 1 of what arrives: the URLs of sources. They need no token but the one that they end with."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response

from app.api.deps import SettingsDep
from app.api.inbound.service import InboundService
from app.api.responses import ERRORS, SAID, ProblemOut
from app.receiving.contract import Request as Arrived

router = APIRouter(tags=["Inbound"])
_ANSWERED: Final = "What the provider wants to read: nothing for an event, and what it asked for in a handshake"
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **{status: said for status, said in ERRORS.items() if status not in {409, 415, 422}},
    200: {
        "description": _ANSWERED,
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "3eZbrw1aB"},
            "application/json": {"schema": {}, "example": {"challenge": "3eZbrw1aB"}},
            "application/xml": {"schema": {"type": "string"}, "example": "<Response></Response>"},
            "text/xml": {"schema": {"type": "string"}, "example": "<Response></Response>"},
        },
    },
    202: {
        "description": "The same, for a provider that asks for this status",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": ""}},
    },
    204: {"description": "The same, for a provider that asks for this status"},
    400: {
        "model": ProblemOut,
        "description": "It is not in the provider's form",
        SAID: {"code": "malformed", "detail": "The body is not JSON."},
    },
    401: {
        "model": ProblemOut,
        "description": "It is not the provider's, as far as the source's secrets tell",
        SAID: {
            "code": "not_verified",
            "detail": "The signature was made with none of this source's secrets, or of another body.",
        },
    },
    403: {
        "model": ProblemOut,
        "description": "The source takes nothing from this address",
        SAID: {
            "code": "address_not_allowed",
            "detail": "This source takes no requests from 203.0.113.9: add it to the source's allowedIps.",
        },
    },
    404: {"model": ProblemOut, "description": "No source has this URL"},
    405: {"model": ProblemOut, "description": "The source does not take this method"},
}
# What is not FastAPI's to know: it is read as it comes, and no token is asked for.
_READ: Final[dict[str, Any]] = {
    "security": [],
    "requestBody": {
        "description": "What the provider sends, of whatever type; it is kept byte for byte.",
        "content": {
            "*/*": {
                "schema": {"type": "string", "format": "binary"},
                "example": '{"id": "evt_1", "type": "invoice.paid"}',
            }
        },
    },
}
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


async def _inbound(request: Request) -> InboundService:
    found: InboundService = request.app.state.inbound
    return found


InboundDep = Annotated[InboundService, Depends(_inbound)]
TokenRef = Annotated[
    str,
    Path(
        description="The end of a source's ingestUrl.",
        examples=["iWjzKQbXtWwPq0cIAqMPXvu7cJyjkZ7h1mGJtC1i2aA"],
    ),
]


@router.api_route("/in/{token}", methods=_METHODS, include_in_schema=False)
@router.post(
    "/in/{token}",
    operation_id="inbound.receive",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_READ,
)
async def receive(token: TokenRef, request: Request, inbound: InboundDep, settings: SettingsDep) -> Response:
    """Take in what a provider posts to a source."""
    base = (settings.public_url or str(request.base_url)).rstrip("/")
    query = request.scope["query_string"].decode("latin-1")
    url = f"{base}/in/{token}{'?' if query else ''}{query}"
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"])
    address = request.client.host if request.client else None
    arrived = Arrived(request.method, url, headers, await request.body())
    answer = await inbound.receive(token, arrived, address)
    return Response(answer.body, answer.status, {"content-type": answer.content_type, **answer.headers})
