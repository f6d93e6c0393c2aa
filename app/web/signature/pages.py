"""The signature debugger, on both sites. Nothing that is sent to it is kept, and no secret comes back."""

import asyncio
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response

from app.api.endpoint.models import EndpointOut, EndpointSecretOut
from app.api.paging import ListOut
from app.receiving.debugging.diagnosis import Question, diagnose
from app.receiving.debugging.findings import Diagnosis
from app.receiving.debugging.key_readings import KnownSecret
from app.web.api_client import ApiError
from app.web.forms import refused
from app.web.page_route import PageRoute
from app.web.receiver_code import receiver_codes
from app.web.signature.form import Asked, question_of, read_form
from app.web.view import View, ViewDep

PATH: Final = "/signature"
_MOST_ENDPOINTS: Final = 100
_EMPTY: Final = ("headers", "body", "body_form", "computed", "url", "now")

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.get(PATH)
async def ask(view: ViewDep) -> Response:
    """The form; `app_id` and `endpoint_id` may be in the address."""
    asked = Asked({**dict.fromkeys(_EMPTY, ""), **{name: view.query(name) for name in ("app_id", "endpoint_id")}}, ())
    return await _page(view, asked)


@both.post(PATH)
async def answer(view: ViewDep) -> Response:
    """What is wrong with a signature."""
    asked = read_form(view)
    try:
        secrets = (*asked.secrets, *await _secret_of_endpoint(view, asked))
        diagnosis = await asyncio.to_thread(_diagnosed, question_of(asked, secrets))
    except ApiError as error:
        # The token has ended: signing in is what helps.
        if error.status == 401:
            raise
        return await _page(view, asked, error=error)
    return await _page(view, asked, diagnosis)


def _diagnosed(question: Question) -> Diagnosis:
    try:
        return diagnose(question)
    except ValueError as error:
        raise refused("body", f"{error}.") from None


async def _page(
    view: View, asked: Asked, diagnosis: Diagnosis | None = None, error: ApiError | None = None
) -> Response:
    return view.page(
        "signature/debugger.html",
        422 if error is not None else 200,
        values=asked.values,
        diagnosis=diagnosis,
        error=error,
        endpoints=await _endpoints(view, asked),
        may_use_endpoints=_may_use_endpoints(view),
        receiver_codes=receiver_codes(),
    )


def _application(view: View, asked: Asked) -> str:
    return view.session.caller.application_id or asked.values["app_id"].strip()


def _may_use_endpoints(view: View) -> bool:
    return view.may_read("v1.endpoint.list") and view.may_read("v1.endpoint.get-secret")


async def _endpoints(view: View, asked: Asked) -> list[EndpointOut]:
    """To choose from; none while no application is chosen, or one that there is not."""
    application = _application(view, asked)
    if not application or not _may_use_endpoints(view):
        return []
    try:
        path, query = f"/app/{quote(application, safe='')}/endpoint", {"limit": _MOST_ENDPOINTS}
        return list((await view.api.get(ListOut[EndpointOut], path, query)).data)
    except ApiError:
        return []


async def _secret_of_endpoint(view: View, asked: Asked) -> tuple[KnownSecret, ...]:
    endpoint = asked.values["endpoint_id"].strip()
    if not endpoint:
        return ()
    application = _application(view, asked)
    if not application:
        raise refused("app_id", "Say whose endpoint it is: the application's id or uid.")
    try:
        path = f"/app/{quote(application, safe='')}/endpoint/{quote(endpoint, safe='')}/secret"
        found = await view.api.get(EndpointSecretOut, path)
    except ApiError as error:
        if error.status == 401:
            raise
        raise refused("endpoint_id", f"The endpoint's secret cannot be read: {error.detail}") from None
    return (KnownSecret(found.key, "endpoint"),)
