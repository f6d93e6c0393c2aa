"""The SQL of the API about background tasks; the worker's is in bites.py."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, Text, func, literal_column
from sqlmodel import col, select

from app import clock, ids
from app.db.background_task.model import HIDDEN, BackgroundTaskRow, TaskKind, TaskStatus
from app.db.base import BaseTable
from app.db.session import ring_for_tasks_after_commit
from app.errors import Conflict

# That run at once: of one application, or of the organization itself; and of all its applications together. Some more
# if they are started at the same moment. Whoever looks for a task to do reads them all.
MOST_OF_APPLICATION: Final = 100
MOST_OF_APPLICATIONS: Final = 1000


class BackgroundTasksTable(BaseTable[BackgroundTaskRow]):
    """The background tasks of one organization."""

    row = BackgroundTaskRow
    scope = "organization_id"

    async def start(
        self, organization_id: str, application_id: str | None, kind: TaskKind, arguments: Mapping[str, object]
    ) -> BackgroundTaskRow:
        """A new task, which a worker begins once the session's transaction is committed. `arguments` are JSON.

        Conflict if too many run already.
        """
        if kind is not TaskKind.DELETE_ENVIRONMENT:
            await self._require_room(organization_id, application_id, kind)
        now = clock.now()
        row = BackgroundTaskRow(
            id=ids.new_id("qtask"),
            organization_id=organization_id,
            application_id=application_id,
            kind=kind,
            arguments=dict(arguments),
            created_at=now,
            updated_at=now,
        )
        await self.insert(row)
        ring_for_tasks_after_commit(self.session)
        return row

    async def _require_room(self, organization_id: str, application_id: str | None, kind: TaskKind) -> None:
        # Canceling does not wait for the replays that may be why it is asked for.
        canceling = kind is TaskKind.CANCEL
        application = col(BackgroundTaskRow.application_id)
        counts = select(
            func.count().filter(application.is_not_distinct_from(application_id)),
            func.count().filter(application.is_not(None)),
        ).where(
            col(BackgroundTaskRow.organization_id) == organization_id,
            col(BackgroundTaskRow.status) == TaskStatus.RUNNING,
            (col(BackgroundTaskRow.kind) == TaskKind.CANCEL) == canceling,
        )
        own, of_all = (await self.session.execute(counts)).one()
        if own >= MOST_OF_APPLICATION:
            whose = "organization" if application_id is None else "application"
            raise _too_many(whose, MOST_OF_APPLICATION)
        if application_id is not None and of_all >= MOST_OF_APPLICATIONS:
            raise _too_many("organization", MOST_OF_APPLICATIONS)

    @staticmethod
    def of_endpoint(application_id: str, endpoint_id: str) -> list[ColumnElement[bool]]:
        """Tasks that make deliveries of an endpoint again, or call them off."""
        # As in the index, whose expression must stand here word for word.
        named = literal_column("arguments ->> 'endpoint_id'", Text)
        return [col(BackgroundTaskRow.application_id) == application_id, named == endpoint_id]

    @staticmethod
    def about(kind: TaskKind | None, status: TaskStatus | None) -> list[ColumnElement[bool]]:
        """Tasks of a kind and in a state (None: any), of those that are shown."""
        conditions: list[ColumnElement[bool]] = [col(BackgroundTaskRow.kind).not_in(sorted(HIDDEN))]
        if kind is not None:
            conditions.append(col(BackgroundTaskRow.kind) == kind)
        if status is not None:
            conditions.append(col(BackgroundTaskRow.status) == status)
        return conditions


def _too_many(whose: str, most: int) -> Conflict:
    return Conflict(
        f"The {whose} has {most} background tasks that have not finished yet, and may not have more. Nothing was "
        "started; try again once some have finished.",
        code="too_many_background_tasks",
    )
