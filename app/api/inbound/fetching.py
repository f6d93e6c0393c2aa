"""What a provider's rule must see to decide: certificates and sets of keys, fetched through the guard, and kept."""

import asyncio
from dataclasses import replace
from functools import partial
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
_MOST_KEPT: Final = 1000
# Who sends what leads to nothing must not make us ask for it again and again.
_FAILED_SECONDS: Final = 10.0
_MOST_AT_ONCE: Final = 16
_HEADERS: Final = header_lines({"user-agent": STANDARD_HEADERS["user-agent"], "accept": "*/*"})
_JSON_HEADERS: Final = _HEADERS + header_lines({"content-type": "application/json"})


class Fetcher:
    """Asks addresses that a provider's rule has found to be the provider's. Belongs to one event loop."""

    def __init__(self, client: DeliveryClient) -> None:
        """`client` must take answers of LONGEST_DOCUMENT."""
        self._client = client
        # With the time at which it came.
        self._kept: LRUCache[str, tuple[float, bytes]] = LRUCache(_MOST_KEPT)
        self._failed: TTLCache[str, None] = TTLCache(_MOST_KEPT, _FAILED_SECONDS)
        self._asking: dict[str, asyncio.Task[bytes | None]] = {}

    async def get(self, url: str, seconds: float, post: bytes | None = None) -> bytes | None:
        """What the address answers, or answered within so many seconds; None if it gave no usable answer.

        `post` is JSON to be sent with a POST instead; `url` may have a fragment, which is not sent.
        It is called only once for all who wait for it, or not at all while too many others are.
        """
        kept = self._kept.get(url)
        if kept is not None and monotonic() - kept[0] < seconds:
            return kept[1]
        if url in self._failed:
            return None
        task = self._asking.get(url)
        if task is None:
            if len(self._asking) >= _MOST_AT_ONCE:
                return None
            task = self._asking[url] = asyncio.create_task(self._ask(url, post))
            task.add_done_callback(partial(self._asked, url))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    def _asked(self, url: str, task: "asyncio.Task[bytes | None]") -> None:
        del self._asking[url]
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
