"""Background tasks over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from app.api.background_task.models import SHOWN_KINDS, TASK_ID, TASK_ID_PATTERN, BackgroundTaskOut, ShownKind
from app.api.background_task.service import BackgroundTaskService
from app.api.deps import OrganizationDep, ReadSessionDep, SessionDep
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute
from app.db.background_task.model import TaskStatus

router = APIRouter(prefix="/background-task", tags=["Background Task"], route_class=StrictRoute)


def _reading(session: ReadSessionDep) -> BackgroundTaskService:
    return BackgroundTaskService(session)


def _current(session: SessionDep) -> BackgroundTaskService:
    """On the write server: whoever has just started a task finds it."""
    return BackgroundTaskService(session)


@router.get("", operation_id="v1.background-task.list", response_model_exclude_none=True)
async def list_background_tasks(
    caller: OrganizationDep,
    tasks: Annotated[BackgroundTaskService, Depends(_reading, scope="function")],
    paging: PagingDep,
    status: Annotated[TaskStatus | None, Query(description="Only tasks that are so far.", examples=["running"])] = None,
    task: Annotated[
        ShownKind | None,
        Query(
            description="Only tasks that do this.",
            examples=["endpoint.recover"],
            json_schema_extra=SHOWN_KINDS,
        ),
    ] = None,
) -> ListOut[BackgroundTaskOut]:
    """List the organization's background tasks, newest first."""
    return await tasks.page(caller.organization_id, paging, task, status)


@router.get("/{task_id}", operation_id="v1.background-task.get")
async def get_background_task(
    caller: OrganizationDep,
    task_id: Annotated[str, Path(description="The task's id.", pattern=TASK_ID_PATTERN, examples=[TASK_ID])],
    tasks: Annotated[BackgroundTaskService, Depends(_current, scope="function")],
) -> BackgroundTaskOut:
    """Get a background task: how far it is, and what came of it."""
    return await tasks.get(caller.organization_id, task_id)
