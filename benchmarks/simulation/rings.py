"""What a ring of the doorbell costs: its sender, Valkey, and the worker that fetches it for shards of another's."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Final

import asyncpg

from app.broker import celery_app
from app.cli.commands import worker_command
from app.cli.embedded import EmbeddedValkey
from app.cli.process import spawn, stop
from app.settings import Settings
from benchmarks.simulation.parameters import Figures

_RINGS: Final = 300
_PER_SECOND: Final = 100
_READY_SECONDS: Final = 30.0
_MICRO: Final = 1e6


def rings(settings: Settings, valkey: EmbeddedValkey, folder: Path) -> dict[str, Figures]:
    """Microseconds. TimeoutError if the worker does not come up."""
    celery = celery_app(settings)

    def send() -> None:
        celery.send_task("postrider.drain", ([1, 2, 3],), ignore_result=True, retry=False, expires=60)

    asyncio.run(_lease_everything(settings))
    send()
    began, used = _cpu(valkey.process.pid), process_time()
    for _ in range(_RINGS):
        send()
    sender, server = process_time() - used, _cpu(valkey.process.pid) - began
    worker = _of_worker(settings, folder, send)
    celery.close()
    return {
        "api_ring": {"value": sender / _RINGS * _MICRO},
        # It is fetched as well, and that is about as much again.
        "redis_ring": {"value": 2 * server / _RINGS * _MICRO},
        "worker_ring": {"value": worker * _MICRO},
    }


async def _lease_everything(settings: Settings) -> None:
    """All shards are another worker's, so that a ring finds nothing to do."""
    connection = await asyncpg.connect(settings.db_dsn)
    await connection.execute("UPDATE shards SET owner = 'another', leased_until = now() + interval '1 hour'")
    await connection.close()


def _of_worker(settings: Settings, folder: Path, send: Callable[[], None]) -> float:
    """Seconds of CPU of a real worker for each ring; what it uses without rings is taken off."""
    health = folder / "health"
    environment = {"PATH": os.environ["PATH"], "POSTRIDER_HEALTH_FILE": str(health), "POSTRIDER_LOG_LEVEL": "warning"}
    environment |= {
        "POSTRIDER_DB_DSN": settings.db_dsn or "",
        "POSTRIDER_REDIS_DSN": settings.redis_dsn or "",
        "POSTRIDER_JWT_SECRET": "s" * 64,
        "POSTRIDER_MAIN_SECRET": "s" * 32,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    with (folder / "worker.log").open("wb") as log:
        worker = spawn(worker_command(), environment=environment, cwd=folder, output=log)
    try:
        until = time.monotonic() + _READY_SECONDS
        while not health.exists():
            if time.monotonic() > until or worker.poll() is not None:
                raise TimeoutError(f"the worker did not come up:\n{(folder / 'worker.log').read_text()[-1000:]}")
            time.sleep(0.1)
        time.sleep(2.0)  # It has just begun, and fetches the rings that waited.
        seconds = _RINGS / _PER_SECOND
        began = _cpu(worker.pid)
        time.sleep(seconds)
        idle = _cpu(worker.pid) - began
        began = _cpu(worker.pid)
        for _ in range(_RINGS):
            send()
            time.sleep(1 / _PER_SECOND)
        time.sleep(0.3)
        return max(0.0, _cpu(worker.pid) - began - idle) / _RINGS
    finally:
        stop(worker, ((signal.SIGTERM, 30.0),))


def _cpu(pid: int) -> float:
    """Seconds of CPU of all threads of a process."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
