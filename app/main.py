"""The API process: `uvicorn --factory app.main:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from loguru import logger

from app import __version__, environment, garbage, logs
from app.api import problems
from app.api.api import router
from app.api.gateway import Gateway
from app.api.health.service import HealthService
from app.api.message.direct import DirectPublishing
from app.api.message.service import MessageService
from app.broker import celery_app
from app.db.message.publish import Publishing
from app.db.preflight import require_ready
from app.db.session import Database
from app.doorbell import Doorbell
from app.sealing import Sealer
from app.settings import Settings
from app.settings import settings as process_settings
from app.tokens import TokenVerifier


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application, with the process's settings unless others are given. SettingsError if one is missing."""
    settings = settings or process_settings()
    assert settings.jwt_secret is not None
    logs.configure(settings, "api")
    environment.report(settings, logger.warning)
    app = Gateway(
        settings,
        title="Postrider",
        version=__version__,
        summary="A webhook gateway that speaks the Svix API: it sends webhooks.",
        lifespan=_lifespan,
        redirect_slashes=False,
        openapi_url="/openapi.json",
        # FastAPI's own spans and metrics would stop at its border, and ask at each request whether they are wanted.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.tokens = TokenVerifier(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm)
    app.state.sealer = Sealer(settings.main_secrets)
    problems.install(app)
    app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    database = Database(app.state.settings)
    await database.open()
    try:
        await require_ready(database.pool, app.state.sealer)
    except BaseException:
        await database.close()
        raise
    doorbell = Doorbell(celery_app(app.state.settings))
    app.state.database = database
    app.state.doorbell = doorbell
    app.state.messages = MessageService(Publishing(database.pool), doorbell)
    app.state.health = HealthService(database.pool, app.state.settings.redis_dsn)
    publishing = DirectPublishing(app.state.tokens, app.state.messages, app.state.settings.max_body_bytes)
    garbage.settle()
    # At these levels each request has its line in the log, which the usual way writes.
    logged = app.state.settings.log_level in {"trace", "debug"}
    yield {} if logged else {"publishing": publishing}
    await publishing.close()
    await app.state.messages.close()
    await doorbell.close()
    await database.close()
