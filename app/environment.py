"""What is odd about a process's environment although it can start with it: names that nobody reads, short secrets."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from dotenv import dotenv_values
from pydantic import AliasChoices

from app.settings import Settings

# Not settings of the server, but read by what belongs to it: the supervisor and the health checks, docker-compose.yml,
# the README's examples, and options of `postrider import svix`, `listen` and `trigger`.
_OTHERS: Final = frozenset(
    {
        *("POSTRIDER_HEALTH_FILE", "POSTRIDER_IMPORT_DSN", "POSTRIDER_IMPORT_MAIN_SECRET", "POSTRIDER_PUBLISHED"),
        *("POSTRIDER_SERVER_URL", "POSTRIDER_TOKEN"),
    }
)
_ENV_FILE: Final = ".env"
_LEAST_MAIN_SECRET: Final = 16
# RFC 7518 §3.2: a key must be at least as long as the hash.
_LEAST_JWT_SECRET: Final = {"HS256": 32, "HS384": 48, "HS512": 64}

_ONE_REDIS: Final = "set `POSTRIDER_REDIS_DSN`: one server, with login, database and TLS (`rediss://`) in its address"
_QUEUE: Final = "the queue is in Postgres; Redis is a doorbell"
_TELEMETRY: Final = "there is no exporter"

SVIX_UNSUPPORTED: Final[Mapping[str, str]] = {
    "SVIX_API_ENABLED": "run `postrider api` or do not",
    "SVIX_BACKGROUND_MIGRATIONS_ENABLED": "all migrations are run by `postrider migrate`",
    "SVIX_CACHE_DSN": "there is no cache to place",
    "SVIX_CACHE_TYPE": "there is no cache to place",
    "SVIX_DB_TRACING": _TELEMETRY,
    "SVIX_ENVIRONMENT": _TELEMETRY,
    "SVIX_OPENTELEMETRY_ADDRESS": _TELEMETRY,
    "SVIX_OPENTELEMETRY_SAMPLE_RATIO": _TELEMETRY,
    "SVIX_OPENTELEMETRY_SERVICE_NAME": _TELEMETRY,
    "SVIX_OPERATIONAL_WEBHOOK_ADDRESS": "register endpoints for operational webhooks over the API",
    "SVIX_QUEUE_DSN": _QUEUE,
    "SVIX_QUEUE_MAX_POLL_SECS": _QUEUE,
    "SVIX_QUEUE_TYPE": _QUEUE,
    "SVIX_RABBIT_CONSUMER_PREFETCH_SIZE": _QUEUE,
    "SVIX_RABBIT_DSN": _QUEUE,
    "SVIX_REDIS_DB": _ONE_REDIS,
    "SVIX_REDIS_PASSWORD": _ONE_REDIS,
    "SVIX_REDIS_PENDING_DURATION_SECS": _QUEUE,
    "SVIX_REDIS_POOL_MAX_SIZE": "connections to Redis are few and not limited",
    "SVIX_REDIS_TLS_MODE_SECURE": _ONE_REDIS,
    "SVIX_REDIS_USERNAME": _ONE_REDIS,
    "SVIX_REDIS_USE_RESP3": _ONE_REDIS,
    "SVIX_REGION": "there are no regions",
    "SVIX_SENTINEL_SERVICE_NAME": _ONE_REDIS,
    "SVIX_SENTRY_DSN": _TELEMETRY,
    "SVIX_WORKER_ENABLED": "run `postrider worker` or do not",
}
"""The settings of a Svix server that are not read here, and what there is instead."""


def setting_names() -> frozenset[str]:
    """Every variable that a setting is read from."""
    aliases = (info.validation_alias for info in Settings.model_fields.values())
    return frozenset(str(name) for alias in aliases if isinstance(alias, AliasChoices) for name in alias.choices)


def report(settings: Settings, say: Callable[[str], None]) -> None:
    """Say, one line each, what is odd. Of `postrider up` only the parent does: its children have what it has."""
    if not settings.embedded:
        for line in [*unknown_names(), *short_secrets(settings)]:
            say(line)


def unknown_names() -> Iterator[str]:
    """A line for each variable of the environment or `.env` that looks like a setting and is none."""
    known = setting_names()
    for name in sorted({name.upper() for name in (*os.environ, *dotenv_values(_ENV_FILE))}):
        if not name.startswith(("POSTRIDER_", "SVIX_")) or name in known | _OTHERS:
            continue
        if name in SVIX_UNSUPPORTED:
            yield f"{name} has no effect: {SVIX_UNSUPPORTED[name]}"
        elif near := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            yield f"{name} has no effect: there is no such setting; is {near[0]} meant?"
        else:
            yield f"{name} has no effect: there is no such setting, see docs/reference/settings.md"


def short_secrets(settings: Settings) -> Iterator[str]:
    """A line for each secret that could be guessed."""
    jwt = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    least = _LEAST_JWT_SECRET[settings.jwt_algorithm]
    if jwt is not None and len(jwt.encode()) < least:
        yield (
            f"POSTRIDER_JWT_SECRET is shorter than the {least} bytes that {settings.jwt_algorithm} needs: whoever "
            "guesses it can make tokens; set a longer one (openssl rand -base64 48) and give out new tokens"
        )
    if any(len(secret.encode()) < _LEAST_MAIN_SECRET for secret in settings.main_secrets[:1]):
        yield (
            f"POSTRIDER_MAIN_SECRET is shorter than {_LEAST_MAIN_SECRET} bytes: "
            "set a longer one (openssl rand -base64 48) with the old one after a comma"
        )
