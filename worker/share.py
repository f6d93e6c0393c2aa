"""How many of the busy shards each living worker is to drain: no more than an even share, rounded up."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from app.db.shard.table import Census


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker has to do for an even share. At most one of both is not 0."""

    give: int
    """How many of its busy shards it has too many."""
    take: int
    """How many it may take of what others offer, or are about to; 0 if nothing is to be had."""


def share_of(owner: str, census: Census, leaving: Collection[int]) -> Share:
    """What `owner` has to do by a census. `leaving` are those that it holds, and is giving away already."""
    fair = -(-len(census.busy) // census.workers)
    drained = Counter(name for shard, name in census.busy.items() if name is not None and shard not in leaving)
    mine = drained.pop(owner, 0)
    is_offered = drained.total() + mine < len(census.busy) or max(drained.values(), default=0) > fair
    return Share(give=max(0, mine - fair), take=max(0, fair - mine) if is_offered else 0)
