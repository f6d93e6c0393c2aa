"""The SQL that reads how far deliveries are. What is still to do is in one table, what came of it in another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    ScalarSelect,
    Select,
    SmallInteger,
    Table,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer

from app.db.base import Window
from app.db.delivery.model import DeliveryRow, DeliveryState
from app.db.endpoint.model import EndpointRow
from app.db.history import Span, at_most, looking
from app.db.message.model import MessageFilter, MessageRow
from app.db.pending_delivery.model import PendingDeliveryRow

_PENDING: Final[Table] = PendingDeliveryRow.__table__  # type: ignore[attr-defined]
_ENDED: Final[Table] = DeliveryRow.__table__  # type: ignore[attr-defined]
_MESSAGES: Final[Table] = MessageRow.__table__  # type: ignore[attr-defined]
_ENDPOINTS: Final[Table] = EndpointRow.__table__  # type: ignore[attr-defined]

T = TypeVar("T")
# What waits is first looked for in the part of the queue that is nearest to where the page begins, whosever it is: so
# many rows of it for each row of the page. Who is behind fills the page from there.
_NEAR: Final = 4
# Of one endpoint. Who waits for so little, between others who are behind, has all that waits for him read. If more
# waits, enough of the newest messages do.
_MUCH: Final = 5000
# Rows that only say how far was looked: what is due may have one, and what ended.
_MARKS: Final = 2


def _next(pending: FromClause) -> ColumnElement[datetime | None]:
    """What waits in a line for its turn is tried next nobody knows when."""
    return func.nullif(pending.c.next_attempt_at, text("'infinity'")).label("next_attempt_at")


# Of the type that the column has, without which Postgres does not merge what it reads, but sorts all of it.
_DUE: Final = cast(literal(int(DeliveryState.DUE)), SmallInteger).label("state")
_NEXT: Final = _next(_PENDING)
_NEVER: Final = cast(null(), DateTime(timezone=True)).label("next_attempt_at")
# A look-up by key. Not as EXISTS, for which the planner may read the whole queue.
_WAITS_NOT: Final[ColumnElement[bool]] = (
    select(literal(1))
    .where(_PENDING.c.message_id == _ENDED.c.message_id, _PENDING.c.endpoint_id == _ENDED.c.endpoint_id)
    .correlate(_ENDED)
    .scalar_subquery()
    .is_(None)
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a delivery is, and when it is tried next (None: it ended, or waits for those before it in its line)."""

    state: DeliveryState
    next_attempt_at: datetime | None


MessageStanding = tuple[MessageRow, Standing]
EndpointStanding = tuple[EndpointRow, Standing]


@dataclass(frozen=True, slots=True)
class StandingsPage(Generic[T]):
    """Rows in list order, whether nothing follows in the direction of reading, and how far was looked (Page)."""

    rows: Sequence[T]
    done: bool
    reached: str | None = None


class DeliveriesTable:
    """The deliveries of one application."""

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
    ) -> StandingsPage[MessageStanding]:
        """Messages that were tried at an endpoint, or are due there; without content, payloads must not be touched."""
        of_endpoint = _OfEndpoint(application_id, endpoint_id, span, about)
        arms = []
        if state in {None, DeliveryState.DUE}:
            arms += of_endpoint.due()
        if state is not DeliveryState.DUE:
            arms.append(of_endpoint.ended(state))
        # Each of them is in order, so that they are merged row by row, and none is read further than the page needs.
        merged = union_all(*(select(arm.subquery()) for arm in arms)).subquery("merged")
        first = select(merged).order_by(_ordered(merged.c.key, span.upwards)).limit(at_most(span.limit + 1 + _MARKS))
        standings = first.subquery("standings")
        # LIMIT keeps it a look-up by key for each row of the page, which opens one partition.
        message = aliased(
            MessageRow,
            select(MessageRow)
            .where(_MESSAGES.c.id == standings.c.key, _MESSAGES.c.application_id == application_id)
            .limit(1)
            .lateral("message"),
        )
        statement = (
            select(message, standings)
            .join_from(standings, message, standings.c.is_wanted, isouter=True)
            .order_by(_ordered(standings.c.key, span.upwards), standings.c.is_last)
            .options(defer(message.transformations_params, raiseload=True))  # type: ignore[arg-type]
            .options(defer(message.received, raiseload=True))  # type: ignore[arg-type]
        )
        if not with_content:
            statement = statement.options(defer(message.payload, raiseload=True))  # type: ignore[arg-type]
        rows: list[MessageStanding] = []
        reached = None
        for row in await self._session.execute(statement):
            if row[0] is not None and row.is_wanted:
                rows.append((row[0], Standing(DeliveryState(row.state), row.next_attempt_at)))
            if row.is_last and len(rows) <= span.limit:
                # Behind this, one of the two tables was not looked at.
                reached = row.key
                break
        page, done = _page(rows, span.limit, backwards=span.window.backwards)
        return StandingsPage(page, done and reached is None, reached)

    async def page_of_message(
        self, application_id: str, message_id: str, window: Window
    ) -> StandingsPage[EndpointStanding]:
        """Endpoints, deleted ones too, at which a message was tried or is due."""
        due = select(_PENDING.c.endpoint_id, _DUE, _NEXT).where(
            _PENDING.c.application_id == application_id, _PENDING.c.message_id == message_id
        )
        ended = select(_ENDED.c.endpoint_id, _ENDED.c.state, _NEVER).where(
            _ENDED.c.application_id == application_id, _ENDED.c.message_id == message_id, _WAITS_NOT
        )
        arms = [due, ended]
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
        return StandingsPage(*_page(rows, window.limit, backwards=window.backwards))


@dataclass(frozen=True, slots=True)
class _OfEndpoint:
    """The deliveries to one endpoint, in disjoint parts, each of which looks at the rows of one table.

    What waits is due, whatever came of it before: a retry, or a resend of what had ended.
    """

    application_id: str
    endpoint_id: str
    span: Span
    about: MessageFilter

    def due(self) -> list[Select[Any]]:
        """What is still to do: what is near, and, if that does not fill the page, what is behind it.

        There are two ways to that. Which is gone, if any, Postgres decides by what it found, before it sets out.
        """
        of_queue, upwards = _PENDING.c.message_id, self.span.upwards
        wanted = [_PENDING.c.endpoint_id == self.endpoint_id, *self._about(_PENDING)]
        most = _NEAR * (self.span.limit + 1)
        near = looking(select(of_queue), of_queue, self.span, wanted, _DUE, _NEXT, examined=most).cte("near")
        # None: nothing is behind, or the page needs none of it.
        end = select(near.c.key).where(near.c.is_last).scalar_subquery()
        # Of the message at the end, perhaps not all deliveries are near.
        is_before = or_(end.is_(None), near.c.key < end if upwards else near.c.key > end)
        found = select(near.c.key, near.c.is_wanted, near.c.state, near.c.next_attempt_at, false().label("is_last"))
        found = found.where(near.c.is_wanted, is_before).order_by(_ordered(near.c.key, upwards))
        mine = select(_PENDING).where(_PENDING.c.endpoint_id == self.endpoint_id)
        waiting = mine.order_by(_PENDING.c.next_attempt_at).limit(at_most(_MUCH + 1)).cte("waiting")
        is_much = select(func.count() > _MUCH).select_from(waiting).scalar_subquery()
        return [found, self._few(waiting, end, ~is_much), self._many(mine, end, is_much)]

    def _few(self, waiting: FromClause, end: ScalarSelect[str], is_few: ColumnElement[bool]) -> Select[Any]:
        """All that waits for the endpoint, put in order."""
        key = waiting.c.message_id
        rows = select(key).where(end.is_not(None), is_few, key >= end if self.span.upwards else key <= end)
        return looking(rows, key, self.span, self._about(waiting), _DUE, _next(waiting))

    def _many(self, mine: Select[Any], end: ScalarSelect[str], is_much: ColumnElement[bool]) -> Select[Any]:
        """The application's messages, and for each whether it waits for the endpoint."""
        key = _MESSAGES.c.id
        # OFFSET 0: not as a join, in which the planner may begin with the whole queue.
        of_message = mine.where(_PENDING.c.message_id == key, *self.about.conditions).offset(0).lateral("of_message")
        rows = select(key).join_from(_MESSAGES, of_message, true(), isouter=True)
        rows = rows.where(_MESSAGES.c.application_id == self.application_id)
        rows = rows.where(end.is_not(None), is_much, key >= end if self.span.upwards else key <= end)
        return looking(rows, key, self.span, [of_message.c.message_id.is_not(None)], _DUE, _next(of_message))

    def ended(self, state: DeliveryState | None) -> Select[Any]:
        """What came of those that are over (None: whatever that is)."""
        rows, found = select(_ENDED.c.message_id).where(_ENDED.c.endpoint_id == self.endpoint_id), self._about(_ENDED)
        if state is DeliveryState.FAILED:
            # A constant in the statement, so that Postgres knows that the index of failed deliveries holds them.
            rows = rows.where(_ENDED.c.state == literal(int(state), literal_execute=True))
        elif state is not None:
            found.append(_ENDED.c.state == int(state))
        return looking(rows, _ENDED.c.message_id, self.span, [*found, _WAITS_NOT], _ENDED.c.state, _NEVER)

    def _about(self, table: FromClause) -> list[ColumnElement[bool]]:
        is_ours = table.c.application_id == self.application_id
        return [is_ours, *self.about.conditions_on(table.c.message_id, table.c.application_id)]


def _ordered(key: ColumnElement[str], upwards: bool) -> ColumnElement[str]:
    return key.asc() if upwards else key.desc()


def _page(rows: list[T], limit: int, *, backwards: bool) -> tuple[Sequence[T], bool]:
    page = rows[:limit]
    return page[::-1] if backwards else page, len(rows) <= limit
