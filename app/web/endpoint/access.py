"""The pages of what is sent along to a receiver: headers, credentials, certificates."""

import asyncio
from typing import Final, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from app.api.endpoint.models import EndpointHeadersOut
from app.api.receiver_access.models import (
    EndpointAuthenticationOut,
    EndpointMtlsOut,
    EndpointOauthConfigOut,
    EndpointServerCaOut,
)
from app.web.api_client import ApiError
from app.web.endpoint.pages import ONE, endpoint_of
from app.web.forms import as_lines, from_lines, without_case, words
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)

ModelT = TypeVar("ModelT", bound=BaseModel)


@both.get(ONE + "/access")
async def show(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """What is sent along, without what is secret about it."""
    return await _page(view, app_id, endpoint_id)


@both.post(ONE + "/headers")
async def set_headers(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Have the headers that the form holds; those whose values are not shown stay, unless they are to go."""
    path = f"/app/{app_id}/endpoint/{endpoint_id}/headers"
    try:
        wanted = from_lines("headers", view.field("headers"))
        before = await view.api.get(EndpointHeadersOut, path)
        kept = without_case(wanted)
        removed = [name for name in before.headers if name.lower() not in kept]
        removed += [name for name in view.fields("remove") if name.lower() not in kept]
        await view.api.do("PATCH", path, {"headers": wanted, "deleteHeaders": removed})
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, error)
    return _done(view, app_id, endpoint_id, "The headers are changed.")


@both.post(ONE + "/authentication")
async def set_authentication(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Send a user name and password, or a header, with each request."""
    if view.field("type") == "header":
        body = {"type": "header", "name": view.field("name"), "value": view.field("value")}
    else:
        body = {"type": "basic", "username": view.field("username"), "password": view.field("password")}
    return await _change(view, app_id, endpoint_id, "PUT", "authentication", body, "Requests are authenticated.")


@both.post(ONE + "/authentication/delete")
async def delete_authentication(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Send nothing of the kind."""
    said = "Requests are sent without authentication."
    return await _change(view, app_id, endpoint_id, "DELETE", "authentication", None, said)


@both.post(ONE + "/oauth")
async def set_oauth(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Send tokens that are asked for with client credentials."""
    body = {
        "grantType": "clientCredentials",
        "authMethod": view.field("auth_method"),
        "clientId": view.field("client_id"),
        "clientSecret": view.field("client_secret"),
        "tokenUrl": view.field("token_url"),
        "scopes": words(view.field("scopes")) or None,
    }
    return await _change(view, app_id, endpoint_id, "PUT", "oauth", body, "Requests carry OAuth tokens.")


@both.post(ONE + "/mtls")
async def set_mtls(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Present a client certificate."""
    body = {"identity": _lines(view, "identity")}
    return await _change(view, app_id, endpoint_id, "PUT", "mtls", body, "The client certificate is presented.")


@both.post(ONE + "/mtls/delete")
async def delete_mtls(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Present none."""
    said = "No client certificate is presented any more."
    return await _change(view, app_id, endpoint_id, "DELETE", "mtls", None, said)


@both.post(ONE + "/ca")
async def set_authorities(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Verify the receiver with authorities of its own, or with the system's alone."""
    body = {"cert": _lines(view, "cert") or None}
    return await _change(view, app_id, endpoint_id, "PUT", "ca", body, "The authorities are changed.")


def _lines(view: View, name: str) -> str:
    """A text of lines, which forms send with CRLF."""
    text = view.field(name).replace("\r\n", "\n")
    return f"{text}\n" if text else ""


async def _change(
    view: View, app_id: str, endpoint_id: str, method: str, what: str, body: object, said: str
) -> Response:
    try:
        await view.api.do(method, f"/app/{app_id}/endpoint/{endpoint_id}/{what}", body)
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, error)
    return _done(view, app_id, endpoint_id, said)


def _done(view: View, app_id: str, endpoint_id: str, said: str) -> Response:
    return view.redirect(f"/app/{app_id}/endpoint/{endpoint_id}/access", said=said)


async def _page(view: View, app_id: str, endpoint_id: str, error: ApiError | None = None) -> Response:
    if error is not None and error.status in {403, 404}:
        raise error
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    path = f"/app/{app_id}/endpoint/{endpoint.id}"
    headers, authentication, mtls, authorities = await asyncio.gather(
        view.api.get(EndpointHeadersOut, f"{path}/headers"),
        _if_any(view, EndpointAuthenticationOut, f"{path}/authentication"),
        view.api.get(EndpointMtlsOut, f"{path}/mtls-config"),
        view.api.get(EndpointServerCaOut, f"{path}/ca"),
    )
    oauth = None
    if authentication is not None and authentication.type == "oauth2":
        oauth = await view.api.get(EndpointOauthConfigOut, f"{path}/oauth")
    again = error is not None and "headers" in view.form
    values: dict[str, object] = {"authentication": authentication, "oauth": oauth, "mtls": mtls, "error": error}
    values["authorities"] = authorities
    lines = view.field("headers") if again else as_lines(headers.headers)
    status = 200 if error is None else error.status
    values |= {"app_id": app_id, "endpoint": endpoint, "headers": headers, "lines": lines}
    return view.page("endpoint/access.html", status, **values)


async def _if_any(view: View, model: type[ModelT], path: str) -> ModelT | None:
    try:
        return await view.api.get(model, path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
