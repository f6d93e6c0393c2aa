"""Trials over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from app.api.attempt.models import MessageAttemptOut
from app.api.deps import ApplicationDep, ApplicationRef, EndpointRef, OrganizationDep, PrincipalDep, SessionDep
from app.api.exact import exact
from app.api.lean import LeanRoute
from app.api.message.models import MessageIn, MessageOut
from app.api.strict import StrictRoute
from app.api.trial.models import EventExampleIn
from app.api.trial.service import ExampleService, TrialService

router = APIRouter(prefix="/app/{app_id}/endpoint/{endpoint_id}", route_class=StrictRoute)
trying = APIRouter(prefix="/app/{app_id}/endpoint/{endpoint_id}", route_class=LeanRoute)


def _examples(session: SessionDep) -> ExampleService:
    return ExampleService(session)


async def _trials(request: Request) -> TrialService:
    state = request.app.state
    return TrialService(state.database, state.doorbell, state.payload_store, state.settings)


ExamplesDep = Annotated[ExampleService, Depends(_examples, scope="function")]
TrialsDep = Annotated[TrialService, Depends(_trials)]


@router.post("/send-example", operation_id="v1.endpoint.send-example", tags=["Endpoint"], response_model=MessageOut)
async def send_example(
    caller: PrincipalDep, app: ApplicationDep, endpoint: EndpointRef, body: EventExampleIn, examples: ExamplesDep
) -> Response:
    """Send an example of an event type to an endpoint, once and whatever it subscribed to."""
    return exact(await examples.send(caller, app, endpoint, body))


@trying.post(
    "/msg/test-attempt",
    status_code=201,
    operation_id="v1.message.test-attempt",
    tags=["Message"],
    response_model=MessageAttemptOut,
)
async def try_message(
    app_id: ApplicationRef,
    endpoint_id: EndpointRef,
    body: MessageIn,
    caller: OrganizationDep,
    trials: TrialsDep,
    idempotency_key: Annotated[
        str | None, Header(description="The same request with the same key is carried out once.")
    ] = None,
) -> Response:
    """Send a message to one endpoint, whatever it subscribed to, and wait for what came of its only attempt."""
    return exact(await trials.attempt(caller, app_id, endpoint_id, body, idempotency_key), 201)
