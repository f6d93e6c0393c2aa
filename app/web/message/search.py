"""What is asked of a list of messages, as it stands in the address of its page, and as the API takes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app import clock, ids
from app.api.message.models import MessageOut
from app.api.paging import ListOut
from app.web.forms import words
from app.web.view import View

_FIELDS: Final = ("event_types", "channel", "tag", "text", "after", "before")
PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the form; empty ones ask for nothing. Times are UTC."""

    values: dict[str, str]
    reference: str

    @classmethod
    def of(cls, view: View) -> "Asked":
        return cls({name: view.query(name) for name in _FIELDS}, view.query("reference"))

    @property
    def is_anything(self) -> bool:
        return any(self.values.values())

    @property
    def query(self) -> dict[str, str | int | None]:
        """For the address of the next page."""
        return dict(self.values)

    def body(self, iterator: str) -> dict[str, object]:
        """As v1.message.search takes it."""
        wanted: dict[str, object] = {name: self.values[name] for name in ("channel", "tag", "text")}
        wanted |= {name: _moment(self.values[name]) for name in ("after", "before")}
        wanted |= {"event_types": words(self.values["event_types"]), "iterator": iterator, "limit": PER_PAGE}
        if wanted["after"] and not wanted["before"]:
            # Without it the API would begin with the oldest.
            wanted["before"] = clock.now().isoformat()
        return {name: value for name, value in wanted.items() if value not in ("", [])}


def looked_back_to(page: ListOut[MessageOut]) -> datetime | None:
    """The time to which was looked, if that is not all there is although the page is not full."""
    iterator = page.iterator
    if page.done or len(page.data) >= PER_PAGE or iterator is None or not ids.is_id(iterator, "msg"):
        return None
    return ids.created_at(iterator)


def _moment(text: str) -> str:
    """What browsers make of a point in time has no zone: it is UTC here."""
    has_zone = text.endswith(("Z", "z")) or "+" in text
    return text if not text or has_zone else f"{text}Z"
