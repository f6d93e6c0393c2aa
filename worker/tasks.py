"""Hop 4: Celery's tasks. A doorbell, and chores; none carries data, and all may be lost, doubled or late."""

from collections.abc import Sequence

import asyncpg
from celery import shared_task

from app.db.api_token.fresh import forget_revocations
from app.db.audit.entry import purge_entries
from app.db.background_task.bites import purge_tasks
from app.db.idempotency_key.table import purge_expired
from app.db.one_time_token.table import forget_one_time_tokens
from app.db.operational_webhook.attempt_log import tell_of_noted
from app.db.partition.table import ensure_partitions
from app.db.sign_in_failure.counting import forget_failures
from app.db.source.purge import purge_source_logs
from app.db.web_session.table import forget_sessions
from worker.ledger import keep_figures
from worker.release import release_held
from worker.retention import forget_old, forget_payloads
from worker.rollups import keep_rollups
from worker.runtime import Runtime
from worker.scheduled import make_scheduled

_CHORE_SECONDS = 120
_LONG_CHORE_SECONDS = 3000
# How long ended background tasks are shown.
_TASK_DAYS = 30
# How long requests are shown that sources rejected.
_SOURCE_LOG_DAYS = 30


@shared_task(name="postrider.drain")
def drain(shards: Sequence[int]) -> None:
    """Something is due in these shards: drain them on this process's loop."""
    if Runtime.current is not None:
        Runtime.current.ring(shards)


@shared_task(name="postrider.run_background_tasks")
def run_background_tasks() -> None:
    """A background task was started: look for it on this process's loop."""
    if Runtime.current is not None:
        Runtime.current.ring_for_tasks()


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


@shared_task(name="postrider.forget_history")
def forget_history() -> None:
    """Drop the weeks that are older than history is kept."""
    runtime = _runtime()
    days = runtime.settings.retention_days
    runtime.run(forget_old(_pool(runtime), runtime.payload_store, days), _LONG_CHORE_SECONDS)


@shared_task(name="postrider.forget_payloads")
def forget_expired_payloads() -> None:
    """Forget payloads that are kept for less long than their messages."""
    runtime = _runtime()
    runtime.run(forget_payloads(_pool(runtime), runtime.payload_store), _LONG_CHORE_SECONDS)


@shared_task(name="postrider.keep_ledger")
def keep_ledger() -> None:
    """Draw up the ledger of all organizations, for GET /metrics."""
    runtime = _runtime()
    runtime.run(keep_figures(runtime.settings, _pool(runtime)), _CHORE_SECONDS)


@shared_task(name="postrider.keep_rollups")
def keep_statistics() -> None:
    """Count what came since the last time, for statistics."""
    runtime = _runtime()
    runtime.run(keep_rollups(_pool(runtime)), _CHORE_SECONDS)


@shared_task(name="postrider.tell_of_attempts")
def tell_of_attempts() -> None:
    """Tell the organizations that subscribe to the log of attempts what was noted for them."""
    runtime = _runtime()
    runtime.ring(runtime.run(tell_of_noted(_pool(runtime)), _CHORE_SECONDS))


@shared_task(name="postrider.release_held")
def release_held_messages() -> None:
    """Deliver what sources held that were paused, and go on."""
    runtime = _runtime()
    runtime.run(release_held(_pool(runtime), runtime.ring), _LONG_CHORE_SECONDS)


@shared_task(name="postrider.purge_audit_log")
def purge_audit_log() -> None:
    """Forget entries of the audit log that are too old, and revocations, one-time tokens and sessions that ended."""
    runtime = _runtime()
    pool = _pool(runtime)
    runtime.run(purge_entries(pool, runtime.settings.audit_retention_days), _LONG_CHORE_SECONDS)
    runtime.run(forget_revocations(pool), _CHORE_SECONDS)
    runtime.run(forget_one_time_tokens(pool), _CHORE_SECONDS)
    runtime.run(forget_failures(pool), _CHORE_SECONDS)
    runtime.run(forget_sessions(pool), _CHORE_SECONDS)


@shared_task(name="postrider.purge_background_tasks")
def purge_background_tasks() -> None:
    """Forget background tasks that ended long ago."""
    runtime = _runtime()
    runtime.run(purge_tasks(_pool(runtime), _TASK_DAYS), _CHORE_SECONDS)


@shared_task(name="postrider.make_scheduled_messages")
def make_scheduled_messages() -> None:
    """Make the messages of the sources whose time has come."""
    runtime = _runtime()
    runtime.ring(runtime.run(make_scheduled(_pool(runtime)), _CHORE_SECONDS).shards)


@shared_task(name="postrider.purge_source_logs")
def purge_logs_of_sources() -> None:
    """Forget the requests that sources rejected long ago."""
    runtime = _runtime()
    runtime.run(purge_source_logs(_pool(runtime), _SOURCE_LOG_DAYS), _LONG_CHORE_SECONDS)


def _runtime() -> Runtime:
    assert Runtime.current is not None, "tasks run in a worker, whose bootstep starts the runtime"
    return Runtime.current


def _pool(runtime: Runtime) -> asyncpg.Pool:
    assert runtime.database is not None, "the delivery loop has not connected yet; the chore runs at its next time"
    return runtime.database.pool
