"""The Celery application that producers (the API) and workers share: the same broker, keys and limits."""

from celery import Celery

from app.settings import Settings


def celery_app(settings: Settings) -> Celery:
    """A Celery application on the settings' Redis.

    Redis only carries wake-ups, so nothing waits for it: every socket operation has a time limit (kombu's default is
    forever), results are not kept, and a task that nobody fetched is worthless after a minute.
    """
    celery = Celery("postrider", broker=settings.redis_dsn)
    prefix = settings.queue_prefix
    celery.conf.update(
        task_default_queue=prefix,
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=2,
        broker_transport_options={
            "global_keyprefix": f"{prefix}:",
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,
            "visibility_timeout": 300,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
        },
    )
    return celery
