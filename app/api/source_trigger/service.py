"""The rules of triggers: what arrives is a sample, and all else is as if the provider had sent it."""

from functools import partial
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.inbound.service import InboundService, NotVerified, Taken
from app.api.inbound.sources import OpenSource
from app.api.source_trigger.models import IngestSourceTriggerIn, IngestSourceTriggerOut, TriggerRefusal
from app.db.message.table import MessagesTable
from app.db.source.model import CRON
from app.db.source.table import SourcesTable, SourceTokensTable
from app.errors import BadRequest, MethodNotServed, NotFound, ValidationFailed, Violation, existing
from app.receiving.contract import CannotSign, Event, Request
from app.receiving.naming import event_type_of
from app.receiving.registry import all_providers
from app.receiving.samples import Sample, names_of, sample
from app.receiving.trigger import signed_anew
from app.sealing import Sealer

_REFUSALS: Final = (NotVerified, BadRequest, MethodNotServed, NotFound)
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"


class SourceTriggerService:
    """Makes samples arrive at sources. `base_url` is where providers reach this server."""

    def __init__(self, session: AsyncSession, sealer: Sealer, inbound: InboundService, base_url: str) -> None:
        self._session = session
        self._sealer = sealer
        self._inbound = inbound
        self._base_url = base_url

    async def trigger(
        self, organization_id: str, reference: str, body: IngestSourceTriggerIn
    ) -> IngestSourceTriggerOut:
        """Send a sample to the source with that id or uid, and say what became of it, also if it was refused.

        BadRequest for CRON; ValidationFailed for an event of which there is no sample, and for what cannot be signed.
        What arrives is stored in a transaction of its own, whatever becomes of the session's.
        """
        row = existing(await SourcesTable(self._session).find(organization_id, reference))
        if row.provider == CRON:
            raise BadRequest("A source of type cron has no URL: nothing is posted to it.")
        event = _event(row.provider, body)
        token = existing((await SourceTokensTable(self._session, self._sealer).current([row])).get(row.id))
        # Only what nobody can sign here is verified with what must be fetched: the session waits for no network.
        make = partial(_make, event=event, url=f"{self._base_url}/in/{token}", is_own=body.payload is not None)
        try:
            taken = await self._inbound.trigger(token, make)
        except CannotSign as reason:
            text = f"A sample cannot be signed here: {str(reason).rstrip('.')}."
            raise ValidationFailed(Violation(("body",), text)) from None
        except _REFUSALS as refusal:
            told = TriggerRefusal(code=refusal.error_code, detail=refusal.detail)
            return IngestSourceTriggerOut(status=refusal.status, refusal=told)
        out = _out(taken)
        if out.event_type is not None and body.payload is not None and body.event_type is not None:
            out.note = _note(row.provider, body.event_type, out.event_type)
        if taken.message is not None and out.duplicate and out.event_id is not None:
            stored = await MessagesTable(self._session).find(taken.message.application_id, out.event_id)
            out.event_type = stored.event_type if stored else out.event_type
        return out


def _event(provider: str, body: IngestSourceTriggerIn) -> Sample:
    names = names_of(provider)
    name = body.event_type or next(iter(names), "")
    if body.payload is not None:
        if isinstance(body.payload, str):
            content_type = sample(provider, name).content_type if name in names else _TEXT
            return Sample(name, body.payload.encode(), content_type)
        return Sample(name, orjson.dumps(body.payload), _JSON)
    if name not in names:
        there = f"name one of {', '.join(names)}" if names else f"there are none of {provider}"
        text = f"There is no sample of this event: {there}; or give a payload."
        raise ValidationFailed(Violation(("body", "eventType"), text))
    return sample(provider, name)


def _note(provider: str, wanted: str, event_type: str) -> str | None:
    """That another event came of a payload than was named, in either way of naming it."""
    expected = event_type_of(all_providers()[provider], Event(wanted))
    if event_type in {wanted, expected}:
        return None
    return f"The payload says what the event is: {event_type}, and not {expected}."


def _make(source: OpenSource, *, event: Sample, url: str, is_own: bool) -> Request:
    return signed_anew(source.provider, event, source.config, clock.unix(), url, keeps_body=is_own)


def _out(taken: Taken) -> IngestSourceTriggerOut:
    out = IngestSourceTriggerOut(status=taken.answer.status)
    if taken.message is not None:
        out.message_id = taken.message.id if taken.is_new else None
        out.event_type, out.event_id = taken.message.event_type, taken.message.event_id
        out.duplicate = not taken.is_new
    return out
