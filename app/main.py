"""The API process: `uvicorn --factory app.main:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from loguru import logger

from app import __version__, environment, garbage, logs
from app.api import problems
from app.api.api import routes
from app.api.auth.watch import TokenWatch
from app.api.gateway import Gateway
from app.api.health.service import HealthService
from app.api.inbound.direct import DirectReceiving
from app.api.inbound.event_types import ArrivedEventTypes
from app.api.inbound.fetching import LONGEST_DOCUMENT, Fetcher
from app.api.inbound.service import InboundService
from app.api.inbound.sources import Sources
from app.api.ledger.service import LedgerService
from app.api.message.direct import DirectPublishing
from app.api.message.introduction import Introductions
from app.api.message.service import MessageService
from app.api.metric.service import MetricService
from app.api.sign_in.gate import Gate
from app.api.sign_in.openid import openid_of
from app.api.turns import PollTurns
from app.broker import celery_app
from app.db.api_token.fresh import find_token
from app.db.message.publish import Publishing
from app.db.preflight import require_ready
from app.db.session import Database
from app.delivery.guard import Guard
from app.doorbell import Doorbell
from app.http_connections import allow_many
from app.outbound import outbound_client
from app.passwords import Passwords
from app.payload_store.store import open_store
from app.sealing import Sealer
from app.settings import Settings
from app.settings import settings as process_settings
from app.tokens import TokenVerifier
from app.transformation.contract import Limits
from app.transformation.pool import TransformationPool
from app.web import web


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
        summary="A webhook gateway that speaks the Svix API: it sends webhooks, and receives them.",
        description="Messages that are published here are delivered to customers' endpoints, signed and retried. What "
        "providers post to sources is verified, kept and delivered in the same way. Svix SDKs work unmodified: their "
        "`server_url` is this server's address.",
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=_lifespan,
        redirect_slashes=False,
        # FastAPI's own spans and metrics would stop at its border, and ask at each request whether they are wanted.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.sealer = Sealer(settings.main_secrets)
    problems.install(app)
    app.router.routes.extend([*routes(), *web.routes()])
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    allow_many()
    database = Database(app.state.settings)
    await database.open()
    try:
        await require_ready(database.pool, app.state.sealer)
        tokens = _tokens(app.state.settings, database)
        watch = TokenWatch(database.pool, tokens)
        await watch.start()
    except BaseException:
        await database.close()
        raise
    doorbell = Doorbell(celery_app(app.state.settings))
    app.state.tokens = tokens
    app.state.token_watch = watch
    app.state.database = database
    app.state.doorbell = doorbell
    app.state.payload_store = store = open_store(app.state.settings)
    app.state.messages = MessageService(
        Publishing(database.pool), doorbell, app.state.settings.db_statement_timeout, store
    )
    app.state.introductions = Introductions(database, app.state.messages)
    app.state.ledger = LedgerService(app.state.settings.db_dsn)
    app.state.poll_turns = PollTurns(app.state.settings.db_pool_max_size)
    metrics_token = app.state.settings.metrics_token
    app.state.metrics = MetricService(database.pool, metrics_token and metrics_token.get_secret_value())
    app.state.health = HealthService(database.pool, app.state.settings.redis_dsn)
    app.state.transformations = TransformationPool(Limits.for_bodies_of(app.state.settings.max_body_bytes))
    publishing = DirectPublishing(tokens, app.state.messages, app.state.settings.max_body_bytes)
    sources = Sources(database.pool, app.state.sealer, app.state.settings.db_statement_timeout)
    fetcher = Fetcher(outbound_client(app.state.settings, Guard(app.state.settings.allowed_networks), LONGEST_DOCUMENT))
    arrived = ArrivedEventTypes(database.pool)
    app.state.inbound = InboundService(database.pool, app.state.sealer, sources, app.state.messages, fetcher, arrived)
    receiving = DirectReceiving(sources, app.state.messages, arrived, app.state.settings.max_body_bytes)
    app.state.gate = Gate(database.pool, passwords := Passwords())
    app.state.openid = openid = openid_of(app.state.settings, app.state.sealer)
    garbage.settle()
    # At these levels each request has its line in the log, which the usual way writes.
    logged = app.state.settings.log_level in {"trace", "debug"}
    yield {} if logged else {"publishing": publishing, "receiving": receiving}
    await publishing.close()
    await receiving.close()
    await fetcher.close()
    passwords.close()
    if openid is not None:
        await openid.close()
    await arrived.close()
    await watch.stop()
    await app.state.messages.close()
    await doorbell.close()
    await database.close()


def _tokens(settings: Settings, database: Database) -> TokenVerifier:
    assert settings.jwt_secret is not None
    find = partial(find_token, database.pool)
    return TokenVerifier(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, find)
