"""How many shards a worker gives away, or may take."""

import pytest

from app.db.shard.table import Census
from worker.share import Share, share_of


def census(workers: int, **drained: int) -> Census:
    """So many living workers, and how many shards each drains; `offered` is nobody."""
    owners = [None if name == "offered" else name for name, count in drained.items() for _ in range(count)]
    return Census(workers, [], dict(enumerate(owners)))


@pytest.mark.parametrize(
    ("seen", "leaving", "share"),
    [
        pytest.param(census(1, me=64), 0, Share(0, 0), id="alone"),
        pytest.param(census(2, me=64), 0, Share(32, 0), id="another has joined"),
        pytest.param(census(2, other=64), 0, Share(0, 32), id="joining"),
        pytest.param(census(3, me=64), 0, Share(42, 0), id="two have joined"),
        pytest.param(census(3, me=22, other=22, third=20), 0, Share(0, 0), id="as even as it gets"),
        pytest.param(census(3, me=20, other=22, third=22), 0, Share(0, 0), id="nothing to be had"),
        pytest.param(census(2, me=12, other=32, offered=20), 0, Share(0, 20), id="the rest of what is offered"),
        pytest.param(census(2, me=64), 32, Share(0, 0), id="given away already"),
        pytest.param(census(2, me=1), 0, Share(0, 0), id="one shard for two"),
        pytest.param(census(2, me=2), 0, Share(1, 0), id="two shards for two"),
        pytest.param(census(3, me=5), 0, Share(3, 0), id="five shards for three"),
        pytest.param(census(3, other=2, offered=3), 0, Share(0, 2), id="no more than a share of what is offered"),
        pytest.param(census(100, me=64), 0, Share(63, 0), id="more workers than shards"),
        pytest.param(census(1, other=64), 0, Share(0, 0), id="the other is not seen any more"),
        pytest.param(census(2), 0, Share(0, 0), id="nothing is busy"),
    ],
)
def test_shares_are_even(seen: Census, leaving: int, share: Share) -> None:
    assert share_of("me", seen, range(leaving)) == share


@pytest.mark.parametrize("workers", range(2, 9))
@pytest.mark.parametrize("busy", [1, 2, 7, 64])
def test_what_one_gives_the_others_may_take(workers: int, busy: int) -> None:
    given = share_of("me", census(workers, me=busy), ()).give
    after = census(workers, me=busy - given, offered=given)
    assert share_of("me", after, ()) == Share(0, 0)
    assert (workers - 1) * share_of("other", after, ()).take >= given
