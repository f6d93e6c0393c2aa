"""Which ids a list of history reads."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import pytest

from app import ids
from app.api.paging import Paging
from app.api.timeline import span_of
from app.errors import ValidationFailed
from tests import factories

_NOW: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)


def _days_ago(days: float) -> datetime:
    return _NOW - days * _DAY


@pytest.mark.parametrize(
    ("cursor", "before", "after", "order", "floor", "ceiling", "upwards"),
    [
        (None, None, None, None, 90, -1 / 24, False),
        (None, 10, None, None, 100, 10, False),
        (None, 10, 20, None, 20, 10, False),
        (None, 10, 300, None, 100, 10, False),
        (None, None, 20, None, 20, -1 / 24, True),
        (None, None, 200, None, 200, 110, True),
        (("", 30), None, None, None, 120, 30, False),
        (("", 30), 10, 40, None, 40, 30, False),
        (("-", 30), None, None, None, 30, -1 / 24, True),
        (("-", 300), None, None, None, 300, 210, True),
        (("-", 30), 10, 40, None, 30, 10, True),
        (None, None, None, "ascending", 90, -1 / 24, True),
        (None, 200, None, "ascending", 290, 200, True),
        (("", 30), None, None, "ascending", 30, -1 / 24, True),
        (("-", 30), None, None, "ascending", 120, 30, False),
        (None, None, None, "descending", 90, -1 / 24, False),
    ],
)
def test_a_list_reaches_90_days_from_where_it_begins(
    cursor: tuple[str, float] | None,
    before: float | None,
    after: float | None,
    order: Literal["ascending", "descending"] | None,
    floor: float,
    ceiling: float,
    upwards: bool,
) -> None:
    iterator = None if cursor is None else cursor[0] + factories.id_at("msg", _days_ago(cursor[1]))
    span = span_of(
        Paging(limit=7, iterator=iterator, order=order),
        "msg",
        None if before is None else _days_ago(before),
        None if after is None else _days_ago(after),
        _NOW,
    )
    assert (span.limit, span.upwards, span.ascending) == (7, upwards, order == "ascending")
    # An id tells the time to four milliseconds; the hour is for clocks that are ahead.
    assert abs(ids.created_at(span.floor) - _days_ago(floor)) <= _HOUR + timedelta(milliseconds=4)
    assert abs(ids.created_at(span.ceiling) - _days_ago(ceiling)) <= _HOUR + timedelta(milliseconds=4)


@pytest.mark.parametrize("sign", ["", "-"])
def test_the_item_that_an_iterator_names_is_not_listed_again(sign: str) -> None:
    seen = factories.id_at("msg", _days_ago(3))
    span = span_of(Paging(limit=7, iterator=sign + seen, order=None), "msg", None, None, _NOW)
    assert seen == (span.floor if sign else span.ceiling)


@pytest.mark.parametrize(
    "iterator", ["msg_", "msg_1", "atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2", "-msg_1", "--", "msg_" + "é" * 27]
)
def test_an_iterator_that_the_list_never_gave_is_refused(iterator: str) -> None:
    with pytest.raises(ValidationFailed):
        span_of(Paging(limit=7, iterator=iterator, order=None), "msg", None, None, _NOW)
