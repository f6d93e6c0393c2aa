"""The rules of looking at replays: what one would do, and how far those are that were started."""

from typing import Final, assert_never

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.api.paging import ListOut, Paging, list_out
from app.api.replay.models import (
    BulkReplayIn,
    CancelMsgsIn,
    EndpointReplayOut,
    RecoverIn,
    ReplayEstimateOut,
    ReplayIn,
)
from app.api.replay.service import ReplayService
from app.db.application.model import ApplicationRow
from app.db.background_task.model import BackgroundTaskRow, TaskKind, TaskStatus
from app.db.background_task.table import BackgroundTasksTable
from app.db.endpoint.table import EndpointsTable
from app.db.pending_delivery.estimate import Estimate, estimate_cancel, estimate_replay
from app.db.pending_delivery.replay import Walk
from app.errors import NotFound, existing

_SHOWN: Final = ("since", "until", "messagesSent", "messagesExpired", "messagesCanceled", "error")


class ReplayProgressService:
    """Shows the tasks of an endpoint. Every method raises NotFound if the application has no such endpoint."""

    def __init__(self, session: AsyncSession) -> None:
        self._endpoints = EndpointsTable(session)
        self._tasks = BackgroundTasksTable(session)

    async def page(self, app: ApplicationRow, reference: str, paging: Paging) -> ListOut[EndpointReplayOut]:
        """Its tasks, newest first unless asked otherwise."""
        endpoint = existing(await self._endpoints.find(app.id, reference))
        window = paging.window(ascending=False, ids_of="qtask")
        wanted = self._tasks.of_endpoint(app.id, endpoint.id)
        page = await self._tasks.page(app.organization_id, window, *wanted)
        return list_out(page.rows, page.done, key=lambda row: row.id, item=_out)

    async def get(self, app: ApplicationRow, reference: str, task_id: str) -> EndpointReplayOut:
        """One of its tasks. NotFound for a task that is about something else."""
        endpoint = existing(await self._endpoints.find(app.id, reference))
        row = existing(await self._tasks.get(app.organization_id, task_id))
        if row.application_id != app.id or row.arguments.get("endpoint_id") != endpoint.id:
            raise NotFound
        return _out(row)


class ReplayEstimateService:
    """Counts what an operation would do, with the rules by which it is refused."""

    def __init__(self, session: AsyncSession, pool: asyncpg.Pool) -> None:
        self._replays = ReplayService(session)
        self._pool = pool

    async def estimate(
        self, app: ApplicationRow, reference: str, body: RecoverIn | ReplayIn | CancelMsgsIn
    ) -> ReplayEstimateOut:
        """As the operation would refuse it, or how much it would do."""
        match body:
            case CancelMsgsIn():
                return _estimated(
                    await estimate_cancel(self._pool, app.id, await self._replays.canceled_by(app, reference, body))
                )
            case RecoverIn():
                walk: Walk = "recover"
            case BulkReplayIn():
                walk = "bulk-replay"
            case ReplayIn():
                walk = "replay-missing"
            case _:
                assert_never(body)
        wanted = await self._replays.replayed_by(app, reference, body)
        return _estimated(await estimate_replay(self._pool, app.id, walk, wanted))


def _estimated(found: Estimate) -> ReplayEstimateOut:
    return ReplayEstimateOut(
        messages=found.messages,
        expired=found.expired,
        more=not found.complete,
        counted_until=None if found.reached is None else ids.created_at(found.reached),
    )


def _out(row: BackgroundTaskRow) -> EndpointReplayOut:
    told: dict[str, object] = {name: row.arguments[name] for name in ("since", "until") if name in row.arguments}
    told |= {name: row.data[name] for name in _SHOWN if name in row.data}
    if row.kind == TaskKind.CANCEL:
        told["until"] = ids.created_at(str(row.arguments["before"]))
    after = (row.cursor or {}).get("after")
    return EndpointReplayOut.model_validate(
        {
            **told,
            "id": row.id,
            "status": TaskStatus(row.status),
            "task": TaskKind(row.kind),
            "reached": ids.created_at(after) if isinstance(after, str) else None,
            "createdAt": row.created_at,
            "updatedAt": row.updated_at,
        }
    )
