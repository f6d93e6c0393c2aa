"""Signing in as a user: with a password, with an invitation to choose one, or with the provider of OpenID Connect."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from app.api.sign_in.models import OpenIdBeginOut, OpenIdFinishOut, SignedInOut
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.sign_in.beginning import ask_who, begin, safe
from app.web.view import AnyoneDep, View

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)

_BACK: Final = "/sign-in/openid"
_SHOWN: Final = frozenset({401, 404, 422, 429, 503})
_UNEQUAL: Final = "These are not the same. Write the password twice."


@router.post("/sign-in/password")
async def with_password(view: AnyoneDep) -> Response:
    """Begin a session of a user."""
    email, target = view.field("email"), view.field("next")
    try:
        body = {"email": email, "password": view.secret("password")}
        signed_in = await view.api_with(None).post(SignedInOut, "/auth/sign-in", body)
    except ApiError as error:
        return await _refused(view, error, email, target)
    return await begin(view, signed_in.token, signed_in.user_id, target)


@router.get("/invitation")
async def invited(view: AnyoneDep) -> Response:
    """Where invitations lead: choose a password."""
    return view.page("sign_in/invitation.html", error=None, wrong=None, invitation="")


@router.post("/invitation")
async def accept(view: AnyoneDep) -> Response:
    """Begin a session of a user who has chosen a password."""
    invitation, password = view.field("invitation"), view.secret("password")
    if password != view.secret("again"):
        return view.page("sign_in/invitation.html", 422, error=None, wrong=_UNEQUAL, invitation=invitation)
    try:
        body = {"invitation": invitation, "password": password}
        signed_in = await view.api_with(None).post(SignedInOut, "/auth/sign-in/invitation", body)
    except ApiError as error:
        return view.page("sign_in/invitation.html", error.status, error=error, wrong=None, invitation=invitation)
    return await begin(view, signed_in.token, signed_in.user_id)


@router.get("/sign-in/openid/begin")
async def ask_provider(view: AnyoneDep) -> Response:
    """Lead to the provider. By a link: what a form leads to elsewhere, the policy of our pages forbids."""
    target = safe(view.query("next"))
    try:
        body = {"redirectUri": _address(view), "next": target}
        begun = await view.api_with(None).post(OpenIdBeginOut, "/auth/sign-in/openid/begin", body)
    except ApiError as error:
        return await _refused(view, error, "", target)
    response = RedirectResponse(begun.url, 303)
    view.cookies.keep_pending(response, begun.pending)
    return response


@router.get(_BACK)
async def from_provider(view: AnyoneDep) -> Response:
    """Where the provider leads back to: begin a session of the user that it knows."""
    if refusal := view.query("error"):
        text = f"The provider of single sign-on answered: {refusal[:100]}. Try again, or ask an administrator."
        return await ask_who(view, status=401, error=text)
    try:
        body = {"code": view.query("code"), "state": view.query("state"), "pending": view.cookies.pending or "-"}
        signed_in = await view.api_with(None).post(OpenIdFinishOut, "/auth/sign-in/openid/finish", body)
    except ApiError as error:
        return await _refused(view, error, "", "")
    response = await begin(view, signed_in.token, signed_in.user_id, signed_in.next)
    view.cookies.forget_pending(response)
    return response


async def _refused(view: View, error: ApiError, email: str, target: str) -> Response:
    if error.status not in _SHOWN:
        raise error
    return await ask_who(view, status=error.status, error=error.detail, email=email, target=target)


def _address(view: View) -> str:
    return f"{str(view.request.base_url).rstrip('/')}{view.url(_BACK)}"
