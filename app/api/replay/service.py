"""The rules of replays: what may be made again, and of which time; how much that is, and how far it has come."""

from datetime import datetime, timedelta
from typing import Final, assert_never

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.attempt.models import MessageStatus
from app.api.paging import ListOut, Paging, list_out
from app.api.replay.models import (
    BulkReplayIn,
    CancelMsgsIn,
    EndpointReplayOut,
    RecoverIn,
    RecoverOut,
    ReplayEstimateOut,
    ReplayIn,
    ReplayOut,
)
from app.db.application.model import ApplicationRow
from app.db.background_task.model import BackgroundTaskRow, TaskKind, TaskStatus
from app.db.background_task.table import BackgroundTasksTable
from app.db.endpoint.model import EndpointRow
from app.db.endpoint.table import EndpointsTable
from app.db.pending_delivery.cancel import CancelArguments
from app.db.pending_delivery.estimate import Estimate, estimate_cancel, estimate_replay
from app.db.pending_delivery.replay import ReplayArguments, State, Walk
from app.errors import BadRequest, NotFound, ValidationFailed, Violation, existing

_LONGEST_RECOVERY: Final = timedelta(days=14)
# For callers whose clock is not quite ours, and who ask for all of the 14 days.
_CLOCK_SKEW: Final = timedelta(minutes=5)
# A minute of which is no reason to refuse a time that is still to come.
_CLOCK_DIFFERENCE: Final = timedelta(minutes=1)
_IN_FUTURE: Final = (
    "createdBefore must not be in the future: only what is pending now is canceled, and what is published later is "
    "sent. Give the present time to cancel all that is pending; to stop what is to come, disable the endpoint."
)
# What was published a moment ago has an id of another machine's clock.
_OTHER_CLOCKS: Final = timedelta(milliseconds=100)


# What of a status is replayed; the others are refused before.
_STATES: Final[dict[MessageStatus | None, State | None]] = {
    None: None,
    MessageStatus.SUCCESS: 0,
    MessageStatus.FAIL: 2,
    MessageStatus.CANCELED: 4,
}


_SHOWN: Final = ("since", "until", "messagesSent", "messagesExpired", "messagesCanceled", "error")


class ReplayService:
    """Starts the tasks that make deliveries of an endpoint again, or call them off.

    Every method raises NotFound if the application has no such endpoint, and BadRequest if it is disabled.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._endpoints = EndpointsTable(session)
        self._tasks = BackgroundTasksTable(session)

    async def recover(self, app: ApplicationRow, reference: str, body: RecoverIn) -> RecoverOut:
        """Have failed deliveries tried again. ValidationFailed for more than 14 days."""
        return RecoverOut.of(await self._replay(app, reference, TaskKind.RECOVER, body))

    async def replay_missing(self, app: ApplicationRow, reference: str, body: ReplayIn) -> ReplayOut:
        """Have what was never tried at the endpoint sent there."""
        return ReplayOut.of(await self._replay(app, reference, TaskKind.REPLAY, body))

    async def bulk_replay(self, app: ApplicationRow, reference: str, body: BulkReplayIn) -> ReplayOut:
        """Have what was tried at the endpoint sent there again."""
        return ReplayOut.of(await self._replay(app, reference, TaskKind.BULK_REPLAY, body))

    async def cancel(self, app: ApplicationRow, reference: str, body: CancelMsgsIn) -> None:
        """Have what is pending called off, also of an endpoint that is disabled. ValidationFailed for a future time."""
        arguments = await self.canceled_by(app, reference, body)
        await self._tasks.start(app.organization_id, app.id, TaskKind.CANCEL, arguments.model_dump(mode="json"))

    async def replayed_by(self, app: ApplicationRow, reference: str, body: RecoverIn | ReplayIn) -> ReplayArguments:
        """What a replay would look at, if it may be. ValidationFailed for times that make no sense."""
        until = body.until or clock.now() + _OTHER_CLOCKS
        if isinstance(body, RecoverIn) and until - body.since > _LONGEST_RECOVERY + _CLOCK_SKEW:
            raise ValidationFailed(Violation(("body", "since"), "Cannot recover more than 14 days of messages"))
        if body.until is None and until <= body.since:
            raise ValidationFailed(Violation(("body", "since"), "since must be in the past, where there is no until"))
        if until <= body.since:
            raise ValidationFailed(Violation(("body", "until"), "until must be later than since"))
        endpoint = existing(await self._endpoints.find(app.id, reference))
        if endpoint.disabled:
            raise BadRequest("The endpoint is disabled: enable it, then replay.")
        arguments = _arguments(endpoint, body.since, until)
        if isinstance(body, BulkReplayIn):
            arguments.event_types, arguments.channel, arguments.tag = body.event_types, body.channel, body.tag
            arguments.status = _STATES[body.status]
            arguments.status_code_class = body.status_code_class
        return arguments

    async def canceled_by(self, app: ApplicationRow, reference: str, body: CancelMsgsIn) -> CancelArguments:
        """What would be called off. ValidationFailed for a future time."""
        if body.created_before > clock.now() + _CLOCK_DIFFERENCE:
            raise ValidationFailed(Violation(("body", "createdBefore"), _IN_FUTURE))
        endpoint = existing(await self._endpoints.find(app.id, reference))
        return CancelArguments(endpoint_id=endpoint.id, before=ids.floor_id("msg", body.created_before))

    async def _replay(
        self, app: ApplicationRow, reference: str, kind: TaskKind, body: RecoverIn | ReplayIn
    ) -> BackgroundTaskRow:
        arguments = await self.replayed_by(app, reference, body)
        return await self._tasks.start(app.organization_id, app.id, kind, arguments.model_dump(mode="json"))


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


def _arguments(endpoint: EndpointRow, since: datetime, until: datetime) -> ReplayArguments:
    """The whole time, as ids of messages: the first one is not excluded, because no message has an id that low."""
    after, before = ids.floor_id("msg", since), ids.floor_id("msg", until)
    return ReplayArguments(endpoint_id=endpoint.id, after=after, before=before, since=since, until=until)


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
