"""The SQL about the ledger's figures: how it stood when it was last drawn up over all organizations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import asyncpg
import orjson

Part = Literal["balance", "queue"]
Number = int | float

_STORE: Final = """
INSERT INTO ledger_figures (part, seconds, figures) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (part) DO UPDATE SET taken_at = now(), seconds = excluded.seconds, figures = excluded.figures
"""
_LOAD: Final = """
SELECT part, taken_at, extract(epoch FROM now() - taken_at)::float8 AS age, seconds, figures::text FROM ledger_figures
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One part of the ledger: numbers by name."""

    taken_at: datetime
    age: float
    """Seconds since then, by the database's clock."""
    seconds: float
    """What it took."""
    numbers: Mapping[str, Number]


class LedgerFigures:
    """Of all organizations together: written by a chore, read for operators."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def store(self, part: Part, seconds: float, numbers: Mapping[str, Number]) -> None:
        """Replace one part."""
        await self._pool.execute(_STORE, part, seconds, orjson.dumps(numbers).decode())

    async def load(self) -> dict[str, Figures]:
        """What there is, by part."""
        return {
            row["part"]: Figures(row["taken_at"], row["age"], row["seconds"], orjson.loads(row["figures"]))
            for row in await self._pool.fetch(_LOAD)
        }
