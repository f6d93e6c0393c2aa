"""The rules of explanations, as a table: facts in, codes out. That they are true is tested with the real dispatcher."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.explanation.explain import explain
from app.delivery.explanation.facts import (
    Change,
    Code,
    Delivery,
    Ended,
    Endpoint,
    LastAttempt,
    Message,
    Waiting,
    Wants,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PUBLISHED = NOW - timedelta(hours=1)
LONG_AGO = NOW - timedelta(days=30)
MESSAGE = Message("invoice.paid", ["eu", "us"], PUBLISHED, made=1, found=1, retries=8)
ENDPOINT = Endpoint(Wants(), LONG_AGO, LONG_AGO)
OFF = Wants(disabled=True)


def at(minutes: float) -> datetime:
    """So many minutes after the message was published."""
    return PUBLISHED + timedelta(minutes=minutes)


def changed(setting: str, before: object, minutes: float = 10) -> Change:
    return Change(at(minutes), setting, before)  # type: ignore[arg-type]


def codes(message: Message, endpoint: Endpoint) -> list[Code]:
    """Why nothing was made of it there."""
    return [reason.code for reason in explain(message, endpoint, Delivery(), NOW).reasons]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (replace(ENDPOINT, wants=OFF), [Code.DISABLED]),
        (replace(ENDPOINT, wants=Wants(event_types=["invoice.sent"])), [Code.EVENT_TYPE]),
        (replace(ENDPOINT, wants=Wants(channels=["asia"])), [Code.CHANNEL]),
        (
            replace(ENDPOINT, wants=Wants(True, ["invoice.sent"], ["asia"])),
            [Code.DISABLED, Code.EVENT_TYPE, Code.CHANNEL],
        ),
        # Created later; that it would not get it today either is said, too.
        (replace(ENDPOINT, created_at=at(1), updated_at=at(1)), [Code.CREATED_LATER]),
        (replace(ENDPOINT, created_at=at(1), updated_at=at(1), wants=OFF), [Code.CREATED_LATER, Code.DISABLED]),
        # It is enabled now, and was disabled then: what was before the oldest of the changes counts.
        (
            replace(ENDPOINT, updated_at=at(20), changes=[changed("disabled", True), changed("disabled", False, 20)]),
            [Code.DISABLED],
        ),
        # It is disabled now, and was not then: its event types were in the way.
        (
            replace(
                ENDPOINT,
                wants=OFF,
                updated_at=at(20),
                changes=[changed("event_types", ["invoice.sent"]), changed("disabled", False, 20)],
            ),
            [Code.EVENT_TYPE],
        ),
        # What was changed before it was published was so already.
        (
            replace(ENDPOINT, wants=OFF, updated_at=at(-1), changes=[changed("disabled", False, -1)]),
            [Code.DISABLED],
        ),
        # What is not kept is not made up.
        (replace(ENDPOINT, updated_at=at(1), changes_known=False), [Code.CHANGED_SINCE]),
        (
            replace(ENDPOINT, wants=OFF, updated_at=at(1), changes_known=False),
            [Code.CHANGED_SINCE, Code.DISABLED],
        ),
        (
            replace(ENDPOINT, updated_at=at(10), changes=[changed("event_types", "(5000 bytes)")]),
            [Code.CHANGED_SINCE],
        ),
        # It would have got it.
        (ENDPOINT, [Code.SENT_TO_ONE]),
        (replace(ENDPOINT, created_at=PUBLISHED - timedelta(milliseconds=3)), [Code.CHANGED_SINCE]),
    ],
)
def test_what_was_not_made_is_explained_by_how_the_endpoint_was_then(
    endpoint: Endpoint, expected: Sequence[Code]
) -> None:
    explanation = explain(MESSAGE, endpoint, Delivery(), NOW)
    assert (explanation.state, explanation.next_attempt_at, explanation.attempts_left) == (None, None, 0)
    assert [reason.code for reason in explanation.reasons] == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (replace(MESSAGE, is_held=True, made=0, found=0), Code.SOURCE_PAUSED),
        (replace(MESSAGE, made=3, found=2), Code.HISTORY_GONE),
        (replace(MESSAGE, made=None), Code.UNKNOWN),
        (replace(MESSAGE, made=0, found=0), Code.UNKNOWN),
    ],
)
def test_where_the_endpoint_would_have_got_it_the_message_says_why_not(message: Message, expected: Code) -> None:
    assert codes(message, ENDPOINT) == [expected]


def test_what_may_have_been_held_at_its_source_is_not_said_to_be_for_another() -> None:
    """When it went on from there, the endpoint may have been another than when it arrived."""
    received = replace(MESSAGE, is_received=True)
    enabled_again = replace(
        ENDPOINT, updated_at=at(20), changes=[changed("disabled", False), changed("disabled", True)]
    )
    assert codes(received, enabled_again) == [Code.CHANGED_SINCE]
    assert codes(received, ENDPOINT) == [Code.UNKNOWN]


def test_a_message_without_channels_is_not_for_endpoints_of_certain_channels() -> None:
    endpoint = replace(ENDPOINT, wants=Wants(channels=["eu"]))
    assert codes(replace(MESSAGE, channels=None), endpoint) == [Code.CHANNEL]


DUE = Waiting(NOW, 0)
LATER = Waiting(NOW + timedelta(minutes=5), 2)
RATED = replace(ENDPOINT, rate_limit=5, throttled_since=at(50))


@pytest.mark.parametrize(
    ("message", "endpoint", "waiting", "expected", "left"),
    [
        (MESSAGE, ENDPOINT, DUE, [Code.DUE], 9),
        (MESSAGE, ENDPOINT, LATER, [Code.RETRY], 7),
        (MESSAGE, ENDPOINT, Waiting(NOW + timedelta(minutes=5), 0), [Code.PUT_OFF], 9),
        (replace(MESSAGE, deliver_at=at(90)), ENDPOINT, Waiting(at(90), 0), [Code.SCHEDULED], 9),
        # A retry of what was published to be sent later is a retry.
        (replace(MESSAGE, deliver_at=at(30)), ENDPOINT, LATER, [Code.RETRY], 7),
        # Replayed: once.
        (MESSAGE, ENDPOINT, Waiting(NOW, -1), [Code.DUE], 1),
        # The schedule has become shorter since.
        (replace(MESSAGE, retries=1), ENDPOINT, Waiting(NOW, 5), [Code.DUE], 1),
        (MESSAGE, ENDPOINT, Waiting(None, 0, ahead=2), [Code.IN_LINE], 9),
        (MESSAGE, ENDPOINT, Waiting(NOW, 0, ahead=2), [Code.IN_LINE], 9),
        (MESSAGE, ENDPOINT, Waiting(None, 0, ahead=0), [Code.NOT_QUEUED], 9),
        # Never sent, whatever it waits for.
        (MESSAGE, replace(ENDPOINT, wants=OFF), LATER, [Code.DISABLED], 0),
        (MESSAGE, replace(ENDPOINT, wants=OFF), Waiting(None, 0, ahead=2), [Code.DISABLED], 0),
        (MESSAGE, replace(ENDPOINT, wants=OFF), Waiting(NOW, 0, is_asked=True), [Code.DUE], 9),
        (MESSAGE, replace(ENDPOINT, deleted_at=at(5)), Waiting(NOW, 0, is_asked=True), [Code.DELETED], 0),
        (replace(MESSAGE, has_payload=False), ENDPOINT, DUE, [Code.PAYLOAD_GONE], 0),
        # Held back; by the breaker not what was resent.
        (MESSAGE, replace(ENDPOINT, paused_until=NOW + timedelta(seconds=9)), DUE, [Code.PAUSED], 9),
        (MESSAGE, replace(ENDPOINT, paused_until=NOW), DUE, [Code.DUE], 9),
        (MESSAGE, replace(ENDPOINT, opened_at=at(50)), DUE, [Code.BREAKER_OPEN], 9),
        (MESSAGE, replace(ENDPOINT, opened_at=at(50)), LATER, [Code.RETRY, Code.BREAKER_OPEN], 7),
        (MESSAGE, replace(ENDPOINT, opened_at=at(50)), Waiting(NOW, 2, is_asked=True), [Code.DUE], 7),
        (MESSAGE, replace(ENDPOINT, paused_until=NOW + timedelta(minutes=1)), LATER, [Code.RETRY], 7),
        (MESSAGE, RATED, DUE, [Code.THROTTLED], 9),
        (MESSAGE, replace(RATED, rate_limit=None, application_rate=7), DUE, [Code.THROTTLED], 9),
        # Said of a rate that is no more.
        (MESSAGE, replace(RATED, rate_limit=None), DUE, [Code.DUE], 9),
        (MESSAGE, RATED, LATER, [Code.RETRY], 7),
        (MESSAGE, replace(ENDPOINT, is_served=False), DUE, [Code.DUE], 9),
        (MESSAGE, replace(ENDPOINT, is_served=False), Waiting(at(50), 0), [Code.NO_WORKER], 9),
        (MESSAGE, ENDPOINT, Waiting(at(50), 0), [Code.DUE], 9),
    ],
)
def test_what_waits_says_for_what_and_how_often_it_is_tried_yet(
    message: Message, endpoint: Endpoint, waiting: Waiting, expected: Sequence[Code], left: int
) -> None:
    explanation = explain(message, endpoint, Delivery(waiting, Ended("failed", at(3), 2)), NOW)
    assert explanation.state == "due"
    assert [reason.code for reason in explanation.reasons] == expected
    assert explanation.attempts_left == left
    is_known = left > 0 and not {Code.IN_LINE, Code.NOT_QUEUED} & set(expected)
    assert explanation.next_attempt_at == (waiting.next_attempt_at if is_known else None)


CANCELED = Ended("canceled", at(10), 0)


@pytest.mark.parametrize(
    ("message", "endpoint", "delivery", "expected"),
    [
        (MESSAGE, ENDPOINT, Delivery(None, Ended("delivered", at(1), 1)), [Code.DELIVERED]),
        (MESSAGE, ENDPOINT, Delivery(None, Ended("failed", at(1), 9), LastAttempt(500)), [Code.EXHAUSTED]),
        (MESSAGE, ENDPOINT, Delivery(None, Ended("failed", at(1), 1), LastAttempt(410)), [Code.GONE]),
        (MESSAGE, ENDPOINT, Delivery(None, Ended("failed", at(1), 1), LastAttempt(0)), [Code.GIVEN_UP]),
        (MESSAGE, ENDPOINT, Delivery(None, Ended("failed", at(1), 10), LastAttempt(500, True)), [Code.ONE_ATTEMPT]),
        (MESSAGE, ENDPOINT, Delivery(None, Ended("due", at(1), 1)), [Code.NOT_QUEUED]),
        (MESSAGE, ENDPOINT, Delivery(None, replace(CANCELED, is_called_off=True)), [Code.CALLED_OFF]),
        (MESSAGE, replace(ENDPOINT, deleted_at=at(9)), Delivery(None, CANCELED), [Code.DELETED]),
        # Deleted after it was canceled for something else.
        (MESSAGE, replace(ENDPOINT, deleted_at=at(11)), Delivery(None, CANCELED), [Code.CANCELED]),
        (MESSAGE, replace(ENDPOINT, wants=OFF, updated_at=at(9)), Delivery(None, CANCELED), [Code.DISABLED]),
        # Enabled again since; and disabled only since.
        (
            MESSAGE,
            replace(
                ENDPOINT, updated_at=at(11), changes=[changed("disabled", False, 9), changed("disabled", True, 11)]
            ),
            Delivery(None, CANCELED),
            [Code.DISABLED],
        ),
        (
            MESSAGE,
            replace(ENDPOINT, wants=OFF, updated_at=at(11), changes=[changed("disabled", False, 11)]),
            Delivery(None, CANCELED),
            [Code.CANCELED],
        ),
        (MESSAGE, replace(ENDPOINT, has_transformation=True), Delivery(None, CANCELED), [Code.TRANSFORMATION]),
        (replace(MESSAGE, has_payload=False), ENDPOINT, Delivery(None, CANCELED), [Code.PAYLOAD_GONE]),
        (
            replace(MESSAGE, has_payload=False),
            replace(ENDPOINT, has_transformation=True),
            Delivery(None, CANCELED),
            [Code.PAYLOAD_GONE, Code.TRANSFORMATION],
        ),
    ],
)
def test_what_ended_says_how(
    message: Message, endpoint: Endpoint, delivery: Delivery, expected: Sequence[Code]
) -> None:
    assert delivery.ended is not None
    explanation = explain(message, endpoint, delivery, NOW)
    assert (explanation.state, explanation.attempts_left) == (delivery.ended.state, 0)
    assert [reason.code for reason in explanation.reasons] == expected


NAMES = st.sampled_from(["a", "b", "c"])
LISTS = st.none() | st.lists(NAMES, max_size=3)
WANTS = st.builds(Wants, st.booleans(), LISTS, LISTS)


@settings(max_examples=200)
@given(st.lists(WANTS, min_size=1, max_size=5), st.integers(0, 4), NAMES, LISTS)
def test_how_an_endpoint_was_is_told_from_how_it_is_and_what_was_changed(
    lives: Sequence[Wants], place: int, event_type: str, channels: Sequence[str] | None
) -> None:
    """It had each of these settings for a minute; the message was published within one of those."""
    place = min(place, len(lives) - 1)
    changes = [
        changed(setting, getattr(before, setting), minute)
        for minute, (before, after) in enumerate(pairwise(lives), 1)
        for setting in ("disabled", "event_types", "channels")
        if getattr(before, setting) != getattr(after, setting)
    ]
    endpoint = replace(ENDPOINT, wants=lives[-1], updated_at=at(len(lives)), changes=changes)
    message = replace(MESSAGE, event_type=event_type, channels=channels, published_at=at(place + 0.5), found=0, made=0)
    assert endpoint.wanted(message.published_at) == lives[place]
    refused = lives[place].refuses(event_type, channels)
    assert codes(message, endpoint)[: max(len(refused), 1)] == (refused or [Code.UNKNOWN])
