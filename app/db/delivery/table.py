"""The SQL that reads how far deliveries are. What is still to do is in one table, what came of it in another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Select, Table, func, literal, null, select, text, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer

from app.db.base import Window
from app.db.delivery.model import DeliveryRow, DeliveryState
from app.db.endpoint.model import EndpointRow
from app.db.history import Span
from app.db.message.model import MessageFilter, MessageRow
from app.db.pending_delivery.model import PendingDeliveryRow

_PENDING: Final[Table] = PendingDeliveryRow.__table__  # type: ignore[attr-defined]
_ENDED: Final[Table] = DeliveryRow.__table__  # type: ignore[attr-defined]
_MESSAGES: Final[Table] = MessageRow.__table__  # type: ignore[attr-defined]
_ENDPOINTS: Final[Table] = EndpointRow.__table__  # type: ignore[attr-defined]

T = TypeVar("T")
_Arm = Select[tuple[str, str, int, datetime | None]]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a delivery is, and when it is tried next (None: it ended, or waits for those before it in its line)."""

    state: DeliveryState
    next_attempt_at: datetime | None


MessageStanding = tuple[MessageRow, Standing]
EndpointStanding = tuple[EndpointRow, Standing]


class DeliveriesTable:
    """The deliveries of one application. Pages come with whether nothing follows in the direction of reading."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page_of_endpoint(
        self,
        application_id: str,
        endpoint_id: str,
        span: Span,
        about: MessageFilter,
        state: DeliveryState | None,
        *,
        with_content: bool,
    ) -> tuple[Sequence[MessageStanding], bool]:
        """Messages that were tried at an endpoint, or are due there; without content, payloads must not be touched."""
        arms = []
        for arm, table in _arms(state):
            ours = (table.c.application_id == application_id) & (table.c.endpoint_id == endpoint_id)
            about_these = about.conditions_on(table.c.message_id, table.c.application_id)
            arm = arm.where(ours, span.holds(table.c.message_id), *about_these)
            # Each arm stops at the page's end, and so walks its own index however long the list is.
            arms.append(arm.order_by(_ordered(table.c.message_id, span.upwards)).limit(span.limit + 1))
        standings = union_all(*arms).subquery("standings")
        # LIMIT keeps it a look-up by key for each row of the page, which opens one partition.
        message = aliased(
            MessageRow,
            select(MessageRow)
            .where(_MESSAGES.c.id == standings.c.message_id, _MESSAGES.c.application_id == application_id)
            .limit(1)
            .lateral("message"),
        )
        statement = (
            select(message, standings.c.state, standings.c.next_attempt_at)
            .join_from(standings, message, true())
            .order_by(_ordered(standings.c.message_id, span.upwards))
            .limit(span.limit + 1)
        )
        if not with_content:
            statement = statement.options(defer(message.payload, raiseload=True))  # type: ignore[arg-type]
        found = await self._session.execute(statement)
        rows = [(row, Standing(DeliveryState(number), at)) for row, number, at in found]
        return _page(rows, span.limit, backwards=span.window.backwards)

    async def page_of_message(
        self, application_id: str, message_id: str, window: Window
    ) -> tuple[Sequence[EndpointStanding], bool]:
        """Endpoints, deleted ones too, at which a message was tried or is due."""
        arms = [
            arm.where(table.c.application_id == application_id, table.c.message_id == message_id)
            for arm, table in _arms(None)
        ]
        standings = union_all(*arms).subquery("standings")
        upwards = window.ascending != window.backwards
        statement = (
            select(EndpointRow, standings.c.state, standings.c.next_attempt_at)
            .join(standings, _ENDPOINTS.c.id == standings.c.endpoint_id)
            .where(_ENDPOINTS.c.application_id == application_id)
            .order_by(_ordered(_ENDPOINTS.c.id, upwards))
            .limit(window.limit + 1)
        )
        if window.cursor is not None:
            key = _ENDPOINTS.c.id
            statement = statement.where(key > window.cursor if upwards else key < window.cursor)
        found = await self._session.execute(statement)
        rows = [(row, Standing(DeliveryState(number), at)) for row, number, at in found]
        return _page(rows, window.limit, backwards=window.backwards)


def _arms(state: DeliveryState | None) -> list[tuple[_Arm, Table]]:
    """The deliveries in a state (None: any) as disjoint statements, each over one table that is to be narrowed.

    What waits is due, whatever came of it before: a retry, or a resend of what had ended.
    """
    pending, ended = _PENDING.c, _ENDED.c
    waits = select(literal(1)).where(pending.message_id == ended.message_id, pending.endpoint_id == ended.endpoint_id)
    # OFFSET 0 keeps it a look-up by key: as a join, the planner may read the whole queue.
    came = select(ended.message_id, ended.endpoint_id, ended.state, null().label("next_attempt_at")).where(
        ~waits.offset(0).exists()
    )
    if state not in {None, DeliveryState.DUE}:
        # A constant in the statement, so that Postgres knows whether the index of failed deliveries holds them.
        return [(came.where(ended.state == literal(int(state), literal_execute=True)), _ENDED)]
    due = literal(int(DeliveryState.DUE)).label("state")
    # What waits in a line for its turn is tried next nobody knows when.
    at = func.nullif(pending.next_attempt_at, text("'infinity'")).label("next_attempt_at")
    queued = select(pending.message_id, pending.endpoint_id, due, at)
    if state is not None:
        return [(queued, _PENDING)]
    return [(queued, _PENDING), (came, _ENDED)]


def _ordered(key: ColumnElement[str], upwards: bool) -> ColumnElement[str]:
    return key.asc() if upwards else key.desc()


def _page(rows: list[T], limit: int, *, backwards: bool) -> tuple[Sequence[T], bool]:
    page = rows[:limit]
    return page[::-1] if backwards else page, len(rows) <= limit
