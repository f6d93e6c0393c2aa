"""Hop 2 of what arrives: verified by its provider's rule, it becomes a message; what is not is refused, and kept."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, ParamSpec, TypeVar, assert_never

import asyncpg
import msgspec

from app import clock, ids
from app.api.inbound.event_types import ArrivedEventTypes
from app.api.inbound.fetching import Fetcher
from app.api.inbound.rejections import Rejections
from app.api.inbound.sources import UNKNOWN, OpenSource, Sources, client_address
from app.api.message.service import MessageService
from app.db.message.new import Arrival, NewMessage, Publication, Refusal, Stored
from app.db.source.lookup import learn
from app.db.source.model import parse_sealed, seal
from app.errors import BadRequest, InsufficientAccess, MethodNotServed, NotFound, PostriderError, Unavailable
from app.receiving.contract import SECRET_FIELD, Answer, Event, Moment, Rejected, Request, Wanted
from app.receiving.naming import event_id_of, event_type_of
from app.receiving.record import pack, payload_of, received_of
from app.receiving.registry import judge
from app.sealing import Sealer

_UNSEEN: Final = "What the signature is verified with could not be fetched. Nothing was stored; send it again."
_CHANGED: Final = "The source was changed meanwhile. Nothing was stored; send it again."
# Longer bodies are read in a thread: a rule, or JSON, may take a tenth of a second for a megabyte.
_LONGEST_AT_ONCE: Final = 65_536
# A certificate, and the address that a subscription is confirmed at.
_MOST_FETCHED: Final = 3
# Of what a handshake tells.
_LONGEST_LEARNED: Final = 4096
_FETCH_RETRY_AFTER: Final = 30


ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


class NotVerified(PostriderError):
    """The request is not the provider's, as far as its source can tell."""

    status, code, text = 401, "not_verified", "The request could not be verified."


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request that was not refused.

    `message`: what came of an event, None for a handshake; unless `is_new`, it came before, and was not stored again.
    """

    answer: Answer
    message: NewMessage | None = None
    is_new: bool = True


class InboundService:
    """Receives for all sources. One for each process."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        sealer: Sealer,
        sources: Sources,
        messages: MessageService,
        fetcher: Fetcher,
        event_types: ArrivedEventTypes,
    ) -> None:
        self._pool = pool
        self._sealer = sealer
        self._sources = sources
        self._messages = messages
        self._fetcher = fetcher
        self._event_types = event_types
        self._rejections = Rejections(pool)

    async def receive(self, token: str, request: Request, address: str | None) -> Answer:
        """Take a request in: what is answered once it is committed.

        Raises NotFound, MethodNotServed, InsufficientAccess, NotVerified and BadRequest if it is refused, Unavailable,
        and what a lost connection raises: then nothing was stored.
        """
        source = await self._open(token)
        if request.method not in source.methods:
            raise MethodNotServed(source.methods)
        if not source.admits(address):
            reason = _elsewhere(address)
            await self._rejections.keep(source, request, 403, reason)
            raise InsufficientAccess(reason, code="address_not_allowed")
        return (await self._take(token, source, request)).answer

    async def trigger(self, token: str, make: Callable[[OpenSource], Request]) -> Taken:
        """Take in a request that the source's own organization has made here, as if it had arrived.

        It comes from no address, so that none is asked for. Raises what `make` and `receive` raise.
        """
        source = await self._open(token)
        request = make(source)
        if request.method not in source.methods:
            raise MethodNotServed(source.methods)
        return await self._take(token, source, request)

    async def _open(self, token: str) -> OpenSource:
        source = await self._sources.find(token)
        if source is None or source.is_over():
            raise NotFound(UNKNOWN)
        return source

    async def _take(self, token: str, source: OpenSource, request: Request) -> Taken:
        asked_at = monotonic()
        verdict = await self._judge(source, request)
        if isinstance(verdict, Rejected) and source.found_at < asked_at:
            # Its secret may have been changed, or told, in another process a moment ago.
            source = await self._sources.renew(token, asked_at)
            verdict = await self._judge(source, request)
        match verdict:
            case Event():
                message = await _in_turn(request, new_message, source, request, verdict)
                result = await self._messages.put(message)
                answer = answer_to(verdict.answer or source.provider.accepted, result)
                self._event_types.note(source, message.event_type)
                return Taken(answer, message, is_new=isinstance(result, Stored))
            case Answer():
                await self._learn(token, source, verdict)
                return Taken(verdict)
            case Rejected(status=status, reason=reason):
                await self._rejections.keep(source, request, status, reason)
                raise NotVerified(reason) if status == NotVerified.status else BadRequest(reason, code="malformed")
            case _:
                assert_never(verdict)

    async def _judge(self, source: OpenSource, request: Request) -> Event | Answer | Rejected:
        fetched: dict[str, bytes] = {}
        for _ in range(_MOST_FETCHED):
            moment = Moment(clock.unix(), fetched)
            verdict = await _in_turn(request, judge, source.provider, request, source.config, moment)
            if not isinstance(verdict, Wanted):
                return verdict
            found = await self._fetcher.get(source.id, verdict.url, verdict.seconds, verdict.post)
            if found is None:
                # The provider will send it again, and then it may be there.
                raise Unavailable(_UNSEEN, retry_after=_FETCH_RETRY_AFTER)
            fetched[verdict.url] = found
        raise AssertionError(f"{source.provider.name} wants more than {_MOST_FETCHED} documents")

    async def _learn(self, token: str, source: OpenSource, answer: Answer) -> None:
        """Keep what a handshake told, before it is answered. Unavailable if the source is not any more as it was."""
        if not answer.learned:
            return
        if not all(value.isprintable() and len(value) <= _LONGEST_LEARNED for value in answer.learned.values()):
            raise BadRequest("What the handshake tells is no secret that can be kept.", code="malformed")
        before = source.found.sealed
        known = parse_sealed(None if before is None else self._sealer.open(before, source.id))
        secret_names = {field.name for field in source.provider.fields if field.secret}
        told = dict(answer.learned)
        secrets = known.secrets
        if (secret := told.pop(SECRET_FIELD, None)) is not None:
            secrets = tuple(dict.fromkeys((secret, *secrets)))
        others = {**known.others, **{name: value for name, value in told.items() if name in secret_names}}
        options = {name: value for name, value in told.items() if name not in secret_names}
        sealed = seal(self._sealer, source.id, msgspec.structs.replace(known, secrets=secrets, others=others))
        kept = await learn(self._pool, source.id, sealed, options, before)
        self._sources.forget(token)
        if not kept:
            raise Unavailable(_CHANGED)


def _elsewhere(address: str | None) -> str:
    """Why nothing is taken from an address, which is named as it would be allowed."""
    try:
        text = str(client_address(address))
    except ValueError:
        return "This source takes requests from its allowedIps only, and where this one comes from is not known."
    return f"This source takes no requests from {text}: add it to the source's allowedIps."


def new_message(source: OpenSource, request: Request, event: Event) -> NewMessage:
    """The message that comes of an event."""
    payload = payload_of(request)
    found = source.found
    body = None if payload is request.body else request.body
    received = pack(received_of(request, source.provider, source.config, body, found.forwards_original))
    return NewMessage(
        ids.new_id("msg"),
        found.organization_id,
        found.application_id,
        None,
        event_type_of(source.provider, event),
        event_id_of(found.id, event.delivery_id) if event.delivery_id else None,
        None,
        payload,
        None,
        None,
        arrival=Arrival(found.id, received, found.paused),
    )


async def _in_turn(
    request: Request, function: Callable[ParametersT, ResultT], *args: ParametersT.args, **options: ParametersT.kwargs
) -> ResultT:
    """Call a function of a request; of a long one in a thread, so that others are served meanwhile."""
    if len(request.body) <= _LONGEST_AT_ONCE:
        return function(*args, **options)
    return await asyncio.to_thread(function, *args, **options)


def answer_to(accepted: Answer, result: Publication) -> Answer:
    """What is answered once the database has spoken. NotFound if the source's application is gone."""
    match result:
        case Stored() | Refusal.TAKEN:
            # It came before: the provider did not hear our answer, or sends it again for safety's sake.
            return accepted
        case Refusal.NO_APPLICATION:
            raise NotFound("The source's application is deleted: set another applicationId.")
        case _:
            assert_never(result)
