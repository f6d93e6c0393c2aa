"""The panel that explains a message: a page of its own, or a part of the message's where htmx asks for it."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.explanation.models import ExplanationOut
from app.api.paging import ListOut
from app.web.api_client import Query
from app.web.page_route import PageRoute
from app.web.view import ViewDep

PER_PAGE: Final = 50

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.get("/app/{app_id}/msg/{msg_id}/explain")
async def explain(view: ViewDep, app_id: str, msg_id: str) -> Response:
    """Every endpoint of the application: whether the message is for it, why, what was tried, what comes next."""
    path = f"/app/{app_id}/msg/{msg_id}/explain"
    query: Query = {"limit": PER_PAGE, "iterator": view.query("iterator")}
    page = await view.api.get(ListOut[ExplanationOut], path, query)
    if view.is_htmx:
        return view.fragment("message/explain.html", page=page, app_id=app_id, msg_id=msg_id)
    return view.page("message/explanation.html", page=page, app_id=app_id, msg_id=msg_id)
