"""The rules of trials."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.api.attempt.models import MessageAttemptOut
from app.api.attempt.service import AttemptService
from app.api.fields import UID_PATTERN
from app.api.idempotency import digest
from app.api.message.extras import extras_of
from app.api.message.models import MessageIn, MessageOut
from app.api.trial.models import EventExampleIn
from app.db.application.model import ApplicationRow
from app.db.application.table import ApplicationsTable
from app.db.endpoint.model import EndpointRow
from app.db.endpoint.table import EndpointsTable
from app.db.event_type.table import EventTypesTable
from app.db.message.new import Extras
from app.db.message.publish import Publishing
from app.db.message.single import Canceled, SingleMessage, first_attempt, send_to_one
from app.db.session import Database, due_after_commit
from app.doorbell import Doorbell
from app.errors import BadRequest, Conflict, NotFound, Unavailable, ValidationFailed, Violation, existing
from app.payload_store.store import PayloadStore
from app.settings import Settings
from app.tokens import Principal

_SHORTEST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.25
# Beyond the time that an attempt may take: until a worker begins with it, and until it has recorded it.
_PATIENCE_SECONDS: Final = 5.0
_TAKEN: Final = "A message with that eventId already exists. Use another one; nothing was sent."
_CANCELED: Final = "Nothing was sent: the endpoint's transformation canceled it, or the endpoint was deleted meanwhile."
_KEY_REUSED: Final = "This idempotency key was used with another body. Use a new key; nothing was sent."


class ExampleService:
    """Sends the examples of event types, in the transaction of a request."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def send(self, caller: Principal, app: ApplicationRow, endpoint: str, body: EventExampleIn) -> MessageOut:
        """Send an example of an event type to an endpoint. BadRequest if the event type has none.

        NotFound, also for a portal whose feature flags hide the event type.
        """
        row = existing(await EndpointsTable(self._session).find(app.id, endpoint))
        flags = None if caller.application_id is None else caller.feature_flags
        event_type = existing(
            await EventTypesTable(self._session).find_visible(app.organization_id, body.event_type, flags)
        )
        payload = orjson.dumps(_example(event_type.schemas, body.example_index))
        message = SingleMessage(ids.new_id("msg"), event_type.name, payload)
        sent_at = existing(await send_to_one(self._session, app.organization_id, app.id, row.id, message))
        return MessageOut(id=message.id, event_type=event_type.name, payload=payload, timestamp=sent_at)


class TrialService:
    """Sends a message to one endpoint and waits for its attempt, with no transaction open while it waits."""

    def __init__(self, database: Database, doorbell: Doorbell, store: PayloadStore | None, settings: Settings) -> None:
        self._database = database
        self._doorbell = doorbell
        self._store = store
        self._longest_attempt = settings.worker_request_timeout

    async def attempt(
        self, caller: Principal, application: str, endpoint: str, body: MessageIn, idempotency_key: str | None
    ) -> MessageAttemptOut:
        """Send a message to an endpoint at once, whatever its `deliverAt`, and tell what came of its only attempt.

        Raises ValidationFailed, NotFound, Conflict, BadRequest if nothing is to be sent, and Unavailable if no worker
        has tried it in time.
        """
        if not (UID_PATTERN.fullmatch(application) and UID_PATTERN.fullmatch(endpoint)):
            raise NotFound
        async with self._database.transaction() as session:
            app = existing(await ApplicationsTable(session).find(caller.organization_id, application))
            row = existing(await EndpointsTable(session).find(app.id, endpoint))
            message = _message(app, row, body, idempotency_key)
            try:
                sent = await send_to_one(session, app.organization_id, app.id, row.id, message)
            except IntegrityError:
                raise Conflict(_TAKEN) from None
        self._doorbell.ring(due_after_commit(session))
        message_id = message.id if sent else await self._earlier(app, message)
        try:
            attempt_id = await self._wait(app, row, message_id)
        except Canceled:
            raise BadRequest(_CANCELED, code="canceled") from None
        async with self._database.transaction() as session:
            return await AttemptService(session, self._store).get(app, message_id, attempt_id)

    async def _earlier(self, app: ApplicationRow, message: SingleMessage) -> str:
        """The message that was sent under the same idempotency key."""
        key = message.key
        earlier = key and await Publishing(self._database.pool).replay_of(app.organization_id, key)
        if not earlier:
            raise NotFound
        if earlier.request_hash != message.request_hash:
            raise Conflict(_KEY_REUSED)
        return earlier.message_id

    async def _wait(self, app: ApplicationRow, endpoint: EndpointRow, message_id: str) -> str:
        """Until the attempt is recorded: its id."""
        loop, pause = asyncio.get_running_loop(), _SHORTEST_PAUSE
        patience = (endpoint.timeout_seconds or self._longest_attempt) + _PATIENCE_SECONDS
        until = loop.time() + patience
        while loop.time() < until:
            found = await first_attempt(self._database.pool, app.id, endpoint.id, message_id)
            if found is not None:
                return found
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise Unavailable(
            f"No worker has tried it within {patience:.0f} s: look whether one is running. {message_id} is stored and "
            "will be sent once; send the same idempotency key again to wait for it."
        )


def _message(app: ApplicationRow, endpoint: EndpointRow, body: MessageIn, idempotency_key: str | None) -> SingleMessage:
    key = request_hash = None
    if idempotency_key:
        key = digest(f"{app.id}\0{endpoint.id}\0test-attempt\0{idempotency_key}".encode())
        request_hash = digest(body.said + body.payload)
    extras = extras_of(body) or Extras()
    return SingleMessage(
        ids.new_id("msg"), body.event_type, body.payload, body.event_id, body.channels, extras, key, request_hash
    )


def _example(schemas: Mapping[str, object] | None, index: int) -> object:
    """An example of the newest version of an event type's JSON Schema: `examples` (2020-12 §9.5), or `example`."""
    if not schemas:
        raise BadRequest(
            "The event type has no schema, and so no example: add a schema with `examples`.", code="invalid_scheme"
        )
    schema = schemas[max(schemas, key=lambda version: (len(version), version))]
    schema = schema if isinstance(schema, dict) else {}
    examples = schema.get("examples")
    if isinstance(examples, Sequence) and not isinstance(examples, str) and examples:
        if index >= len(examples):
            text = f"The schema has {len(examples)} examples, and the first is 0."
            raise ValidationFailed(Violation(("body", "exampleIndex"), text))
        example: object = examples[index]
    else:
        example = schema.get("example")
    if not isinstance(example, dict):
        raise BadRequest(
            "The event type's schema has no example that is a JSON object: add one to its `examples`.",
            code="invalid_scheme",
        )
    return example
