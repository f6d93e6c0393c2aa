"""Handlers of the background tasks that make deliveries of an endpoint again, or call them off."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg
from pydantic import BaseModel

from app.db.background_task.bites import Progress, Task, TaskFailed, WantsPayloads
from app.db.pending_delivery import replay
from app.db.pending_delivery.cancel import CancelArguments, Canceled, LinePlace, Place, cancel_by_time, cancel_in_lines
from app.db.pending_delivery.replay import Candidate, ReplayArguments, Replaying, Stretch, Target, Walk

# Rows that a bite looks at.
_BITE: Final = 1000
_CANCEL_BITE: Final = 5000
_BEGINNING_OF_TIME: Final = Place(datetime.min.replace(tzinfo=UTC), "")
# A recording has ended by then.
_RECORDING_SECONDS: Final = 0.1
# A replay has so many deliveries wait for its endpoint, and not more: what is published meanwhile waits behind them.
# Twice as many each time that they were taken at once, half as many when that takes longer.
LEAST_WAITING: Final = 100
MOST_WAITING: Final = 2000
# Seconds until a replay looks again whether the endpoint has taken some; twice as long each time that it has not.
_SHORTEST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 10.0
_MOST_WAITS: Final = 7
_SOON: Final = 2
# Of payloads that are in the payload store and must be looked into.
_MOST_STORED: Final = 100
_MOST_STORED_BYTES: Final = 2**24
_BY_ENDPOINT: Final = "endpoint"


class _Cursor(BaseModel):
    after: str
    # How many deliveries may wait, and how often in a row they did, so that no more were added.
    window: int = LEAST_WAITING
    waits: int = 0


class _CancelCursor(BaseModel):
    """A walk goes through the lines, then by time."""

    place: LinePlace | Place = LinePlace(-(2**63), -(2**63))
    # In this walk.
    canceled: int = 0
    passed_over: int = 0


async def recover(connection: asyncpg.Connection, task: Task) -> Progress | WantsPayloads:
    """What failed."""
    return await _replay(connection, task, "recover")


async def replay_missing(connection: asyncpg.Connection, task: Task) -> Progress | WantsPayloads:
    """What the endpoint would want today, and was never tried there."""
    return await _replay(connection, task, "replay-missing")


async def bulk_replay(connection: asyncpg.Connection, task: Task) -> Progress | WantsPayloads:
    """What was tried, whatever came of it; or what is in a state."""
    return await _replay(connection, task, "bulk-replay")


async def cancel(connection: asyncpg.Connection, task: Task) -> Progress:
    """What is pending of messages that are older."""
    assert task.application_id is not None
    arguments = CancelArguments.model_validate(task.arguments)
    cursor = _CancelCursor.model_validate(task.cursor or {})
    what = (connection, task.application_id, arguments.endpoint_id, arguments.before)
    reached: LinePlace | Place | None
    canceled: Canceled[LinePlace] | Canceled[Place]
    if isinstance(cursor.place, LinePlace):
        canceled = await cancel_in_lines(*what, cursor.place, _CANCEL_BITE)
        reached = canceled.reached or _BEGINNING_OF_TIME
    else:
        canceled = await cancel_by_time(*what, cursor.place, _CANCEL_BITE)
        reached = canceled.reached
    data = {"messagesCanceled": _number(task.data, "messagesCanceled") + canceled.count}
    cursor.canceled += canceled.count
    cursor.passed_over += canceled.passed_over
    if reached is not None:
        cursor.place = reached
        return Progress(cursor.model_dump(mode="json"), data)
    # What moved meanwhile, because it is retried or its turn has come, is found by another walk; and so is what
    # somebody was recording.
    if cursor.passed_over:
        return Progress({}, data, wait=_RECORDING_SECONDS)
    return Progress({} if cursor.canceled else None, data)


async def _replay(connection: asyncpg.Connection, task: Task, walk: Walk) -> Progress | WantsPayloads:
    """One bite: the next messages of a walk, as many as the endpoint can take now."""
    arguments, replaying = ReplayArguments.model_validate(task.arguments), Replaying(connection)
    cursor = _Cursor.model_validate(task.cursor or {"after": arguments.after})
    target = await _target(replaying, task, arguments)
    data: dict[str, object] = dict(task.data) or _beginning(arguments)
    waiting = await replaying.waiting(target, cursor.window)
    if 2 * waiting > cursor.window:
        return _paused(cursor, data)
    window = cursor.window
    if task.cursor is not None and not waiting and cursor.waits <= _SOON:
        window = min(2 * window, MOST_WAITING)
    limit = min(window - waiting, _BITE)
    statement, about = replay.statement_of(walk, arguments), replay.about_of(walk, arguments)
    walked = await replaying.walk(statement, target, Stretch(cursor.after, arguments.before, limit), about)
    found = _readable(target, walked)
    sendable = [each for each in found if each.wanted and each.has_payload]
    if unread := _unread(target, sendable, task.payloads):
        return unread
    sent = await replaying.queue(
        target,
        [each.message_id for each in sendable],
        task.payloads,
        only_missing=walk == "replay-missing",
    )
    expired = sum(each.wanted and not each.has_payload for each in found)
    data["messagesSent"] = _number(data, "messagesSent") + sent
    data["messagesExpired"] = _number(data, "messagesExpired") + expired
    due = {target.shard} if sent else ()
    if len(found) < limit and len(found) == len(walked):
        return Progress(None, data, due)
    return Progress(_Cursor(after=found[-1].message_id, window=window).model_dump(), data, due)


def _paused(cursor: _Cursor, data: Mapping[str, object]) -> Progress:
    """The endpoint has enough to do."""
    wait = min(_SHORTEST_WAIT * 2**cursor.waits, _LONGEST_WAIT)
    cursor.waits = min(cursor.waits + 1, _MOST_WAITS)
    if cursor.waits > _SOON:
        cursor.window = max(cursor.window // 2, LEAST_WAITING)
    return Progress(cursor.model_dump(), data, wait=wait)


def _needs_payloads(target: Target) -> bool:
    """Whether a payload says in which of the endpoint's lines its message is."""
    return target.ordered_by not in {None, _BY_ENDPOINT}


def _readable(target: Target, walked: Sequence[Candidate]) -> Sequence[Candidate]:
    """As many of them, from the beginning, as one bite may read from the payload store; one at least."""
    if not _needs_payloads(target):
        return walked
    count = size = 0
    for place, each in enumerate(walked):
        if each.wanted and each.stored is not None:
            count, size = count + 1, size + each.stored.size
            if place and (count > _MOST_STORED or size > _MOST_STORED_BYTES):
                return walked[:place]
    return walked


async def _target(replaying: Replaying, task: Task, arguments: ReplayArguments) -> Target:
    """The task's endpoint. TaskFailed if nothing can be sent there any more."""
    assert task.application_id is not None
    target = await replaying.target(task.application_id, arguments.endpoint_id)
    if target is None or target.deleted:
        raise TaskFailed("The endpoint was deleted meanwhile.")
    if target.disabled:
        raise TaskFailed("The endpoint was disabled meanwhile: enable it, then start the task again.")
    return target


def _unread(target: Target, sendable: Sequence[Candidate], known: Mapping[str, bytes]) -> WantsPayloads | None:
    """The payloads that say which line each message is in, and are in the payload store; None if there are none."""
    if not _needs_payloads(target):
        return None
    stored = [each.stored for each in sendable if each.stored is not None and each.message_id not in known]
    return WantsPayloads(stored) if stored else None


def _beginning(arguments: ReplayArguments) -> dict[str, object]:
    return {
        "endpId": arguments.endpoint_id,
        "since": _text(arguments.since),
        "until": _text(arguments.until),
        "messagesSent": 0,
        "messagesExpired": 0,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _number(data: Mapping[str, object], name: str) -> int:
    value = data.get(name, 0)
    assert isinstance(value, int)
    return value
