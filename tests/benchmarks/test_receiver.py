"""What the benchmark's receiver reads of a delivery."""

from base64 import b64decode

import pytest
from standardwebhooks.webhooks import Webhook

from app.clock import now
from benchmarks.receiver import endpoint_number, sequence_number, signature_holds


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"seq":0,"pad":"x"}', 0),
        (b'{"seq":123456,"pad":"x"}', 123456),
        (b'{"pad":"x","seq": 42}', 42),
        (b'{"seq":7', 7),
        (b'{"seq":"7"}', -1),
        (b'{"seq":}', -1),
        (b'{"seq":-7}', -1),
        (b'{"sequence":7}', -1),
        (b"", -1),
    ],
)
def test_the_sequence_number_is_found(body: bytes, expected: int) -> None:
    assert sequence_number(body) == expected


@pytest.mark.parametrize(("path", "expected"), [(b"/0", 0), (b"/17", 17), (b"/", -1), (b"/x", -1), (b"", -1)])
def test_the_endpoint_is_the_number_in_the_path(path: bytes, expected: int) -> None:
    assert endpoint_number(path) == expected


SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
KEY = b64decode(SECRET.removeprefix("whsec_"))
BODY = b'{"seq":1,"pad":"x"}'


def _signed() -> dict[bytes, bytes]:
    moment = now()
    signature = Webhook(SECRET).sign("msg_1", moment, BODY.decode())
    return {
        b"Svix-Id": b"msg_1",
        b"Svix-Timestamp": str(int(moment.timestamp())).encode(),
        b"Svix-Signature": signature.encode(),
    }


def test_a_signature_of_the_independent_library_holds() -> None:
    assert signature_holds(list(_signed().items()), BODY, KEY)


def test_one_good_signature_among_several_is_enough() -> None:
    headers = _signed()
    headers[b"Svix-Signature"] = b"v1,AAAA " + headers[b"Svix-Signature"] + b" v1a,BBBB"
    assert signature_holds(list(headers.items()), BODY, KEY)


@pytest.mark.parametrize("name", [b"Svix-Id", b"Svix-Timestamp", b"Svix-Signature"])
def test_a_missing_or_changed_header_breaks_the_signature(name: bytes) -> None:
    headers = _signed()
    changed = {**headers, name: headers[name][:-3] + b"xyz"}
    del headers[name]
    assert not signature_holds(list(changed.items()), BODY, KEY)
    assert not signature_holds(list(headers.items()), BODY, KEY)


def test_a_changed_body_or_another_key_breaks_the_signature() -> None:
    headers = list(_signed().items())
    assert not signature_holds(headers, BODY + b" ", KEY)
    assert not signature_holds(headers, BODY, KEY[::-1])
