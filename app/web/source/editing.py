"""Source pages that change something."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.source.models import IngestSourceOut, RotateTokenOut
from app.errors import NotFound
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.source.form import config_of, is_long, of_form, shown_fields, values_of
from app.web.source.kinds import Kind, find_kind, groups
from app.web.source.pages import API, PATH
from app.web.view import View, ViewDep

_ROTATED: Final = "The source has a new URL: enter it at the provider. The old one stays good for 48 hours."

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)


# Not below PATH: what follows there is an id or a uid, and any word may be one.
@router.get("/source-new")
async def ask(view: ViewDep) -> Response:
    """Which kind? Then, what that kind needs."""
    kind = find_kind(view.query("kind"))
    if kind is None:
        search = view.query("search")
        return view.page("source/kinds.html", groups=list(groups(search)), search=search)
    return _form(view, kind, None, {"name": kind.title, "forward": "original", "keep_rejected": "on"})


@router.post("/source-new")
async def create(view: ViewDep) -> Response:
    """Create it, or say what is wrong with it."""
    kind = find_kind(view.field("kind"))
    if kind is None:
        raise NotFound
    body = {**_body(view), "type": kind.name, "config": config_of(view, kind, changing=False)}
    if application := view.field("application"):
        body["applicationId"] = application
    try:
        made = await view.api.post(IngestSourceOut, API, body)
    except ApiError as error:
        return _form(view, kind, None, values_of(view, kind), of_form(error))
    said = "The source is there." if made.ingest_url is None else "The source is there: enter its URL at the provider."
    return view.redirect(f"{PATH}/{made.id}", said=said)


@router.get(PATH + "/{source_id}/edit")
async def edit(view: ViewDep, source_id: str) -> Response:
    """The form of a source, without its secrets."""
    source, kind = await _source(view, source_id)
    values = {
        "name": source.name,
        "uid": source.uid or "",
        "forward": source.forward,
        "allowed_ips": "\n".join(source.allowed_ips or ()),
        "keep_rejected": "on" if source.keep_rejected else "",
    }
    config = {
        f"config_{name}": str(value).lower() if value in (True, False) else str(value)
        for name, value in source.config.items()
    }
    return _form(view, kind, source, {**values, **config})


@router.post(PATH + "/{source_id}/edit")
async def change(view: ViewDep, source_id: str) -> Response:
    """Change it, or say what is wrong with the change."""
    source, kind = await _source(view, source_id)
    body = {**_body(view), "config": config_of(view, kind, changing=True)}
    try:
        await view.api.patch(IngestSourceOut, f"{API}/{source.id}", body)
    except ApiError as error:
        return _form(view, kind, source, values_of(view, kind), of_form(error))
    return view.redirect(f"{PATH}/{source.id}", said="The source is changed.")


@router.post(PATH + "/{source_id}/pause")
async def pause(view: ViewDep, source_id: str) -> Response:
    """Keep what arrives, and deliver none of it."""
    await view.api.patch(IngestSourceOut, f"{API}/{source_id}", {"paused": True})
    return view.redirect(f"{PATH}/{source_id}", said="The source is paused: what arrives is kept, and not delivered.")


@router.post(PATH + "/{source_id}/resume")
async def resume(view: ViewDep, source_id: str) -> Response:
    """Deliver again what arrives."""
    await view.api.patch(IngestSourceOut, f"{API}/{source_id}", {"paused": False})
    return view.redirect(f"{PATH}/{source_id}", said="The source delivers again.")


@router.post(PATH + "/{source_id}/rotate-url")
async def rotate_url(view: ViewDep, source_id: str) -> Response:
    """Another URL."""
    await view.api.post(RotateTokenOut, f"{API}/{source_id}/token/rotate")
    return view.redirect(f"{PATH}/{source_id}", said=_ROTATED)


@router.post(PATH + "/{source_id}/delete")
async def delete(view: ViewDep, source_id: str) -> Response:
    """Delete it; the messages stay."""
    await view.api.do("DELETE", f"{API}/{source_id}")
    return view.redirect(PATH, said="The source is deleted.")


async def _source(view: View, source_id: str) -> tuple[IngestSourceOut, Kind]:
    source = await view.api.get(IngestSourceOut, f"{API}/{source_id}")
    kind = find_kind(source.provider)
    if kind is None:
        # It is of a newer release, which is being rolled back.
        raise NotFound
    return source, kind


def _body(view: View) -> dict[str, object]:
    """What sources of all kinds have."""
    return {
        "name": view.field("name"),
        "uid": view.field("uid") or None,
        "forward": view.field("forward") or "original",
        "allowedIps": view.field("allowed_ips").replace(",", " ").split() or None,
        "keepRejected": view.field("keep_rejected") == "on",
    }


def _form(
    view: View, kind: Kind, source: IngestSourceOut | None, values: dict[str, str], error: ApiError | None = None
) -> Response:
    fields = [(asked, is_long(asked)) for asked in shown_fields(kind, rotating=source is not None)]
    return view.page(
        "source/form.html",
        200 if error is None else error.status,
        kind=kind,
        source=source,
        fields=fields,
        values=values,
        error=error,
    )
