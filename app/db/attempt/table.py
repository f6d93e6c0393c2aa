"""All the SQL that reads attempts, and expunges them. What records them is app/db/pending_delivery/queue.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Table, and_, func, literal, select, text, true

from app import ids
from app.db.attempt.model import AttemptRow
from app.db.base import Page
from app.db.history import EXAMINED, HistoryTable, Span, at_most
from app.db.message.model import MessageFilter

_ATTEMPTS: Final[Table] = AttemptRow.__table__  # type: ignore[attr-defined]  # SQLModel sets it, undeclared
EXPUNGED: Final = b"EXPUNGED"
_ENDPOINTS: Final = 500
_LOOKED_AT: Final = 250
# By endpoints, as the index has attempts: of each the newest of a span, whether they are wanted or not.
_RECENT: Final = f"""
SELECT t.* FROM (
    SELECT id FROM endpoints WHERE application_id = :application_id AND deleted_at IS NULL
    ORDER BY id DESC LIMIT {_ENDPOINTS}
) e
CROSS JOIN LATERAL (
    SELECT id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code,
           response_duration_ms, exchange, created_at
    FROM attempts WHERE endpoint_id = e.id AND id > :floor AND id < :ceiling ORDER BY id DESC LIMIT {_LOOKED_AT}
) t
WHERE CAST(:status AS smallint) IS NULL OR t.status = :status
ORDER BY t.id DESC LIMIT :most
"""
# An attempt that was not answered with 2xx failed. It is said as a constant, which Postgres must see in the statement
# to know that the index of failed attempts holds what is asked for.
_SUCCESSFUL: Final = 200
_FAILED: Final = 2


@dataclass(frozen=True, slots=True)
class AttemptFilter:
    """Which attempts a list is about; None: any. `code_class` is a hundred of HTTP status codes, 0 for no answer."""

    message_id: str | None = None
    endpoint_id: str | None = None
    status: int | None = None
    code_class: int | None = None
    about: MessageFilter = field(default_factory=MessageFilter)

    @property
    def indexed(self) -> list[ColumnElement[bool]]:
        """The same on the columns of `attempts`, as far as an index leads there."""
        found: list[ColumnElement[bool]] = []
        if self.message_id is not None:
            found += [_ATTEMPTS.c.message_id == self.message_id, _ATTEMPTS.c.id > ids.before_attempts(self.message_id)]
        if self.endpoint_id is not None:
            found.append(_ATTEMPTS.c.endpoint_id == self.endpoint_id)
        if self.status == _FAILED or self.code_class not in {None, _SUCCESSFUL}:
            found.append(_ATTEMPTS.c.status == literal(_FAILED, literal_execute=True))
        return found

    @property
    def wanted(self) -> list[ColumnElement[bool]]:
        """The rest, for which each attempt is looked at."""
        found: list[ColumnElement[bool]] = []
        if self.status not in {None, _FAILED}:
            found.append(_ATTEMPTS.c.status == self.status)
        if self.code_class is not None:
            found.append(_ATTEMPTS.c.response_status_code.between(self.code_class, self.code_class + 99))
        return found + self.about.conditions_on(_ATTEMPTS.c.message_id, _ATTEMPTS.c.application_id)


class AttemptsTable(HistoryTable[AttemptRow]):
    """The attempts of one application."""

    row = AttemptRow
    content = "response"

    async def page_of(self, application_id: str, span: Span, only: AttemptFilter) -> Page[AttemptRow]:
        """One page of the attempts that a filter is about."""
        return await self.page_in(application_id, span, only.indexed, only.wanted)

    async def recent(
        self, application_id: str, between: tuple[str, str], status: int | None, most: int
    ) -> Sequence[AttemptRow]:
        """The newest attempts of an application between two ids, of a status if one is wanted, newest first.

        Looks at the 250 newest of each endpoint, and at the 500 newest endpoints.
        """
        floor, ceiling = between
        values = {"application_id": application_id, "floor": floor, "ceiling": ceiling, "status": status, "most": most}
        statement = select(AttemptRow).from_statement(text(_RECENT))
        return (await self.session.execute(statement, values)).scalars().all()

    async def count_of(self, application_id: str, span: Span, only: AttemptFilter) -> tuple[int, bool]:
        """How many of the newest attempts in a span a filter is about, and whether there are more than were counted."""
        ours = _ATTEMPTS.c.application_id == application_id
        rows = (
            select(and_(true(), *only.wanted).label("is_wanted"))
            .where(ours, span.holds(_ATTEMPTS.c.id), *only.indexed)
            .order_by(_ATTEMPTS.c.id.desc())
            .limit(at_most(EXAMINED + 1))
            .subquery()
        )
        numbers = select(func.count(), func.count().filter(rows.c.is_wanted)).select_from(rows)
        looked_at, count = (await self.session.execute(numbers)).one()
        return min(count, EXAMINED), looked_at > EXAMINED

    async def find_of(self, application_id: str, message_id: str, attempt_id: str) -> AttemptRow | None:
        """The attempt of a message with that id, or None."""
        statement = self._live(application_id).where(_ATTEMPTS.c.message_id == message_id, _ATTEMPTS.c.id == attempt_id)
        return (await self.session.execute(statement)).scalar_one_or_none()

    async def expunge(self, application_id: str, message_id: str, attempt_id: str) -> bool:
        """Forget what the receiver answered, for good; False if there is no such attempt."""
        is_its = _ATTEMPTS.c.message_id == message_id
        return await self._replace_content(application_id, attempt_id, EXPUNGED, is_its, exchange=None)
