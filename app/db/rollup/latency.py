"""How long attempts took, as counts of buckets: three for each doubling, so that a percentile is off by 13% at most."""

from collections.abc import Mapping
from typing import Final

PER_DOUBLING: Final = 3
MOST: Final = 3 * 22
"""The last bucket, which has no end: more than an hour."""

# Of a row of attempts. What is added keeps 8 ms, whose logarithm may be a hair below 3, in its own bucket.
_DOUBLINGS: Final = "ln(greatest(response_duration_ms, 1)::float8) / ln(2::float8)"
BUCKET_SQL: Final = f"least({MOST}, floor({PER_DOUBLING} * {_DOUBLINGS} + 1e-9))::smallint"


def milliseconds_from(bucket: int) -> float:
    """The shortest duration of a bucket."""
    return float(2 ** (bucket / PER_DOUBLING))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The milliseconds within which this share of the attempts ended, by their buckets; None if there are none."""
    rank, below = share * sum(counts.values()), 0
    for bucket, count in sorted(counts.items()):
        if count and below + count >= rank:
            low, high = milliseconds_from(bucket), milliseconds_from(bucket + 1)
            return low + (high - low) * (rank - below) / count
        below += count
    return None
