"""What the demo calls delivered."""

from datetime import timedelta

import orjson
import pytest
from rich.console import Console
from standardwebhooks.webhooks import Webhook

from app.clock import now
from benchmarks.demo_board import Board, DemoReceiver
from benchmarks.demo_events import EVENTS, Event
from benchmarks.listener import ACCEPTED, REFUSED, Headers

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EVENT = EVENTS[0]


def _arrival(event: Event, *, secret: str = SECRET, id: str = "msg_1", age: int = 0) -> tuple[Headers, bytes]:
    body = orjson.dumps(event.payload)
    moment = now() - timedelta(seconds=age)
    headers = [
        (b"Webhook-Id", id.encode()),
        (b"Webhook-Timestamp", str(int(moment.timestamp())).encode()),
        (b"Webhook-Signature", Webhook(secret).sign(id, moment, body.decode()).encode()),
    ]
    return headers, body


def _receiver(refusals: int = 0) -> tuple[Board, DemoReceiver]:
    board = Board()
    board.expect(EVENT, "healthy")
    receiver = DemoReceiver("healthy", board, refusals)
    receiver.secret = SECRET
    return board, receiver


def test_the_events_have_ids_of_their_own() -> None:
    assert len({event.id for event in EVENTS}) == len(EVENTS) == 12


def test_a_verified_arrival_settles_the_board() -> None:
    board, receiver = _receiver()
    assert not board.settled
    assert receiver.answer(b"/events", *_arrival(EVENT)) == ACCEPTED
    board.published(EVENT, "healthy", "msg_1")
    assert board.settled
    assert board.holds
    assert board.counts() == (1, 1, 1)


def test_a_refused_first_try_counts_as_an_attempt_and_waits_for_the_retry() -> None:
    board, receiver = _receiver(refusals=1)
    assert receiver.answer(b"/events", *_arrival(EVENT)) == REFUSED
    assert not board.settled
    assert receiver.answer(b"/events", *_arrival(EVENT)) == ACCEPTED
    assert board.holds
    assert board.counts() == (1, 1, 2)


@pytest.mark.parametrize(
    "arrival",
    [
        _arrival(EVENT, secret="whsec_AAFVsBQIhrscChlQIMV+b5sSYspob7oD"),
        _arrival(EVENT, age=3600),
        _arrival(Event(EVENT.event_type, {**EVENT.data, "verified": False})),
        ([], orjson.dumps(EVENT.payload)),
    ],
    ids=["another secret", "too old", "altered", "unsigned"],
)
def test_what_does_not_verify_is_not_delivered(arrival: tuple[Headers, bytes]) -> None:
    board, receiver = _receiver()
    receiver.answer(b"/events", *arrival)
    assert board.settled
    assert not board.holds


@pytest.mark.parametrize("first", ["arrival", "answer"])
def test_an_arrival_under_another_message_id_is_not_delivered(first: str) -> None:
    board, receiver = _receiver()
    if first == "answer":
        board.published(EVENT, "healthy", "msg_2")
    receiver.answer(b"/events", *_arrival(EVENT, id="msg_1"))
    if first == "arrival":
        board.published(EVENT, "healthy", "msg_2")
    assert not board.holds


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":{"id":"inv_9"}}', orjson.dumps(EVENTS[1].payload)])
def test_a_request_of_no_event_fails_the_demo(body: bytes) -> None:
    board, receiver = _receiver()
    receiver.answer(b"/events", *_arrival(EVENT))
    receiver.answer(b"/events", [], body)
    assert board.unexpected == 1
    assert not board.holds


def test_the_table_shows_message_endpoint_attempts_and_status() -> None:
    board, receiver = _receiver()
    receiver.answer(b"/events", *_arrival(EVENT))
    console = Console(width=100, record=True, quiet=False)
    with console.capture() as captured:
        console.print(board)
    for word in ("user.created usr_501", "healthy", "delivered, verified", "1"):
        assert word in captured.get()
