"""Which event types an endpoint may wait for before the first event of them has arrived at a source."""

from collections.abc import Collection, Sequence

from app.db.event_type.expected import ExpectedType
from app.db.source.model import CRON
from app.receiving.registry import all_providers


def expected_types(kinds: set[str], names: Sequence[str]) -> list[ExpectedType]:
    """Those of the names that begin as the events of sources of these kinds begin, as they will be once one arrives."""
    titles = {one.event_prefix: one.title for kind, one in all_providers().items() if kind in kinds}
    expected = [
        ExpectedType(name, f"Sent by {titles[prefix]}, and expected at a source.", prefix)
        for name in names
        if (prefix := _prefix_of(name, titles))
    ]
    if CRON in kinds and CRON in names:
        expected.append(ExpectedType(CRON, "Made on a schedule, by a source.", CRON))
    return expected


def none_expected(_kinds: set[str], _names: Sequence[str]) -> list[ExpectedType]:
    """For who may not create event types."""
    return []


def _prefix_of(name: str, prefixes: Collection[str]) -> str | None:
    return next((prefix for prefix in prefixes if name == prefix or name.startswith(f"{prefix}.")), None)
