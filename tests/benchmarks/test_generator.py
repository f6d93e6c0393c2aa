"""What the benchmark sends."""

import json

import pytest
import stripe

from benchmarks.generator import Request
from benchmarks.receiver import sequence_number
from benchmarks.stripe import BODY_BYTES, Stripe


def _parts(data: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("seq", [0, 9, 10, 99_999, 9_999_999_999])
@pytest.mark.parametrize("idempotent", [False, True])
def test_every_message_is_valid_json_of_the_announced_length(seq: int, idempotent: bool) -> None:
    request = Request("http://127.0.0.1:8071", "tok", ["app_1"], idempotent=idempotent)
    first, headers, body = _parts(request.encode(seq))
    assert first == "POST /api/v1/app/app_1/msg/ HTTP/1.1"
    assert headers["Host"] == "127.0.0.1:8071"
    assert headers["Authorization"] == "Bearer tok"
    assert int(headers["Content-Length"]) == len(body)
    assert json.loads(body)["payload"]["seq"] == seq == sequence_number(body)
    assert ("idempotency-key" in headers) is idempotent


def test_idempotency_keys_differ_between_messages_and_between_runs() -> None:
    runs = [Request("http://127.0.0.1:1", "tok", ["app_1"], idempotent=True) for _ in range(2)]
    keys = {_parts(run.encode(seq))[1]["idempotency-key"] for run in runs for seq in range(3)}
    assert len(keys) == 6


def test_each_application_gets_messages_in_turn() -> None:
    request = Request("http://127.0.0.1:1", "tok", ["app_1", "app_2"], idempotent=False)
    firsts = [_parts(request.encode(seq))[0].split("/")[4] for seq in range(4)]
    assert firsts == ["app_1", "app_2", "app_1", "app_2"]


def _received(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def test_events_to_a_source_are_of_2_kb_with_ids_of_their_own_and_signatures_that_stripes_package_verifies() -> None:
    account = Stripe()
    events = account.requests("http://127.0.0.1:8071/in/token", 3)
    ids = set()
    for seq in range(3):
        first, headers, body = _parts(events.encode(seq))
        assert first == "POST /in/token HTTP/1.1"
        assert int(headers["Content-Length"]) == len(body) == BODY_BYTES
        assert sequence_number(body) == seq
        event = stripe.Webhook.construct_event(body, headers["Stripe-Signature"], account.secret)
        ids.add(event["id"])
        assert account.signature_holds(_received(headers), body)
    assert len(ids) == 3


def test_another_body_another_account_or_a_signature_that_is_missing_or_there_twice_does_not_hold() -> None:
    account = Stripe()
    _, headers, body = _parts(account.requests("http://127.0.0.1:8071/in/token", 1).encode(0))
    received = _received(headers)
    assert not account.signature_holds(received, body + b" ")
    assert not Stripe().signature_holds(received, body)
    assert not account.signature_holds([header for header in received if header[0] != b"Stripe-Signature"], body)
    assert not account.signature_holds([*received, *received], body)
