"""Looking for a name in all applications of an organization, where it is unique and indexed in each of them only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Row

OF_ORGANIZATION: Final = "a.organization_id = :organization_id AND a.deleted_at IS NULL AND NOT a.operational"
LOOKED_IN: Final = f"""looked_in AS MATERIALIZED (
    SELECT a.id, a.uid, a.name, row_number() OVER (ORDER BY a.id) AS place
    FROM applications a
    WHERE {OF_ORGANIZATION} AND a.id > :after
    ORDER BY a.id LIMIT :looked_in
)"""
"""The applications of one page. Who joins it ends each row with `is_wanted` and `is_last`, and keeps the last one."""

FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class FoundPage(Generic[FoundT]):
    """Part of what was found; `reached` is the application up to which was looked, if there are more."""

    rows: list[FoundT]
    done: bool
    reached: str | None = None


def page_of(rows: Sequence[Row[Any]], found: Callable[..., FoundT], limit: int) -> FoundPage[FoundT]:
    """The page that rows make, of which one more than `limit` was asked for."""
    wanted = [found(*row[:-2]) for row in rows if row.is_wanted]
    is_full = len(wanted) > limit
    is_cut = bool(rows) and rows[-1].is_last and not is_full
    return FoundPage(wanted[:limit], not is_full and not is_cut, rows[-1].app_id if is_cut else None)
