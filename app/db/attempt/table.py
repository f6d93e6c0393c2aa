"""All the SQL that reads attempts, and expunges them. What records them is app/db/pending_delivery/queue.py."""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, literal
from sqlmodel import col, select

from app.db.attempt.model import AttemptRow
from app.db.base import Page
from app.db.history import HistoryTable, Span
from app.db.message.model import MessageFilter, MessageRow

EXPUNGED: Final = b"EXPUNGED"


@dataclass(frozen=True, slots=True)
class AttemptFilter:
    """Which attempts a list is about; None: any. `code_class` is a hundred of HTTP status codes, 0 for no answer."""

    message_id: str | None = None
    endpoint_id: str | None = None
    status: int | None = None
    code_class: int | None = None
    about: MessageFilter = field(default_factory=MessageFilter)

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same on the columns of `attempts`."""
        found: list[ColumnElement[bool]] = []
        if self.message_id is not None:
            found.append(col(AttemptRow.message_id) == self.message_id)
        if self.endpoint_id is not None:
            found.append(col(AttemptRow.endpoint_id) == self.endpoint_id)
        if self.status is not None:
            found.append(col(AttemptRow.status) == literal(self.status))
        if self.code_class is not None:
            found.append(col(AttemptRow.response_status_code).between(self.code_class, self.code_class + 99))
        if conditions := self.about.conditions:
            message = select(MessageRow.id).where(
                col(MessageRow.id) == col(AttemptRow.message_id),
                col(MessageRow.application_id) == col(AttemptRow.application_id),
                *conditions,
            )
            found.append(message.exists())
        return found


class AttemptsTable(HistoryTable[AttemptRow]):
    """The attempts of one application."""

    row = AttemptRow
    content = "response"

    async def page_of(self, application_id: str, span: Span, only: AttemptFilter) -> Page[AttemptRow]:
        """One page of the attempts that a filter is about."""
        return await self.page_in(application_id, span, *only.conditions)

    async def find_of(self, application_id: str, message_id: str, attempt_id: str) -> AttemptRow | None:
        """The attempt of a message with that id, or None."""
        statement = self._live(application_id).where(
            col(AttemptRow.message_id) == message_id, col(AttemptRow.id) == attempt_id
        )
        return (await self.session.execute(statement)).scalar_one_or_none()

    async def expunge(self, application_id: str, message_id: str, attempt_id: str) -> bool:
        """Forget what the receiver answered, for good; False if there is no such attempt."""
        return await self._replace_content(
            application_id, attempt_id, EXPUNGED, col(AttemptRow.message_id) == message_id
        )
