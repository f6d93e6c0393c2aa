"""Event type pages of the dashboard: create, change, archive, import."""

from typing import Final

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from app.api.catalog.export import newest_version
from app.api.catalog.models import EventTypeImportOpenApiOut
from app.api.event_type.models import EventTypeOut
from app.web.api_client import ApiError
from app.web.event_type.pages import PATH
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_FIRST_VERSION: Final = "1"
_NO_JSON: Final = "This is no JSON object: {} Leave it empty for no schema."

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)


# Not below PATH: what follows there is a name, and any word may be one.
@router.get("/event-type-new")
async def ask(view: ViewDep) -> Response:
    """The form of a new event type; `name` is what it may be called."""
    return _form(view, None, {"name": view.query("name")})


@router.post("/event-type-new")
async def create(view: ViewDep) -> Response:
    """Create it, or say what is wrong with it."""
    try:
        body = {"name": view.field("name"), **_body(view, None)}
        made = await view.api.post(EventTypeOut, PATH, body)
    except ApiError as error:
        return _form(view, None, _said(view), error)
    return view.redirect(f"{PATH}/{made.name}", said="The event type is there. Endpoints can subscribe to it.")


@router.get(PATH + "/{name}/edit")
async def edit(view: ViewDep, name: str) -> Response:
    """The form of one that there is, with its newest schema."""
    event_type = await view.api.get(EventTypeOut, f"{PATH}/{name}")
    schemas = event_type.schemas or {}
    schema = orjson.dumps(schemas[newest_version(schemas)], option=orjson.OPT_INDENT_2).decode() if schemas else ""
    values = {
        "description": event_type.description,
        "group": event_type.group_name or "",
        "flags": ", ".join(event_type.feature_flags or ()),
        "deprecated": "on" if event_type.deprecated else "",
        "schema": schema,
    }
    return _form(view, event_type, values)


@router.post(PATH + "/{name}/edit")
async def change(view: ViewDep, name: str) -> Response:
    """Change it, or say what is wrong with the change."""
    event_type = await view.api.get(EventTypeOut, f"{PATH}/{name}")
    try:
        await view.api.patch(EventTypeOut, f"{PATH}/{name}", _body(view, event_type))
    except ApiError as error:
        return _form(view, event_type, _said(view), error)
    return view.redirect(f"{PATH}/{name}", said="The event type is changed.")


@router.post(PATH + "/{name}/archive")
async def archive(view: ViewDep, name: str) -> Response:
    """Take it out of use."""
    await view.api.do("DELETE", f"{PATH}/{name}")
    return view.redirect(f"{PATH}/{name}", said="The event type is archived: nothing new can subscribe to it.")


@router.post(PATH + "/{name}/restore")
async def restore(view: ViewDep, name: str) -> Response:
    """Bring it back."""
    await view.api.patch(EventTypeOut, f"{PATH}/{name}", {"archived": False})
    return view.redirect(f"{PATH}/{name}", said="The event type is back.")


@router.post(PATH + "/{name}/delete")
async def delete(view: ViewDep, name: str) -> Response:
    """Be rid of it."""
    await view.api.do("DELETE", f"{PATH}/{name}", query={"expunge": True})
    return view.redirect(PATH, said=f"{name} is deleted.")


@router.get("/event-type-import")
async def ask_import(view: ViewDep) -> Response:
    """Where an OpenAPI document is pasted."""
    return view.page("event_type/import.html", text="", replace=False, outcome=None, error=None)


@router.post("/event-type-import")
async def import_openapi(view: ViewDep) -> Response:
    """Import what was pasted, or show what that would change."""
    text, dry = view.field("specRaw"), view.field("do") != "import"
    body = {"specRaw": text, "dryRun": dry, "replaceAll": view.field("replace") == "on"}
    outcome, error = None, None
    try:
        outcome = await view.api.post(EventTypeImportOpenApiOut, f"{PATH}/import/openapi", body)
    except ApiError as refused:
        error = refused
    if outcome is not None and not dry:
        count = len(outcome.data.modified)
        return view.redirect(
            PATH, said=f"Imported: {count} event {'type has' if count == 1 else 'types have'} changed."
        )
    values = {"text": text, "replace": body["replaceAll"], "outcome": outcome}
    return view.page("event_type/import.html", 200 if error is None else error.status, error=error, **values)


def _form(
    view: View, event_type: EventTypeOut | None, values: dict[str, str], error: ApiError | None = None
) -> Response:
    status = 200 if error is None else error.status
    return view.page("event_type/form.html", status, event_type=event_type, values=values, error=error)


def _said(view: View) -> dict[str, str]:
    """What was given, to be shown again."""
    return {name: view.field(name) for name in ("name", "description", "group", "flags", "deprecated", "schema")}


def _body(view: View, before: EventTypeOut | None) -> dict[str, object]:
    """What the API is told. ApiError for a schema that cannot be read."""
    flags = [flag for flag in view.field("flags").replace(",", " ").split() if flag]
    return {
        "description": view.field("description"),
        "groupName": view.field("group") or None,
        "featureFlags": flags or None,
        "deprecated": view.field("deprecated") == "on",
        "schemas": _schemas(view.field("schema"), (before.schemas if before else None) or {}),
    }


def _schemas(text: str, before: dict[str, object]) -> dict[str, object] | None:
    """All versions, the newest of them replaced by what was given; older ones stay as they are."""
    version = newest_version(before) if before else _FIRST_VERSION
    others = {name: schema for name, schema in before.items() if name != version}
    if not text:
        return others or None
    try:
        schema = orjson.loads(text)
        # What is too deep for us can be read, but not be sent on.
        orjson.dumps(schema)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise _unreadable(f"{error}.") from None
    if not isinstance(schema, dict):
        raise _unreadable("it begins with { and ends with }.")
    return {**others, version: schema}


def _unreadable(reason: str) -> ApiError:
    text = _NO_JSON.format(reason)
    return ApiError(422, "validation_error", text, (("schemas", text),))
