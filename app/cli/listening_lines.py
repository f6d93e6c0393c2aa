"""What `postrider listen` shows: a line for each event, on stdout; all else on stderr."""

from dataclasses import dataclass

import orjson
from rich.console import Console
from rich.text import Text

from app import clock


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of posting an event: the status of the answer, or why there is none."""

    status: int | None
    milliseconds: int
    problem: str | None

    @property
    def kind(self) -> str:
        """In one word."""
        if self.status is None:
            return "failed"
        return "taken" if 200 <= self.status < 300 else "refused"


_STYLES = {"taken": "green", "refused": "yellow", "failed": "red"}


class Lines:
    """Lines for a person, or JSON for a program; and how many events there were of each kind."""

    def __init__(self, *, as_json: bool, out: Console | None = None, notes: Console | None = None) -> None:
        self._as_json = as_json
        self._out = out or Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._notes = notes or Console(markup=False, highlight=False, emoji=False, soft_wrap=True, stderr=True)
        self._counts = dict.fromkeys(_STYLES, 0)

    def event(self, source_id: str, event_type: str, message_id: str, outcome: Outcome) -> None:
        """One event, and what came of it."""
        self._counts[outcome.kind] += 1
        now = clock.now()
        if self._as_json:
            said = {
                "time": now.isoformat(timespec="milliseconds"),
                "source": source_id,
                "eventType": event_type,
                "id": message_id,
                "status": outcome.status,
                "ms": outcome.milliseconds,
                "error": outcome.problem,
            }
            self._out.print(orjson.dumps(said).decode())
            return
        line = Text(f"{now.astimezone():%H:%M:%S}  {event_type:<36}  {message_id}  ")
        shown = "failed" if outcome.status is None else str(outcome.status)
        line.append(f"{shown:<6}", _STYLES[outcome.kind])
        line.append(f"  {outcome.milliseconds:>5} ms")
        if outcome.problem:
            line.append(f"  {outcome.problem}", "dim")
        self._out.print(line)

    def note(self, text: str) -> None:
        """Something about the listening itself."""
        self._notes.print(Text(text, "dim"))

    def summary(self) -> None:
        """How many events there were."""
        count = sum(self._counts.values())
        kinds = ", ".join(f"{number} {kind}" for kind, number in self._counts.items())
        self.note(f"{count} event{'s' * (count != 1)}: {kinds}")
