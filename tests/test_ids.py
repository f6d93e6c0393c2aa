"""Identifiers: they sort by time, keep the time in them, and are what Svix makes."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import ids

BEGINNING = datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC)
END = BEGINNING + timedelta(seconds=2**32)
# What no identifier that was ever made sorts after, but for its random part.
LAST = "aWgEPTj8uG9IhJCXD2knnaCBO40"
TIMES = st.integers(0, 2**32 * 10**6 - 1).map(lambda microseconds: BEGINNING + timedelta(microseconds=microseconds))


def test_a_new_identifier_is_one_of_its_kind_and_says_when_it_was_made() -> None:
    before = time.time()
    made = ids.new_id("msg")
    after = time.time()
    assert ids.is_id(made, "msg")
    assert not ids.is_id(made, "ep")
    assert len(made) == len("msg_") + 27
    # The format keeps multiples of 4 milliseconds.
    assert before - 0.004 <= ids.created_at(made).timestamp() <= after


def test_an_identifier_of_a_source_or_a_log_is_shorter_and_sorts_by_time_too() -> None:
    made = []
    for _ in range(20):
        made.append(ids.new_short_id("src"))
        time.sleep(0.005)
    assert made == sorted(made)
    assert all(re.fullmatch("src_[0-9A-Za-z]{22}", one) and ids.is_id(one, "src") for one in made)
    log = ids.new_short_id("log")
    assert re.fullmatch("log[0-9A-Za-z]{22}", log)
    assert (ids.is_id(log, "log"), ids.is_id(log, "src"), ids.is_id(f"{log}0", "log")) == (True, False, False)
    assert len({ids.new_short_id("log") for _ in range(10_000)}) == 10_000


def test_identifiers_of_one_moment_differ_and_those_of_later_moments_sort_after() -> None:
    assert len({ids.new_id("ep") for _ in range(10_000)}) == 10_000
    made = []
    for _ in range(20):
        made.append(ids.new_id("msg"))
        time.sleep(0.005)
    assert made == sorted(made)


def test_an_identifier_that_svix_made_is_read_as_svix_reads_it() -> None:
    # The default organization of the Svix server, made in the first days of 2022.
    assert ids.is_id(ids.DEFAULT_ORGANIZATION_ID, "org")
    assert ids.created_at(ids.DEFAULT_ORGANIZATION_ID).strftime("%Y-%m") == "2022-01"


@given(TIMES, TIMES)
def test_the_floor_of_a_time_bounds_the_identifiers_made_before_and_after_it(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    assert ids.floor_id("msg", earlier) <= ids.floor_id("msg", later)
    floor = ids.floor_id("msg", later)
    assert ids.is_id(floor, "msg")
    assert timedelta(0) <= later - ids.created_at(floor) < timedelta(milliseconds=4)


@pytest.mark.parametrize(
    ("at", "body"),
    [
        (BEGINNING, "0" * 27),
        (datetime(1970, 1, 1, tzinfo=UTC), "0" * 27),
        (datetime.min.replace(tzinfo=UTC), "0" * 27),
        (datetime.max.replace(tzinfo=UTC), LAST),
        (END + timedelta(seconds=1), LAST),
    ],
)
def test_times_outside_of_the_format_are_clamped_to_it(at: datetime, body: str) -> None:
    assert ids.floor_id("msg", at) == f"msg_{body}"
    assert f"msg_{LAST}" > ids.floor_id("msg", END - timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "text", ["", "msg_", "msg", "msg_" + "0" * 26, "msg_" + "0" * 28, "msg_" + "0" * 26 + "-", "msg_" + "é" * 27]
)
def test_other_texts_are_no_identifiers(text: str) -> None:
    assert not ids.is_id(text, "msg")
    with pytest.raises(ValueError, match="is not an identifier"):
        ids.created_at(text)
