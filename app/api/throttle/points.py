"""Throttles over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.deps import EndpointRef, ReadApplicationDep, ReadSessionDep
from app.api.strict import StrictRoute
from app.api.throttle.models import EndpointThrottleRateStatusOut
from app.api.throttle.service import ThrottleService

router = APIRouter(prefix="/app/{app_id}/endpoint/{endpoint_id}", tags=["Endpoint"], route_class=StrictRoute)


def _reading(session: ReadSessionDep) -> ThrottleService:
    return ThrottleService(session)


@router.get("/rate-limit-status", operation_id="v1.endpoint.get-throttling-status", response_model_exclude_none=True)
async def get_throttling_status(
    app: ReadApplicationDep,
    reference: EndpointRef,
    throttles: Annotated[ThrottleService, Depends(_reading, scope="function")],
) -> EndpointThrottleRateStatusOut:
    """Get whether a rate keeps an endpoint from getting what is due to it."""
    return await throttles.status(app, reference)
