"""What a provider's rule must see to decide: certificates and sets of keys, fetched through the guard, and kept."""

import asyncio
from collections import Counter
from dataclasses import replace
from functools import partial
from math import inf
from time import monotonic
from typing import Final

from cachetools import LRUCache, TTLCache
from loguru import logger

from app.delivery.client import DeliveryClient
from app.delivery.head import STANDARD_HEADERS, header_lines
from app.delivery.outcome import Delivered
from app.delivery.url import parse_url

LONGEST_DOCUMENT: Final = 262_144
"""Bytes. Sets of keys have some thousands."""
_SECONDS: Final = 5.0
_MOST_FAILED: Final = 1000
# Who sends what leads to nothing must not make us ask for it again and again.
_FAILED_SECONDS: Final = 10.0
_MOST_AT_ONCE: Final = 64
_MOST_OF_ONE: Final = 4
_KEPT_BYTES: Final = 33_554_432
_STALE_SECONDS: Final = 86_400.0
_HEADERS: Final = header_lines({"user-agent": STANDARD_HEADERS["user-agent"], "accept": "*/*"})
_JSON_HEADERS: Final = _HEADERS + header_lines({"content-type": "application/json"})


class Fetcher:
    """Asks addresses that a provider's rule has found to be the provider's. Belongs to one event loop."""

    def __init__(self, client: DeliveryClient) -> None:
        """`client` must take answers of LONGEST_DOCUMENT."""
        self._client = client
        # With the time at which it came.
        self._kept: LRUCache[str, tuple[float, bytes]] = LRUCache(_KEPT_BYTES, getsizeof=_size)
        self._failed: TTLCache[str, None] = TTLCache(_MOST_FAILED, _FAILED_SECONDS)
        self._asking: dict[str, asyncio.Task[bytes | None]] = {}
        self._askers: Counter[str] = Counter()

    async def get(self, asker: str, url: str, seconds: float, post: bytes | None = None) -> bytes | None:
        """What the address answers, or answered within so many seconds; None if it gave no usable answer.

        `post` is JSON to be sent with a POST instead; `url` may have a fragment, which is not sent. It is called only
        once for all who wait for it, or not at all while too many others are, or too many of the same asker (a source).
        If it is away, what it answered in the last day is as good, unless it is to be called now (`seconds` is 0).
        """
        kept = self._kept.get(url)
        age = inf if kept is None else monotonic() - kept[0]
        if kept is not None and age < seconds:
            return kept[1]
        found = None if url in self._failed else await self._asked_for(asker, url, post)
        if found is None and kept is not None and seconds > 0 and age < _STALE_SECONDS:
            return kept[1]
        return found

    async def _asked_for(self, asker: str, url: str, post: bytes | None) -> bytes | None:
        task = self._asking.get(url)
        if task is None:
            if len(self._asking) >= _MOST_AT_ONCE or self._askers[asker] >= _MOST_OF_ONE:
                return None
            task = self._asking[url] = asyncio.create_task(self._ask(url, post))
            self._askers[asker] += 1
            task.add_done_callback(partial(self._asked, asker, url))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    def _asked(self, asker: str, url: str, task: "asyncio.Task[bytes | None]") -> None:
        del self._asking[url]
        self._askers -= Counter((asker,))
        if not task.cancelled():
            task.exception()

    async def _ask(self, url: str, post: bytes | None) -> bytes | None:
        outcome: object
        address = url.partition("#")[0]
        try:
            target = replace(parse_url(address), method="GET" if post is None else "POST")
        except ValueError as error:
            outcome = error
        else:
            headers = _HEADERS if post is None else _JSON_HEADERS
            outcome = await self._client.post(target, headers, post or b"", _SECONDS)
            if isinstance(outcome, Delivered) and not outcome.truncated:
                self._kept[url] = monotonic(), outcome.body
                return outcome.body
        # The address is the provider's, and no secret; but for its query.
        logger.warning("{} gave no answer that can be used: {}", address.partition("?")[0], outcome)
        self._failed[url] = None
        return None


def _size(kept: tuple[float, bytes]) -> int:
    return len(kept[1]) + 512
