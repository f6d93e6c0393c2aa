"""What becomes of a delivery whose endpoint has a transformation: another request, none, or a failure to tell of."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Final, NamedTuple, assert_never

import asyncpg

from app.api.endpoint import headers as header_rules
from app.db.group_commit import GroupCommit
from app.db.pending_delivery.queue import Claimed
from app.db.transformation.table import Described, any_is_enabled, described
from app.delivery.head import header_lines
from app.delivery.outcome import Blocked
from app.delivery.url import Target, target_of
from app.settings import Settings
from app.transformation.contract import Canceled, Draft, Failed, Limits, Transformed
from app.transformation.pool import TransformationPool, process_sandbox
from worker.patience import until_done
from worker.receivers import Receiver
from worker.substitute import How, Substitute

# Of one application.
_MOST_IN_LINE: Final = 64


class Ready(NamedTuple):
    """A request to be signed and sent, in place of the usual one, and how long it took to make it."""

    url: str
    target: Target
    headers: bytes
    body: bytes
    milliseconds: int


class Transformer:
    """Runs transformations for one worker process. Belongs to one event loop."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings) -> None:
        self._runs = TransformationPool(Limits.for_bodies_of(settings.max_body_bytes))
        # Read, not written, but just as well by one statement for all who ask at the same time.
        reading = partial(described, pool)
        self._described: GroupCommit[str, Described | None] = GroupCommit(
            lambda ids: until_done(f"what {len(ids)} transformations are given waits", partial(reading, ids))
        )

    async def transform(
        self, claimed: Claimed, payload: bytes, receiver: Receiver, target: Target, how: How | None
    ) -> Ready | Blocked | None:
        """What the endpoint's code makes of a delivery; None if it cancels it, or its message is gone.

        `how` the message is sent, if there is more to it than its payload. Busy if too many deliveries of the same
        application wait for their code: each takes a place of what this process may have in flight.
        """
        assert receiver.transformation is not None
        started = perf_counter()
        message = await self._described.put(claimed.message_id)
        if message is None:
            return None
        draft = Draft(receiver.url, payload, message.event_type, message.channels, how.params if how else None)
        # An application is one customer: its endpoints share what it may use of this process.
        result = await self._runs.run(claimed.application_id, receiver.transformation, draft, _MOST_IN_LINE)
        match result:
            case Canceled():
                return None
            case Failed(reason=reason):
                return _failed(reason, started)
            case Transformed():
                try:
                    ready = self._ready(result, payload, receiver, target, how)
                except ValueError as error:
                    return _failed(str(error), started)
                return ready._replace(milliseconds=_since(started))
            case _:
                assert_never(result)

    def _ready(self, result: Transformed, payload: bytes, receiver: Receiver, target: Target, how: How | None) -> Ready:
        """The request. ValueError for a URL or headers that may not be."""
        if result.url != receiver.url:
            # Whoever presents a certificate to the endpoint does so wherever its messages are sent.
            found = target_of(result.url, target.tls, https_only=receiver.https_for_code)
            if isinstance(found, str):
                raise ValueError(found)
            target = found
        if result.method != target.method:
            target = replace(target, method=result.method)
        header_rules.check_of_code(result.headers)
        how = how or Substitute()
        if result.body is None:
            body = how.body(payload)
        else:
            body, how = result.body, how.of_another_body()
        own = result.headers
        if receiver.bearer is not None:
            own = _without(own, "authorization")
        return Ready(result.url, target, _with(how.headers_with(receiver.headers), own), body, 0)


async def prepare(pool: asyncpg.Pool) -> None:
    """Have the process's sandbox made in a thread, if an endpoint will want it: the first delivery need not wait."""
    if await any_is_enabled(pool):
        # A daemon: a process that is to end does not wait for it.
        threading.Thread(target=process_sandbox, name="making the sandbox", daemon=True).start()


def _failed(reason: str, started: float) -> Blocked:
    return Blocked("transformation", f"The endpoint's transformation failed: {reason}", _since(started))


def _since(started: float) -> int:
    return round((perf_counter() - started) * 1000)


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in headers.items() if other.lower() != name}


def _with(lines: bytes, headers: Mapping[str, str]) -> bytes:
    """Encoded headers, with others in place of those of the same name."""
    if not headers:
        return lines
    names = {name.lower().encode() for name in headers}
    kept = [line for line in lines.split(b"\r\n") if line and line.partition(b":")[0].lower() not in names]
    return b"".join(line + b"\r\n" for line in kept) + header_lines(headers)
