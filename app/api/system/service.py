"""The rules of the system: what is asked, and who is shown what."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Final

import asyncpg

from app import __version__, ids
from app.api.health.service import redis_answers
from app.api.system.models import (
    ChoresOut,
    InstallationOut,
    LastLedgerOut,
    MigrationsOut,
    RetentionOut,
    ServerOut,
    SystemOut,
    WholeQueueOut,
    WorkerOut,
    WorkersOut,
)
from app.db.installation.status import Status, status_of
from app.db.ledger.table import Figures, LedgerFigures
from app.db.preflight import OURS
from app.settings import Settings

_REDIS_SECONDS: Final = 0.5


class SystemService:
    """Looks at the whole installation."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings

    async def look(self, organization_id: str) -> SystemOut:
        """How the installation does. What is of all organizations together is for the first one, the operator's."""
        status, figures, redis = await asyncio.gather(
            status_of(self._pool), LedgerFigures(self._pool).load(), self._redis()
        )
        is_operator = organization_id == ids.DEFAULT_ORGANIZATION_ID
        return SystemOut(
            version=__version__,
            database=ServerOut(status="ok", milliseconds=round(status.milliseconds, 2)),
            redis=redis,
            workers=WorkersOut(
                alive=sum(worker.is_alive for worker in status.workers),
                shards=status.shards,
                owned=status.owned,
                neglected=status.neglected,
            ),
            chores=ChoresOut(ran_at=status.chores_ran_at, counted_to=status.counted_to, weeks_ahead=status.weeks_ahead),
            migrations=MigrationsOut(
                newest=status.migrations[-1], pending=[version for version in OURS if version not in status.migrations]
            ),
            retention=RetentionOut(
                history_days=self._settings.retention_days, audit_log_days=self._settings.audit_retention_days
            ),
            installation=_installation(status, figures) if is_operator else None,
        )

    async def _redis(self) -> ServerOut:
        assert self._settings.redis_dsn is not None
        asked = monotonic()
        if not await redis_answers(self._settings.redis_dsn, _REDIS_SECONDS):
            return ServerOut(status="error", milliseconds=None)
        return ServerOut(status="ok", milliseconds=round((monotonic() - asked) * 1000, 2))


def _installation(status: Status, figures: Mapping[str, Figures]) -> InstallationOut:
    queue, balance = figures.get("queue"), figures.get("balance")
    return InstallationOut(
        database_version=status.server_version,
        database_bytes=status.bytes,
        workers=[
            WorkerOut(name=worker.name, alive=worker.is_alive, seen_at=worker.seen_at, in_flight=worker.in_flight)
            for worker in status.workers
        ],
        queue=queue and WholeQueueOut.model_validate({"taken_at": queue.taken_at, **queue.numbers}),
        ledger=balance and LastLedgerOut.model_validate({"taken_at": balance.taken_at, **balance.numbers}),
    )
