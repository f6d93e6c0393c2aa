"""Messages that bring their application: it is created with the first of them, or neither is."""

from typing import Final

from app import ids
from app.api.application.models import ApplicationIn
from app.api.application.service import ApplicationService, require_uid
from app.api.message.models import MessageIn, MessageOut
from app.api.message.service import MessageService, NothingStored
from app.db.audit.entry import write_entry
from app.db.audit.model import Actor
from app.db.audit.trail import record
from app.db.message.new import NewMessage, Publication, Stored
from app.db.message.publish import store
from app.db.session import Database, driver_connection
from app.errors import NotFound
from app.tokens import Principal

# Each time somebody may have created the application, or deleted it, at this moment.
_MOST_TRIES: Final = 5
_OPERATION: Final = "v1.message.create"


class _Exists(NothingStored):
    """Somebody else has created the application."""


class Introductions:
    """Publishes for applications that may not exist yet."""

    def __init__(self, database: Database, messages: MessageService) -> None:
        self._database = database
        self._messages = messages

    async def publish(
        self,
        actor: Actor,
        caller: Principal,
        application: str,
        body: MessageIn,
        idempotency_key: str | None,
        with_content: bool,
    ) -> MessageOut:
        """As MessageService does; and create the application that the body holds, if there is none of that name.

        Raises ValidationFailed, too, if that has another uid than the path.
        """
        for _ in range(_MOST_TRIES):
            try:
                return await self._messages.publish(caller, application, body, idempotency_key, with_content)
            except NotFound:
                if body.application is None or caller.application_id is not None:
                    raise
            require_uid(body.application, application)
            new, application_id = body.application, ids.new_id("app")

            async def write(message: NewMessage, new: ApplicationIn = new) -> Publication:
                return await self._create(actor, new, message)

            try:
                return await self._messages.publish_first(
                    caller, application_id, body, idempotency_key, with_content, write
                )
            except _Exists:
                continue
        raise NotFound

    async def _create(self, actor: Actor, new: ApplicationIn, message: NewMessage) -> Publication:
        """Store the application and its message. It has no endpoints yet, so that nobody need be rung for."""
        async with self._database.transaction() as session:
            trail = record(session)
            applications = ApplicationService(session)
            _, created = await applications.create(
                message.organization_id, new, get_if_exists=True, application_id=message.application_id
            )
            if not created:
                raise _Exists
            (result,), _ = await store(await driver_connection(session), [message])
            assert isinstance(result, Stored)  # Nothing of a new application is taken.
            await write_entry(session, actor, _OPERATION, trail)
        return result
