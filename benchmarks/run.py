"""One run against a server: set up, send, wait until everything arrived, figures."""

import asyncio
import base64
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import cast

import httpx

from benchmarks.generator import PATIENCE, Generator, Request
from benchmarks.load import Load
from benchmarks.processes import Usage, Watch
from benchmarks.receiver import Receiver
from benchmarks.tally import Tally, percentile

_SAMPLE_SECONDS = 1.0


class RunError(Exception):
    """The run could not be set up. The text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is ready, and a token of one of its organizations."""

    url: str
    token: str
    pid: int | None = None
    """The process whose descendants are the server; None if it is not on this machine."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to. Rates are per second of wall time from the first POST; times are milliseconds."""

    load: Load
    accepted: int
    delivered: int
    accepted_per_s: float
    delivered_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    answer_p50_ms: float | None
    answer_p99_ms: float | None
    missing: int
    duplicates: int
    strays: int
    verified: int
    bad_signatures: int
    errors: int
    first_error: str | None
    load_cpu_cores: float
    """CPU that generator and receiver used themselves, over wall time; 1.0 is one core."""
    load_cpu_us_per_message: float
    processes: list[Usage]

    @property
    def holds(self) -> bool:
        """Nothing is missing, wrong, refused or unexplained. Duplicates are allowed: delivery is at least once."""
        return not (self.missing or self.bad_signatures or self.errors or self.strays)


async def measure(load: Load, target: Target, progress: Callable[[Tally], None] | None = None) -> Figures:
    """Runs `load`. RunError if the server cannot be reached or refuses the application or the endpoints."""
    tally = Tally(load.messages, load.endpoints)
    keys = [secrets.token_bytes(24) for _ in range(load.endpoints)]
    receiver = Receiver(load, tally, keys)
    address = await receiver.start()
    watch = Watch(target.pid) if target.pid else None
    sampler: asyncio.Task[None] | None = None
    try:
        application_id = await _prepare(target, load, address, keys)
        request = Request(target.url, target.token, application_id, idempotent=load.idempotent)
        generator = Generator(load, tally, target.url, request)
        if watch:
            watch.begin()
        sampler = asyncio.create_task(_sample(watch, tally, progress))
        cpu, began = process_time(), perf_counter()
        try:
            await generator.run()
        except OSError as error:
            raise RunError(f"{target.url} refuses connections ({error}): is it running?") from error
        await _arrivals(tally, receiver.complete)
        cpu, seconds = process_time() - cpu, perf_counter() - began
        tally.strays += receiver.malformed
        return _figures(load, tally, cpu, seconds, watch.end(seconds) if watch else [])
    finally:
        if sampler:
            sampler.cancel()
            with suppress(asyncio.CancelledError):
                await sampler
        await receiver.stop()


async def _prepare(target: Target, load: Load, address: str, keys: list[bytes]) -> str:
    """Creates an application with the load's endpoints; returns its id."""
    headers = {"Authorization": f"Bearer {target.token}"}
    async with httpx.AsyncClient(base_url=target.url, headers=headers, timeout=30, trust_env=False) as api:
        application_id = await _create(api, "/api/v1/app/", {"name": f"bench: {load.name}"})
        for number, key in enumerate(keys):
            body = {"url": f"{address}/{number}", "secret": f"whsec_{base64.b64encode(key).decode()}"}
            await _create(api, f"/api/v1/app/{application_id}/endpoint/", body)
    return application_id


async def _create(api: httpx.AsyncClient, path: str, body: dict[str, str]) -> str:
    try:
        answer = await api.post(path, json=body)
    except httpx.HTTPError as error:
        raise RunError(f"POST {path} failed ({error!r}): is {api.base_url} running?") from error
    if not answer.is_success:
        raise RunError(f"POST {path} answered {answer.status_code}, {answer.text[:200]}: are --url and --token right?")
    return cast(str, answer.json()["id"])


async def _sample(watch: Watch | None, tally: Tally, progress: Callable[[Tally], None] | None) -> None:
    while True:
        await asyncio.sleep(_SAMPLE_SECONDS)
        if watch:
            watch.sample()
        if progress:
            progress(tally)


async def _arrivals(tally: Tally, complete: asyncio.Event) -> None:
    """Waits until each accepted message has arrived, or nothing has for PATIENCE seconds."""
    begun = perf_counter()
    while tally.missing() and perf_counter() - max(begun, tally.last_arrival) < PATIENCE:
        with suppress(TimeoutError):
            await asyncio.wait_for(complete.wait(), 1.0)


def _figures(load: Load, tally: Tally, cpu: float, seconds: float, processes: list[Usage]) -> Figures:
    latencies, answers = tally.latencies(), tally.answer_times()
    return Figures(
        load=load,
        accepted=tally.accepted,
        delivered=tally.delivered,
        accepted_per_s=_rate(tally.accepted, tally.last_answer - tally.started),
        delivered_per_s=_rate(tally.delivered, tally.last_arrival - tally.started),
        p50_ms=_milliseconds(percentile(latencies, 0.5)),
        p99_ms=_milliseconds(percentile(latencies, 0.99)),
        answer_p50_ms=_milliseconds(percentile(answers, 0.5)),
        answer_p99_ms=_milliseconds(percentile(answers, 0.99)),
        missing=tally.missing(),
        duplicates=tally.duplicates,
        strays=tally.strays,
        verified=tally.verified,
        bad_signatures=tally.bad_signatures,
        errors=tally.errors,
        first_error=tally.first_error,
        load_cpu_cores=round(cpu / seconds, 3),
        load_cpu_us_per_message=round(cpu / load.messages * 1e6, 1),
        processes=processes,
    )


def _rate(count: float, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
