"""The one list of routers."""

from fastapi import APIRouter
from starlette.routing import BaseRoute

from app.api.account import points as account
from app.api.api_token import points as api_token
from app.api.application import points as application
from app.api.application_token import points as application_token
from app.api.attempt import points as attempt
from app.api.audit_log import points as audit_log
from app.api.auth import points as auth
from app.api.background_task import points as background_task
from app.api.broadcast import points as broadcast
from app.api.catalog import points as catalog
from app.api.endpoint import points as endpoint
from app.api.environment import points as environment
from app.api.environment_settings import points as environment_settings
from app.api.event_type import points as event_type
from app.api.explanation import points as explanation
from app.api.health import points as health
from app.api.history import points as history
from app.api.inbound import points as inbound
from app.api.ledger import points as ledger
from app.api.message import points as message
from app.api.metric import points as metric
from app.api.operational_webhook import points as operational_webhook
from app.api.overview import points as overview
from app.api.poller import points as poller
from app.api.receiver_access import points as receiver_access
from app.api.replay import points as replay
from app.api.responses import ERRORS
from app.api.sent_request import points as sent_request
from app.api.sign_in import points as sign_in
from app.api.source import points as source
from app.api.source_endpoint import points as source_endpoint
from app.api.source_event import points as source_event
from app.api.source_log import points as source_log
from app.api.source_trigger import points as source_trigger
from app.api.statistic import points as statistic
from app.api.system import points as system
from app.api.throttle import points as throttle
from app.api.transformation import points as transformation
from app.api.trial import points as trial
from app.api.unserved import points as unserved
from app.api.user import points as user

router = APIRouter(prefix="/api/v1", responses=ERRORS)
router.include_router(message.publishing)
router.include_router(message.router)
router.include_router(history.router)
router.include_router(history.finding)
router.include_router(explanation.router)
router.include_router(broadcast.router)
router.include_router(endpoint.router)
router.include_router(endpoint.finding)
router.include_router(trial.router)
router.include_router(trial.trying)
router.include_router(receiver_access.router)
router.include_router(transformation.router)
router.include_router(replay.router)
router.include_router(background_task.router)
router.include_router(statistic.of_applications)
router.include_router(statistic.router)
router.include_router(overview.router)
router.include_router(throttle.router)
router.include_router(application.router)
router.include_router(attempt.router)
router.include_router(sent_request.router)
router.include_router(catalog.router)
router.include_router(event_type.router)
router.include_router(operational_webhook.router)
router.include_router(environment.router)
router.include_router(environment.copying)
router.include_router(environment_settings.router)
router.include_router(ledger.router)
router.include_router(system.router)
router.include_router(health.router)
router.include_router(auth.router)
router.include_router(application_token.router)
router.include_router(api_token.router)
router.include_router(poller.router)
router.include_router(audit_log.router)
router.include_router(sign_in.router)
router.include_router(account.router)
router.include_router(user.router)
router.include_router(source.inbound)
router.include_router(source_event.of_messages)

# Where the Svix cloud has what is about sources.
ingesting = APIRouter(prefix="/ingest/api/v1", responses=ERRORS)
ingesting.include_router(source.router)
ingesting.include_router(source_endpoint.router)
ingesting.include_router(source_event.router)
ingesting.include_router(source_log.router)
ingesting.include_router(source_trigger.router)

# What is not part of the API, and so not below its prefix.
outside = APIRouter()
outside.include_router(metric.router)
outside.include_router(inbound.router)
outside.include_router(unserved.router)


def routes() -> list[BaseRoute]:
    """All of them, made once for a process: an application that included the routers would make each once more."""
    return [*router.routes, *ingesting.routes, *outside.routes]
