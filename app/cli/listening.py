"""What `postrider listen` does: follows the feeds of sources, and posts each event to a developer's machine."""

import asyncio
import signal
import threading
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Final
from urllib.parse import unquote

import httpx
import msgspec

from app import clock
from app.cli.listening_lines import Lines, Outcome
from app.cli.listening_types import types_of, unmatched
from app.cli.process import CannotRun
from app.cli.remote import Address, Away, Refused, Remote, Source, cannot_run, check_url, choose, listed, said
from app.receiving.record import HIDDEN, OF_THE_WAY
from app.settings import Settings

# Few, because each may be as large as a request may be.
_PAGE: Final = 10
# Sources of which a page is read and forwarded at the same time.
_AT_ONCE: Final = 8
_INTERVAL: Final = 1.0
_LONGEST_WAIT: Final = 2.0
_RECEIVER_SECONDS: Final = 30.0
_RECEIVER_INTERVAL: Final = 0.25
_LONGEST_RECEIVER_WAIT: Final = 8.0
# Of an answer, of which nothing is shown; a connection on which more is to come is closed.
_MOST_ANSWERED: Final = 65_536
# What a shell says of who ended by SIGTERM.


class Event(msgspec.Struct, rename="camel", frozen=True):
    """What arrived. Without a method its content is not kept any more."""

    id: str
    event_type: str
    event_id: str | None = None
    method: str | None = None
    query: str | None = None
    headers: list[tuple[str, str]] = []
    body: str | None = None
    body_base64: str | None = None

    def __repr__(self) -> str:
        """Without what it holds, which is as good as a payload."""
        return f"Event({self.id} {self.event_type})"

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return (self.body or "").encode() if self.body_base64 is None else b64decode(self.body_base64)


class _Page(msgspec.Struct):
    data: list[Event]
    iterator: str
    done: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; sources are ids or uids, none: all. `since` None: from now on."""

    to: str
    sources: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(slots=True)
class _Wait:
    """How long to wait after each failure in a row: twice as long each time."""

    first: float
    longest: float
    failures: int = field(default=0, init=False)

    def next(self) -> float:
        wait = min(self.longest, self.first * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return wait


def run(settings: Settings, wish: Wish, server: str | None, token: str | None, *, as_json: bool) -> int:
    """Listen until Ctrl-C or SIGTERM, or until no source is left; the exit code. CannotRun if it cannot be begun."""
    check_url(wish.to)
    address, lines = Address.find(settings, server, token), Lines(as_json=as_json)
    end = _End()
    try:
        return asyncio.run(_listen(address, wish, lines, end))
    except asyncio.CancelledError:
        return 128 + end.signal


@dataclass(slots=True)
class _End:
    """Whether it is to end, and by which signal."""

    signal: int = 0

    def handle(self) -> None:
        """Be told of Ctrl-C and SIGTERM, by the running task's end."""
        task = asyncio.current_task()
        # Elsewhere no signals can be handled.
        if task is None or threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._begin, task, number)

    def _begin(self, task: asyncio.Task[object], number: int) -> None:
        self.signal = number
        task.cancel()


async def _listen(address: Address, wish: Wish, lines: Lines, end: _End) -> int:
    end.handle()
    async with Remote(address) as remote:
        try:
            there = await remote.sources()
        except (Away, Refused) as error:
            raise cannot_run(error) from None
        chosen = [choose(there, wanted) for wanted in dict.fromkeys(wish.sources)] or there
        if not chosen:
            raise CannotRun(f"there is no source to listen to: {listed(there)}", code=2)
        names = ", ".join(source.uid or source.name for source in chosen[:5])
        more = f" and {len(chosen) - 5} more" if len(chosen) > 5 else ""
        lines.note(f"{names}{more} → {wish.to}; end it with Ctrl-C")
        for note in _notes_of_types(chosen, wish):
            lines.note(note)
        # By the server's clock, if it has told what that shows.
        since = wish.since or remote.time or clock.now()
        try:
            async with Listener(remote, wish, lines, end) as listener:
                await listener.follow_all(chosen, since)
        finally:
            lines.summary()
    return 1


def _notes_of_types(sources: Sequence[Source], wish: Wish) -> Iterator[str]:
    asked = dict.fromkeys(name for source in sources for name in types_of(source, wish.event_types))
    if asked:
        shown = list(asked)[:10]
        yield f"only {', '.join(shown)}{f' and {len(asked) - 10} more' if len(asked) > 10 else ''}"
    for name in unmatched(sources, wish.event_types):
        yield f"{name} will not come: none of these sources is of that provider; `postrider trigger --list` shows names"


class Listener:
    """Forwards what arrives at sources."""

    def __init__(self, remote: Remote, wish: Wish, lines: Lines, end: _End | None = None) -> None:
        self._remote = remote
        self._end = end or _End()
        self._wish = wish
        self._lines = lines
        self._turns = asyncio.Semaphore(_AT_ONCE)
        # Neither a proxy nor a redirect leads elsewhere than to where the developer said.
        self._client = httpx.AsyncClient(timeout=_RECEIVER_SECONDS, follow_redirects=False, trust_env=False)
        self._is_away = False
        self._receiver = _Wait(_RECEIVER_INTERVAL, _LONGEST_RECEIVER_WAIT)

    async def __aenter__(self) -> "Listener":
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()

    async def follow_all(self, sources: Sequence[Source], since: datetime) -> None:
        """Returns once none of the sources can be followed any more."""
        interval = _INTERVAL * max(1.0, len(sources) / _AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for source in sources:
                tasks.create_task(self._follow(source, since, interval))

    async def _follow(self, source: Source, since: datetime, interval: float) -> None:
        asked = [("limit", str(_PAGE)), *(("event_types", name) for name in types_of(source, self._wish.event_types))]
        position = ("after", since.astimezone(UTC).isoformat())
        wait = _Wait(_INTERVAL, max(_LONGEST_WAIT, interval))
        # The HTTP client may swallow that it is canceled, at the moment when it puts a connection back.
        while not self._end.signal:
            try:
                async with self._turns:
                    answer = await self._remote.get(f"/source/{source.id}/event", [*asked, position])
                    page = msgspec.json.decode(answer, type=_Page)
                    self._back(wait)
                    for event in page.data:
                        await self._forward(source, event)
            except Away as error:
                await self._away(error, wait.next())
                continue
            except Refused as refusal:
                self._lines.note(f"{source.uid or source.name} is not followed any more: {refusal}")
                return
            position = ("iterator", page.iterator)
            if page.done:
                await asyncio.sleep(interval)

    async def _away(self, error: Away, seconds: float) -> None:
        # All who follow meet the same; one says it.
        if not self._is_away:
            self._is_away = True
            self._lines.note(f"{error}; trying on")
        await asyncio.sleep(seconds)

    def _back(self, wait: _Wait) -> None:
        if self._is_away:
            self._is_away = False
            self._lines.note(f"{self._remote.address.url} is back")
        wait.failures = 0

    async def _forward(self, source: Source, event: Event) -> None:
        if event.method is None:
            self._lines.event(source.id, event.event_type, event.id, Outcome(None, 0, "its content is not kept"))
            return
        outcome = await self._post(event)
        self._lines.event(source.id, event.event_type, event.id, outcome)
        if outcome.status is not None:
            self._receiver.failures = 0
            return
        if not self._receiver.failures:
            self._lines.note("what is not taken is not sent again; --since begins earlier")
        await asyncio.sleep(self._receiver.next())

    async def _post(self, event: Event) -> Outcome:
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in event.headers
            if name not in OF_THE_WAY and value != HIDDEN
        ]
        begun = monotonic()
        try:
            # Made by itself, because the client would add headers of its own.
            url = with_query(self._wish.to, event.query)
            request = httpx.Request("POST", url, headers=headers, content=event.content)
            response = await self._client.send(request, stream=True)
            await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Outcome(None, _since(begun), said(error))
        return Outcome(response.status_code, _since(begun), None)


def with_query(url: str, query: str | None) -> str:
    """The URL with what stood in the query of the one that the provider called, but for credentials."""
    kept = [part for part in (query or "").split("&") if part and unquote(part.partition("=")[2]) != HIDDEN]
    if not kept:
        return url
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(kept)}"


async def _read(response: httpx.Response) -> None:
    """To its end, so that the connection can be used again, or so far."""
    taken = 0
    async for chunk in response.aiter_raw():
        taken += len(chunk)
        if taken > _MOST_ANSWERED:
            break
    await response.aclose()


def _since(begun: float) -> int:
    return round((monotonic() - begun) * 1000)
