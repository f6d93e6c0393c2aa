"""The rules of background tasks: they are read, by their organization alone. What starts one is elsewhere."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.background_task.models import BackgroundTaskOut, BackgroundTaskStarted
from app.api.paging import ListOut, Paging, list_out
from app.db.background_task.model import HIDDEN, BackgroundTaskRow, TaskKind, TaskStatus
from app.db.background_task.table import BackgroundTasksTable
from app.errors import NotFound, existing


class BackgroundTaskService:
    """Shows an organization's background tasks, but for those that nobody is to know of."""

    def __init__(self, session: AsyncSession) -> None:
        self._tasks = BackgroundTasksTable(session)

    async def page(
        self, organization_id: str, paging: Paging, kind: TaskKind | None, status: TaskStatus | None
    ) -> ListOut[BackgroundTaskOut]:
        """Tasks, newest first unless asked otherwise."""
        window = paging.window(ascending=False, ids_of="qtask")
        page = await self._tasks.page(organization_id, window, *self._tasks.about(kind, status))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=_out)

    async def get(self, organization_id: str, task_id: str) -> BackgroundTaskOut:
        """One task. NotFound if the organization has none with that id."""
        row = existing(await self._tasks.get(organization_id, task_id))
        if row.kind in HIDDEN:
            raise NotFound
        return _out(row)


def _out(row: BackgroundTaskRow) -> BackgroundTaskOut:
    return BackgroundTaskOut(**BackgroundTaskStarted.of(row).model_dump(), data=row.data)
