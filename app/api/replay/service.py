"""The rules of replays: what may be made again, and of which time."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.attempt.models import MessageStatus
from app.api.replay.models import BulkReplayIn, CancelMsgsIn, RecoverIn, RecoverOut, ReplayIn, ReplayOut
from app.db.application.model import ApplicationRow
from app.db.background_task.model import BackgroundTaskRow, TaskKind
from app.db.background_task.table import BackgroundTasksTable
from app.db.endpoint.model import EndpointRow
from app.db.endpoint.table import EndpointsTable
from app.db.pending_delivery.cancel import CancelArguments
from app.db.pending_delivery.replay import ReplayArguments, State
from app.errors import BadRequest, ValidationFailed, Violation, existing

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


def _arguments(endpoint: EndpointRow, since: datetime, until: datetime) -> ReplayArguments:
    """The whole time, as ids of messages: the first one is not excluded, because no message has an id that low."""
    after, before = ids.floor_id("msg", since), ids.floor_id("msg", until)
    return ReplayArguments(endpoint_id=endpoint.id, after=after, before=before, since=since, until=until)
