"""The pages of an endpoint's signing secret. It stands only in the answer to a form that asked for it."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.endpoint.models import EndpointSecretOut
from app.web.api_client import ApiError
from app.web.endpoint.pages import ONE, endpoint_of
from app.web.forms import number_or_text
from app.web.page_route import PageRoute
from app.web.receiver_code import receiver_codes
from app.web.view import View, ViewDep

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.post(ONE + "/secret")
async def reveal(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """The secret, to be copied."""
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    secret = await view.api.get(EndpointSecretOut, f"/app/{app_id}/endpoint/{endpoint.id}/secret")
    return view.page(
        "endpoint/secret.html", app_id=app_id, endpoint=endpoint, secret=secret.key, receiver_codes=receiver_codes()
    )


@both.get(ONE + "/rotate")
async def ask_rotate(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """What the next secret is to be, and how long the old one goes on signing."""
    return await _form(view, app_id, endpoint_id)


@both.post(ONE + "/rotate")
async def rotate(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Sign with another secret."""
    body = {"gracePeriodSeconds": number_or_text(view.field("grace")), "key": view.field("key") or None}
    try:
        await view.api.do("POST", f"/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", body)
    except ApiError as error:
        return await _form(view, app_id, endpoint_id, error)
    said = "Messages are signed with the new secret. Show it, and give it to the receiver."
    return view.redirect(f"/app/{app_id}/endpoint/{endpoint_id}/access", said=said)


async def _form(view: View, app_id: str, endpoint_id: str, error: ApiError | None = None) -> Response:
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    status = 200 if error is None else error.status
    return view.page("endpoint/rotate.html", status, app_id=app_id, endpoint=endpoint, error=error)
