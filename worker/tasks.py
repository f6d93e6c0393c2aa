"""Hop 4: Celery's tasks. A doorbell, and chores; none carries data, and all may be lost, doubled or late."""

from collections.abc import Sequence

import asyncpg
from celery import shared_task

from app.db.idempotency_key.table import purge_expired
from app.db.partition.table import ensure_partitions
from worker.runtime import Runtime

_CHORE_SECONDS = 120


@shared_task(name="postrider.drain")
def drain(shards: Sequence[int]) -> None:
    """Something is due in these shards: drain them on this process's loop."""
    if Runtime.current is not None:
        Runtime.current.ring(shards)


@shared_task(name="postrider.prepare_partitions")
def prepare_partitions() -> None:
    """Make the coming weeks' partitions."""
    runtime = _runtime()
    runtime.run(ensure_partitions(_pool(runtime)), _CHORE_SECONDS)


@shared_task(name="postrider.purge_idempotency_keys")
def purge_idempotency_keys() -> None:
    """Forget the idempotency keys that are too old to be replayed."""
    runtime = _runtime()
    runtime.run(purge_expired(_pool(runtime)), _CHORE_SECONDS)


def _runtime() -> Runtime:
    assert Runtime.current is not None, "tasks run in a worker, whose bootstep starts the runtime"
    return Runtime.current


def _pool(runtime: Runtime) -> asyncpg.Pool:
    assert runtime.database is not None, "the delivery loop has not connected yet; the chore runs at its next time"
    return runtime.database.pool
