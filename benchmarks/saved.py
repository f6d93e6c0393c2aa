"""What was measured before: one JSON file for each scenario, read back into what it was."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.scenarios import ALL, Outcome

PROJECT = Path(__file__).resolve().parent.parent
DATA = PROJECT / "docs" / "explanation" / "data"


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a scenario was measured, and with which command."""

    started_at: datetime
    command: str


@dataclass(frozen=True, slots=True)
class Saved:
    outcome: Outcome
    stamp: Stamp


_OUTCOME = TypeAdapter(Outcome)
_STAMP = TypeAdapter(Stamp)


def read_all(folder: Path = DATA) -> dict[str, Saved]:
    """What is saved there, by scenario. Raises pydantic.ValidationError for a file of another version."""
    paths = {name: folder / f"{name}.json" for name in ALL}
    return {
        name: Saved(_OUTCOME.validate_json(path.read_bytes()), _STAMP.validate_json(path.read_bytes()))
        for name, path in paths.items()
        if path.exists()
    }
