"""The payload store as the API and the worker use it: whole payloads or none, within bounded time and memory.

Objects are not sealed, as payloads in Postgres are not: encrypt the bucket or the disk.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from loguru import logger

from app.payload_store.folder import Folder
from app.payload_store.stored import StoredPayload, key_of
from app.settings import Settings

# For one payload, with the wait for its turn.
_SECONDS: Final = 10.0
_AT_ONCE: Final = 32
_MOST_WAITING: Final = 256
# While the store is away one call in so many seconds finds out whether it still is.
_PROBE_SECONDS: Final = 2.0

ResultT = TypeVar("ResultT")


class StoreAway(Exception):
    """The payload store did not do what it was asked; later it may. The text says what it answered."""


class PayloadMissing(StoreAway):
    """The store answers, and has not got the object (or its whole bucket), or not as it was put in."""


class Objects(Protocol):
    """What keeps objects. Every method raises OSError; FileNotFoundError for an object that is not there."""

    async def put(self, key: str, content: bytes) -> None: ...
    async def get(self, key: str, size: int) -> bytes: ...
    async def delete(self, keys: Collection[str]) -> None: ...
    async def groups(self) -> list[str]: ...
    def listed(self, group: str) -> AsyncIterator[list[tuple[str, int]]]: ...
    async def remove_group(self, group: str) -> None: ...


class PayloadStore:
    """Keeps payloads of `least_bytes` and more. Belongs to one event loop. Every method raises StoreAway."""

    def __init__(self, objects: Objects, least_bytes: int, *, seconds: float = _SECONDS) -> None:
        """`seconds`: the most that one call takes."""
        self._seconds = seconds
        self.least_bytes = least_bytes
        self._objects = objects
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._away: str | None = None
        self._probe_at = 0.0

    async def put(self, message_id: str, payload: bytes) -> StoredPayload:
        """Keep a message's payload; what its row is to know of it."""
        await self._call(lambda: self._objects.put(key_of(message_id), payload))
        return StoredPayload.of(message_id, payload)

    async def get(self, stored: StoredPayload) -> bytes:
        """A payload, byte for byte as it was put in; PayloadMissing if there is none, or another.

        That does not mean that it is gone for good, as only its message's row can say: the store may be the wrong one.
        """
        key = key_of(stored.message_id)
        try:
            payload = await self._call(lambda: self._objects.get(key, stored.size))
        except PayloadMissing as missing:
            logger.error("{}: what is to be sent of it waits", missing)
            raise
        if not stored.is_whole(payload):
            logger.error("the payload store's object {} is not what was put in: what is to be sent of it waits", key)
            raise PayloadMissing(f"the payload store's object {key} is not what was put in")
        return payload

    async def delete(self, message_ids: Collection[str]) -> None:
        """Forget payloads, those that are not there too."""
        await self._call(lambda: self._objects.delete([key_of(each) for each in message_ids]))

    async def groups(self) -> list[str]:
        """The weeks of which there are payloads: `20261116`."""
        return await self._call(self._objects.groups)

    async def sizes(self, group: str) -> AsyncIterator[list[tuple[str, int]]]:
        """Message and size of each payload of a week, in parts."""
        with _reported():
            async for part in self._objects.listed(group):
                yield [(key.rpartition("/")[2], size) for key, size in part]

    async def forget_group(self, group: str, kept: Collection[str]) -> int:
        """Forget a week's payloads, but those of some messages; how many are gone."""
        gone = 0
        with _reported():
            async for part in self._objects.listed(group):
                keys = [key for key, _ in part if key.rpartition("/")[2] not in kept]
                if keys:
                    await self._objects.delete(keys)
                    gone += len(keys)
            if not kept:
                await self._objects.remove_group(group)
        return gone

    async def _call(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """In turn, in time, and not at all while the store is known to be away, but for one call now and then."""
        if self._away is not None:
            if monotonic() < self._probe_at:
                raise StoreAway(self._away)
            self._probe_at = monotonic() + _PROBE_SECONDS + self._seconds
        if self._waiting >= _MOST_WAITING:
            raise StoreAway("too many wait for the payload store")
        self._waiting += 1
        try:
            with _reported():
                async with asyncio.timeout(self._seconds), self._room:
                    result = await work()
        except PayloadMissing:
            self._away = None
            raise
        except StoreAway as away:
            if self._away is None:
                logger.warning("{}", away)
            self._away = str(away)
            self._probe_at = monotonic() + _PROBE_SECONDS
            raise
        finally:
            self._waiting -= 1
        if self._away is not None:
            logger.info("the payload store answers again")
            self._away = None
        return result


def open_store(settings: Settings) -> PayloadStore | None:
    """The payload store that the settings name, if any. In the event loop that uses it."""
    if settings.payload_store is None:
        return None
    url = urlsplit(settings.payload_store.get_secret_value())
    path = unquote(url.path)
    if url.scheme == "file":
        return PayloadStore(Folder(Path(path)), settings.payload_store_min_bytes)
    # Only whoever uses one loads its client.
    from app.payload_store.bucket import Bucket, BucketAddress

    options = dict(parse_qsl(url.query))
    address = BucketAddress(
        bucket=url.hostname or "",
        prefix=path.strip("/"),
        endpoint=options.get("endpoint"),
        region=options.get("region"),
        access_key=unquote(url.username) if url.username else None,
        secret_key=unquote(url.password) if url.password else None,
    )
    return PayloadStore(Bucket(address), settings.payload_store_min_bytes)


@contextmanager
def _reported() -> Iterator[None]:
    """Turns what implementations raise into StoreAway; TimeoutError is an OSError."""
    try:
        yield
    except FileNotFoundError as error:
        raise PayloadMissing(f"the payload store has not got it: {_first_line(error)}") from None
    except OSError as error:
        raise StoreAway(f"the payload store does not answer: {_first_line(error) or type(error).__name__}") from None


def _first_line(error: OSError) -> str:
    return str(error).partition("\n")[0]
