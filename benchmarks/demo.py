"""`python -m benchmarks.demo`: messages on their way through a running Postrider, one endpoint failing at first."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import httpx
import uvloop
from rich.console import Console
from rich.live import Live
from svix.api import ApplicationIn, EndpointIn, EventTypeUpsertIn, MessageIn, SvixAsync, SvixOptions
from svix.exceptions import HttpError, HTTPValidationError

from app.cli.up import base_url
from app.settings import SettingsError, load
from benchmarks.demo_board import Board, DemoReceiver
from benchmarks.demo_events import DESCRIPTIONS, EVENTS
from benchmarks.run import RunError
from benchmarks.servers import read_token

T = TypeVar("T")
# The first retry comes after 5 s, give or take a fifth; two messages are refused once each.
_LONGEST_WAIT = 15.0
_PAUSE = 0.1
"""Seconds between two messages, so that the eye can follow."""


def main() -> int:
    """The exit code: 0 if every message arrived at both endpoints and verified."""
    console = Console() if sys.stdout.isatty() else Console(width=100)
    try:
        settings = load()
        url = base_url(settings.host, settings.port)
        _require_server(url)
        return uvloop.run(_demonstrate(url, read_token(os.environ), console))
    except (RunError, SettingsError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _require_server(url: str) -> None:
    """RunError if no Postrider answers there."""
    try:
        answer = httpx.get(f"{url}/api/v1/health/ping", timeout=5, trust_env=False)
    except httpx.HTTPError:
        raise RunError(f"no Postrider answers at {url}: start one with `make run`, then try again beside it") from None
    if not answer.is_success:
        raise RunError(f"{url} answered {answer.status_code} to a ping: is it Postrider? See POSTRIDER_LISTEN_ADDRESS")


async def _demonstrate(url: str, token: str, console: Console) -> int:
    board = Board()
    receivers = [DemoReceiver("healthy", board), DemoReceiver("fails twice", board, refusals=2)]
    svix = SvixAsync(token, SvixOptions(server_url=url))
    try:
        application_id = await _refusals_explained(lambda: _prepare(svix, receivers))
        console.print(f"{application_id} at {url}, with two endpoints on loopback:", soft_wrap=True)
        with Live(board, console=console, refresh_per_second=10):
            await _refusals_explained(lambda: _publish(svix, application_id, board, receivers))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_WAIT):
                    while not board.settled:
                        await board.change()
    finally:
        for receiver in receivers:
            await receiver.stop()
    return _conclude(board, console)


async def _refusals_explained(call: Callable[[], Awaitable[T]]) -> T:
    """What the API or the connection to it says against the call, as a RunError."""
    try:
        return await call()
    except (HttpError, HTTPValidationError) as error:
        raise RunError(f"the API refused a request: {error}") from error
    except httpx.HTTPError as error:
        raise RunError(f"the API could not be reached any more ({error!r}): does `make run` still run?") from error


async def _prepare(svix: SvixAsync, receivers: list[DemoReceiver]) -> str:
    """Event types, an application, and an endpoint for each receiver; returns the application's id."""
    for name, description in DESCRIPTIONS.items():
        await svix.event_type.upsert(name, EventTypeUpsertIn(description=description))
    application = await svix.application.create(ApplicationIn(name="Demo shop"))
    for receiver in receivers:
        address = await receiver.start()
        endpoint_in = EndpointIn(url=f"{address}/events", description=receiver.name, event_types=list(DESCRIPTIONS))
        endpoint = await svix.endpoint.create(application.id, endpoint_in)
        receiver.secret = (await svix.endpoint.get_secret(application.id, endpoint.id)).key
    return application.id


async def _publish(svix: SvixAsync, application_id: str, board: Board, receivers: list[DemoReceiver]) -> None:
    for event in EVENTS:
        for receiver in receivers:
            board.expect(event, receiver.name)
        message = await svix.message.create(
            application_id, MessageIn(event_type=event.event_type, payload=event.payload)
        )
        for receiver in receivers:
            board.published(event, receiver.name, message.id)
        await asyncio.sleep(_PAUSE)


def _conclude(board: Board, console: Console) -> int:
    if not console.is_terminal:
        console.line()
    arrived, expected, attempts = board.counts()
    console.print(f"{arrived} of {expected} deliveries arrived and verified, in {attempts} attempts.")
    if board.holds:
        return 0
    if board.unexpected:
        console.print(f"{board.unexpected} requests belonged to no message of the demo.", style="red")
    if arrived < expected:
        console.print(
            "Not everything arrived: is POSTRIDER_RETRY_SCHEDULE longer than 5 s at first, or does "
            "POSTRIDER_WHITELIST_SUBNETS forbid deliveries to 127.0.0.0/8? The worker's lines say why.",
            style="red",
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
