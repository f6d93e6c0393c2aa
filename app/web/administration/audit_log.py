"""The page of the audit log: who changed what."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.audit_log.models import AuditEntryOut
from app.api.paging import ListOut
from app.web.api_client import ApiError, Query
from app.web.page_route import PageRoute
from app.web.view import ViewDep

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)

_PATH: Final = "/audit-log"
_PER_PAGE: Final = 50
_TEXTS: Final = ("actor", "operation", "target", "app_id")
_TIMES: Final = ("after", "before")


@router.get(_PATH)
async def index(view: ViewDep) -> Response:
    """Entries, newest first, of those that are asked for."""
    wanted = {name: view.query(name) for name in (*_TEXTS, *_TIMES)}
    # What a browser's field gives has neither seconds nor an offset: it is UTC, as everything on the page.
    times = {name: f"{wanted[name]}Z" for name in _TIMES if wanted[name]}
    texts = {name: wanted[name] for name in _TEXTS}
    query: Query = {"limit": _PER_PAGE, "iterator": view.query("iterator"), **texts, **times}
    try:
        page = await view.api.get(ListOut[AuditEntryOut], _PATH, query)
    except ApiError as error:
        if error.status not in {400, 422}:
            raise
        return view.page("administration/audit_log.html", error.status, page=None, wanted=wanted, error=error)
    return view.page("administration/audit_log.html", page=page, wanted=wanted, error=None)
