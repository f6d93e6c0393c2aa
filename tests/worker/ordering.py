"""Messages for ordered endpoints, published as the API does it, and receivers that say in which order they came."""

from collections import Counter
from dataclasses import dataclass, field

import orjson

from app import ids
from app.db.message.new import NewMessage, Stored
from app.db.message.publish import Publishing
from tests.receiver import Answer, Arrival
from tests.worker.stage import Stage


async def publish(stage: Stage, *payloads: bytes, event_type: str = "invoice.paid") -> list[str]:
    """Publish in one batch; the ids."""
    organization: str = await stage.database.pool.fetchval(
        "SELECT organization_id FROM applications WHERE id = $1", stage.application
    )
    fields = (organization, stage.application, None, event_type, None, None)
    batch = [NewMessage(ids.new_id("msg"), *fields, payload, None, None) for payload in payloads]
    results, _ = await Publishing(stage.database.pool).publish(batch)
    assert all(isinstance(result, Stored) for result in results), results
    return [message.id for message in batch]


def numbered(count: int, key: str = "a", begin: int = 0) -> list[bytes]:
    """Payloads of one key, numbered in order."""
    return [orjson.dumps({"key": key, "number": number}) for number in range(begin, begin + count)]


@dataclass
class Watched:
    """Answers after a moment, fails what it is told to, and keeps what came when, by key."""

    seconds: float = 0.0
    fails: set[tuple[str, int]] = field(default_factory=set)
    """These (key and number) fail, as long as they are in it."""
    fails_once: set[tuple[str, int]] = field(default_factory=set)
    seen: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, arrival: Arrival) -> Answer:
        body = orjson.loads(arrival.body)
        came = (body["key"], body["number"])
        again = came in self.seen
        self.seen.append(came)
        failed = came in self.fails or (came in self.fails_once and not again)
        return Answer(500 if failed else 204, after=self.seconds)

    def firsts(self, key: str) -> list[int]:
        """The numbers of a key, in the order in which they came for the first time."""
        return list(dict.fromkeys(number for one, number in self.seen if one == key))

    def is_one_after_the_other(self, key: str) -> bool:
        """Whether nothing came again once something behind it had come."""
        numbers = [number for one, number in self.seen if one == key]
        return numbers == sorted(numbers)

    @property
    def again(self) -> int:
        """How many came more than once."""
        return sum(count > 1 for count in Counter(self.seen).values())
