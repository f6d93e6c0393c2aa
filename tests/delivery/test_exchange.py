"""What is kept of an attempt beside its outcome: timings and headers, in few bytes, without secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.exchange import HIDDEN, MOST_HEADER_BYTES, Timings, packed, unpacked

ANSWERED = Timings(True, None, None, None, 0.012345)
SECONDS = st.none() | st.floats(0, 4000, allow_nan=False)


@settings(deadline=None)
@given(
    st.builds(Timings, st.just(True), st.none(), st.none(), st.none(), SECONDS)
    | st.builds(Timings, st.just(False), SECONDS, SECONDS, SECONDS, SECONDS)
)
def test_timings_come_back_to_the_microsecond(given_timings: Timings) -> None:
    found = unpacked(packed(given_timings)).timings
    assert found.reused is given_timings.reused
    for was, there in zip(given_timings[1:], found[1:], strict=True):
        assert (was is None) == (there is None)
        assert was is None or there is None or abs(was - there) < 2e-6


def test_most_attempts_take_five_bytes() -> None:
    assert len(packed(ANSWERED)) == 5


def test_what_takes_longer_than_the_bytes_can_say_is_kept_as_the_longest() -> None:
    assert unpacked(packed(Timings(True, None, None, None, 1e9))).timings.first_byte == 4294.0


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        (b"", []),
        (b"HTTP/1.1 500 Oops", []),
        (b"HTTP/1.1 500 Oops\r\nX-A: 1\r\nx-a:2\r\nEmpty:", [("x-a", "1"), ("x-a", "2"), ("empty", "")]),
        (b"HTTP/1.1 500 Oops\r\nX-Name: f\xfcr\r\nCookies-Eaten: 3", [("x-name", "für"), ("cookies-eaten", "3")]),
        (b"HTTP/1.1 500 Oops\r\nset-cookie: sid=1; Path=/\r\nA: b", [("set-cookie", HIDDEN), ("a", "b")]),
        (b"HTTP/1.1 500 Oops\r\nSet-Cookie : sid=1\r\n sid=2\r\nA: b", [("set-cookie", HIDDEN), ("a", "b")]),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nX-Api-Key: k", [
            ("www-authenticate", "Basic realm=x"), ("x-api-key", HIDDEN)]),
        (b"HTTP/1.1 500 Oops\r\nX-Long: a\r\n  b", [("x-long", "a b")]),
    ],
)  # fmt: skip
def test_headers_are_read_as_they_came_but_for_what_is_secret(head: bytes, headers: list[tuple[str, str]]) -> None:
    kept = packed(ANSWERED, head)
    assert unpacked(kept).headers == headers
    assert b"sid=" not in kept


def test_headers_beyond_the_bound_are_left_out_whole() -> None:
    line = b"x-filling: " + b"a" * 87 + b"\r\n"
    head = b"HTTP/1.1 500 Oops\r\n" + line * 60
    kept = packed(ANSWERED, head)
    assert len(kept) <= MOST_HEADER_BYTES + 5
    assert unpacked(kept).headers == [("x-filling", "a" * 87)] * (MOST_HEADER_BYTES // len(line))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_whatever_stands_in_a_head_is_kept_and_read_without_an_error(head: bytes) -> None:
    assert unpacked(packed(ANSWERED, b"HTTP/1.1 500 X\r\n" + head)).timings == unpacked(packed(ANSWERED)).timings


@pytest.mark.parametrize("stored", [b"", b"\xff", b"\x11\x00"])
def test_bytes_that_are_none_of_ours_are_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="no exchange"):
        unpacked(stored)
