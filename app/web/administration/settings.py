"""The page of what holds for the whole organization."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.environment_settings.models import SettingsInternalOut
from app.web.api_client import ApiError
from app.web.forms import number_or_text, words
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)

_API: Final = "/management/environment-settings"
_PATH: Final = "/settings"
# Fields of the form, and what they are called in the API.
FLAGS: Final = {
    "disable_endpoint_on_failure": "disableEndpointOnFailure",
    "enforce_https": "enforceHttps",
    "require_endpoint_filter_types": "requireEndpointFilterTypes",
    "require_endpoint_channel": "requireEndpointChannel",
    "read_only": "readOnly",
    "enable_channels": "enableChannels",
    "enable_transformations": "enableTransformations",
}
_TEXTS: Final = {
    "display_name": "displayName",
    "custom_logo_url": "customLogoUrl",
    "custom_color": "customColor",
    "custom_font_family": "customFontFamily",
}


@router.get(_PATH)
async def show(view: ViewDep) -> Response:
    """The settings, in a form for whoever may change them."""
    settings = await view.api.get(SettingsInternalOut, _API)
    return view.page("administration/settings.html", values=_values(settings), error=None)


@router.post(_PATH)
async def change(view: ViewDep) -> Response:
    """Change them, or say what is wrong."""
    retries = view.field("retry_policy")
    body: dict[str, object] = {called: view.field(name) == "on" for name, called in FLAGS.items()}
    body |= {called: view.field(name) or None for name, called in _TEXTS.items()}
    body["endpointsPerAppLimit"] = number_or_text(view.field("endpoints_per_app_limit"))
    body["retryPolicy"] = [number_or_text(word) for word in words(retries)] if retries else None
    try:
        await view.api.patch(SettingsInternalOut, _API, body)
    except ApiError as error:
        if error.status != 422:
            raise
        return view.page("administration/settings.html", 422, values=_given(view), error=error)
    return view.redirect(_PATH, said="The settings are changed.")


def _values(settings: SettingsInternalOut) -> dict[str, object]:
    texts = {name: getattr(settings, name) or "" for name in _TEXTS}
    limit = settings.endpoints_per_app_limit
    retries = ", ".join(map(str, settings.retry_policy)) if settings.retry_policy else ""
    flags = {name: getattr(settings, name) for name in FLAGS}
    return {**texts, **flags, "endpoints_per_app_limit": limit or "", "retry_policy": retries}


def _given(view: View) -> dict[str, object]:
    texts = {name: view.field(name) for name in (*_TEXTS, "endpoints_per_app_limit", "retry_policy")}
    return {**texts, **{name: view.field(name) == "on" for name in FLAGS}}
