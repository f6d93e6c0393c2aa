"""How many shards there are, and which one an endpoint's deliveries wait in."""

from hashlib import blake2b
from typing import Final

# The migration makes one row of `shards` for each; endpoints keep the number that they were created with.
SHARDS: Final = 64


def shard_of(endpoint_id: str) -> int:
    """The shard of an endpoint: from 0 to SHARDS - 1, the same in every process and release."""
    return int.from_bytes(blake2b(endpoint_id.encode(), digest_size=2).digest(), "big") % SHARDS
