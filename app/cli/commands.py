"""The ordinary commands behind `postrider api`, `worker` and `beat`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.setting_values import Network

# -P: a folder `app` in the current directory must not be taken for ours.
_UVICORN: Final = (sys.executable, "-P", "-m", "uvicorn")
# As root, Celery would warn at each start; whoever runs as root has decided so.
_QUIET_ROOT: Final = ("-W", "ignore:You're running the worker with superuser privileges")
_CELERY: Final = (sys.executable, "-P", *_QUIET_ROOT, "-m", "celery", "--quiet", "-A", "worker.main")


def api_command(host: str, port: int, proxies: Sequence[Network] = ()) -> list[str]:
    """uvicorn with the guard against slow and oversized requests; `proxies` are believed about who asks, and how."""
    forwarded = ("--proxy-headers", "--forwarded-allow-ips", ",".join(map(str, proxies)))
    return [
        *(*_UVICORN, "--factory", "app.main:create_app"),
        *("--app-dir", str(Path(__file__).resolve().parents[2])),
        *("--host", host, "--port", str(port), "--loop", "uvloop", "--http", "app.http_direct:DirectProtocol"),
        # Without `on`, uvicorn would serve even when the start-up failed. 20 s fit in Kubernetes' 30.
        *("--lifespan", "on", "--no-access-log", "--timeout-graceful-shutdown", "20"),
        # X-Forwarded-For and X-Forwarded-Proto are what anybody may write.
        *(forwarded if proxies else ("--no-proxy-headers",)),
        "--no-server-header",
    ]


def worker_command() -> list[str]:
    """The Celery worker, without the chatter between workers, which nothing here needs."""
    return [*_CELERY, "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"]


def beat_command(schedule: Path) -> list[str]:
    """Celery beat; `schedule` is the file in which it remembers what it last started."""
    return [*_CELERY, "beat", "--schedule", str(schedule)]
