"""The Celery application that producers (the API) and workers share: the same broker, keys and limits."""

from typing import Any, Final

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection

from app.settings import Settings

# Between two tries to reach a broker that is away.
_LONGEST_WAIT: Final = 4.0


class _Connection(Connection):
    """Comes back within seconds: kombu would wait ever longer between its tries, half a minute in the end."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        options.setdefault("interval_max", _LONGEST_WAIT)
        return super().ensure_connection(*arguments, **options)  # type: ignore[no-untyped-call]


class _Amqp(AMQP):  # type: ignore[misc]  # Celery is not typed
    Connection = _Connection


def celery_app(settings: Settings) -> Celery:
    """A Celery application on the settings' Redis.

    Redis only carries wake-ups, so nothing waits for it: every socket operation has a time limit (kombu's default is
    forever), results are not kept, and a task that nobody fetched is worthless after a minute.
    """
    celery = Celery("postrider", broker=settings.redis_dsn, amqp=_Amqp)
    prefix = settings.queue_prefix
    celery.conf.update(
        task_default_queue=prefix,
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A server that refuses (it became a replica, its memory is full) is one that is away, and no reason to end.
        broker_channel_error_retry=True,
        broker_connection_timeout=2,
        broker_transport_options={
            "global_keyprefix": f"{prefix}:",
            # Whoever only wants to send something does not try again; those who listen do so for ever all the same.
            "max_retries": 0,
            "socket_timeout": 3,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,
            "visibility_timeout": 300,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
        },
    )
    return celery
