"""Explanations over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.api.deps import ApplicationDep, MessageRef, SessionDep, SettingsDep
from app.api.exact import exact
from app.api.explanation.models import ExplanationOut
from app.api.explanation.service import ExplanationService
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute

router = APIRouter(prefix="/app/{app_id}", tags=["Message"], route_class=StrictRoute)


def _explanations(session: SessionDep, settings: SettingsDep) -> ExplanationService:
    return ExplanationService(session, settings)


@router.get("/msg/{msg_id}/explain", operation_id="v1.message.explain", response_model=ListOut[ExplanationOut])
async def explain_message(
    app: ApplicationDep,
    message: MessageRef,
    explanations: Annotated[ExplanationService, Depends(_explanations, scope="function")],
    paging: PagingDep,
) -> Response:
    """Explain of every endpoint whether a message is for it and why, what was tried, and what comes next."""
    return exact(await explanations.page(app, message, paging))
