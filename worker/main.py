"""The Celery application of workers and beat: `celery -A worker.main worker`, `celery -A worker.main beat`."""

import sys
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.signals import celeryd_after_setup, setup_logging
from loguru import logger

from app import environment, logs
from app.broker import celery_app
from app.settings import settings
from worker.runtime import DeliveryStep
from worker.schedule import SCHEDULE

app = celery_app(settings())
app.conf.update(
    include=["worker.tasks"],
    # Threads, because the work is on the event loop, which they share; tasks only knock on it.
    worker_pool="threads",
    worker_concurrency=2,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_schedule=SCHEDULE,
)
app.steps["worker"].add(DeliveryStep)


@setup_logging.connect
def _configure_logs(**_: Any) -> None:
    logs.configure(settings(), "beat" if "beat" in sys.argv else "worker")
    environment.report(settings(), logger.warning)


@celeryd_after_setup.connect
def _quieten(**_: Any) -> None:
    """Celery, which has just asked for all of its warnings, would announce a default that we do not leave to it."""
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
