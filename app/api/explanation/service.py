"""The rules of explanations: which facts they are made of."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.attempt.models import MessageStatus, TriggerType
from app.api.explanation.models import ExplanationOut, LastAttemptOut, ReasonOut
from app.api.paging import ListOut, Paging, list_out
from app.db.application.model import ApplicationRow
from app.db.delivery.explained import ExplainedMessage, ExplainedTable, SettingChanged, Standing
from app.db.delivery.model import DeliveryState
from app.db.message.table import MessagesTable
from app.delivery.explanation.explain import explain
from app.delivery.explanation.facts import (
    Change,
    Delivery,
    Ended,
    Endpoint,
    Explanation,
    LastAttempt,
    Message,
    Setting,
    State,
    Waiting,
    Wants,
)
from app.errors import existing
from app.settings import Settings

_STATES: Final[Mapping[DeliveryState, State]] = {
    DeliveryState.DUE: "due",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.FAILED: "failed",
    DeliveryState.CANCELED: "canceled",
}
_STATUSES: Final[Mapping[State, MessageStatus]] = {state: MessageStatus(key) for key, state in _STATES.items()}
# Between the clocks of the machines that write the audit log, and the database's.
_CLOCK_SKEW: Final = timedelta(minutes=1)


class ExplanationService:
    """Explains the messages of an application. A reference is a message's id or its event id."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self._session = session
        self._retries = len(settings.retry_schedule)
        self._audit_kept = timedelta(days=settings.audit_retention_days)

    async def page(self, app: ApplicationRow, reference: str, paging: Paging) -> ListOut[ExplanationOut]:
        """A message and each endpoint, in the order of their ids. NotFound if there is no such message."""
        window = paging.window(ascending=True, ids_of="ep")
        located = existing(await MessagesTable(self._session).locate(app.id, reference))
        table = ExplainedTable(self._session, app.organization_id, app.id)
        message = existing(await table.message(located.id))
        standings, done = await table.page(message.id, window)
        changes = await self._changes(table, message, standings)
        known = message.now - message.created_at < self._audit_kept
        what = self._message(message)
        explained = [
            (row, explain(what, _endpoint(row, app, changes.get(row.id, ()), known), _delivery(row), message.now))
            for row in standings
        ]
        return list_out(explained, done, key=lambda one: one[0].id, item=_out)

    async def _changes(
        self, table: ExplainedTable, message: ExplainedMessage, standings: Sequence[Standing]
    ) -> Mapping[str, Sequence[SettingChanged]]:
        """What was changed since the message was published about those for which that counts."""
        asked = [each.id for each in standings if _is_past_asked(each, message.created_at)]
        found: dict[str, list[SettingChanged]] = {key: [] for key in asked}
        if asked:
            for change in await table.changes(asked, message.created_at - _CLOCK_SKEW):
                found[change.endpoint_id].append(change)
        return found

    def _message(self, row: ExplainedMessage) -> Message:
        return Message(
            row.event_type,
            row.channels,
            row.created_at,
            row.deliver_at,
            row.has_payload,
            row.deliveries,
            row.found,
            row.is_held,
            row.is_received,
            self._retries if row.retry_schedule is None else len(row.retry_schedule),
        )


def _is_past_asked(row: Standing, published_at: datetime) -> bool:
    """Whether how the endpoint was matters: it was changed, and nothing was made for it, or that was canceled."""
    was_changed = row.created_at <= published_at < row.updated_at
    return was_changed and not row.is_due and row.state in {None, DeliveryState.CANCELED}


def _endpoint(row: Standing, app: ApplicationRow, changes: Sequence[SettingChanged], known: bool) -> Endpoint:
    return Endpoint(
        Wants(row.disabled, row.event_types, row.channels),
        row.created_at,
        row.updated_at,
        row.deleted_at,
        [Change(each.at, cast(Setting, each.setting), each.before) for each in changes],
        known,
        row.rate_limit,
        app.rate_limit,
        row.has_transformation,
        row.opened_at,
        row.paused_until,
        row.throttled_since,
        row.is_served,
    )


def _delivery(row: Standing) -> Delivery:
    waiting = ended = last = None
    if row.is_due:
        asked = row.is_asked is True
        waiting = Waiting(row.next_attempt_at, row.tries or 0, asked, row.ahead or 0, row.is_more_ahead)
    if row.state is not None and row.ended_at is not None:
        state = _STATES[DeliveryState(row.state)]
        ended = Ended(state, row.ended_at, row.attempts, row.called_off is True)
    if row.response_status_code is not None:
        last = LastAttempt(row.response_status_code, row.attempt_trigger == TriggerType.MANUAL)
    return Delivery(waiting, ended, last)


def _out(explained: tuple[Standing, Explanation]) -> ExplanationOut:
    row, explanation = explained
    status = None if explanation.state is None else _STATUSES[explanation.state]
    return ExplanationOut(
        endpoint_id=row.id,
        endpoint_uid=row.uid,
        url=row.url,
        disabled=row.disabled,
        deleted_at=row.deleted_at,
        matched=explanation.state is not None,
        status=status,
        status_text=None if status is None else status.name.lower(),
        reasons=[ReasonOut(code=reason.code, text=reason.text) for reason in explanation.reasons],
        attempt_count=row.attempts,
        last_attempt=_last_attempt(row),
        next_attempt=explanation.next_attempt_at,
        attempts_left=explanation.attempts_left,
        ahead=row.ahead,
        ahead_msg_id=row.first_id,
    )


def _last_attempt(row: Standing) -> LastAttemptOut | None:
    if row.attempt_id is None:
        return None
    return LastAttemptOut.model_validate(
        {
            "id": row.attempt_id,
            "timestamp": row.attempted_at,
            "status": row.attempt_status,
            "response_status_code": row.response_status_code,
            "response_duration_ms": row.response_duration_ms,
            "trigger_type": row.attempt_trigger,
            "cause": None if row.cause is None else row.cause.decode(errors="replace"),
        }
    )
