"""Health over HTTP."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from app.api.health.models import HealthOut
from app.api.health.service import HealthService

router = APIRouter(prefix="/health", tags=["Health"])


def _health(request: Request) -> HealthService:
    found: HealthService = request.app.state.health
    return found


HealthDep = Annotated[HealthService, Depends(_health)]
_FAILED: Final[dict[int | str, dict[str, Any]]] = {
    500: {"model": HealthOut, "description": "The database does not answer: nothing can be accepted"}
}


@router.head("", operation_id="v1.health.head", responses=_FAILED)
@router.get("", operation_id="v1.health.get", responses=_FAILED)
async def health(service: HealthDep, response: Response) -> HealthOut:
    """Verify that the server can accept messages, and see which of its parts answer."""
    found = await service.check()
    response.status_code = 200 if found.database.status == "ok" else 500
    return found


@router.head("/ping", status_code=204, operation_id="v1.health.ping-head", include_in_schema=False)
@router.get("/ping", status_code=204, operation_id="v1.health.ping", include_in_schema=False)
async def ping() -> None:
    """Verify that the server runs, whatever its parts do."""
