"""One run against a server: set up, send, wait until everything arrived, figures."""

import asyncio
import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import cast

import httpx

from benchmarks.generator import PATIENCE, Generator, Request, Requests
from benchmarks.load import Load
from benchmarks.processes import Usage, Watch
from benchmarks.receiver import Receiver
from benchmarks.stripe import Stripe
from benchmarks.tally import Tally, percentile

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
_SAMPLE_SECONDS = 1.0


class RunError(Exception):
    """The run could not be set up. The text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is ready, and a token of one of its organizations."""

    url: str
    token: str
    pids: tuple[int, ...] = ()
    """The processes whose descendants are the server; none if it is not on this machine."""
    dsn: str | None = None
    """Its database, if that is a throw-away one."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a load needs to be there already: its applications, each with as many endpoints as there are keys.

    Endpoint n of each is at `/n` of the receiver's port on loopback, and signs with key n.
    """

    application_ids: Sequence[str]
    keys: Sequence[bytes]
    port: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to. Rates are per second of wall time from the first POST; times are milliseconds."""

    load: Load
    accepted: int
    delivered: int
    accepted_per_s: float
    delivered_per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    percentiles_ms: list[float]
    """End to end, at each of PERCENTILES."""
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
    cpu_us_per_message: dict[str, float]
    """CPU microseconds of each role; "load" is generator and receiver."""
    processes: list[Usage]

    @property
    def holds(self) -> bool:
        """Nothing is missing, wrong, refused or unexplained. Duplicates are allowed: delivery is at least once."""
        return not (self.missing or self.bad_signatures or self.errors or self.strays)


async def measure(
    load: Load, target: Target, progress: Callable[[Tally], None] | None = None, stage: Stage | None = None
) -> Figures:
    """Runs `load`, on a stage of its own unless one is given.

    RunError if the server cannot be reached or refuses the applications or the endpoints.
    """
    tally = Tally(load.messages, load.endpoints)
    keys = stage.keys if stage else [secrets.token_bytes(24) for _ in range(load.endpoints)]
    stripe = Stripe() if load.inbound else None
    receiver = Receiver(load, tally, keys, stripe.signature_holds if stripe else None)
    address = await receiver.start(stage.port if stage else 0)
    watch = Watch(*target.pids) if target.pids else None
    sampler: asyncio.Task[None] | None = None
    try:
        application_ids = stage.application_ids if stage else await prepare(target, load, address, keys)
        requests: Requests
        if stripe:
            requests = stripe.requests(await _create_source(target, application_ids[0], stripe.secret), load.messages)
        else:
            requests = Request(target.url, target.token, application_ids, idempotent=load.idempotent)
        generator = Generator(load, tally, target.url, requests)
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


async def prepare(target: Target, load: Load, address: str, keys: Sequence[bytes]) -> list[str]:
    """Creates the load's applications with their endpoints at the receiver's address; returns their ids."""
    application_ids = []
    async with _client(target) as api:
        for _ in range(load.applications):
            application_id = await _create(api, "/api/v1/app/", {"name": f"bench: {load.name}"})
            for number, key in enumerate(keys):
                body = {"url": f"{address}/{number}", "secret": f"whsec_{base64.b64encode(key).decode()}"}
                await _create(api, f"/api/v1/app/{application_id}/endpoint/", body)
            application_ids.append(application_id)
    return application_ids


async def _create_source(target: Target, application_id: str, secret: str) -> str:
    """The URL of a new source of the application, which verifies what arrives with the secret."""
    body = {"name": "bench", "type": "stripe", "config": {"secret": secret}, "applicationId": application_id}
    async with _client(target) as api:
        return await _create(api, "/ingest/api/v1/source", body, "ingestUrl")


def _client(target: Target) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {target.token}"}
    return httpx.AsyncClient(base_url=target.url, headers=headers, timeout=30, trust_env=False)


async def _create(api: httpx.AsyncClient, path: str, body: Mapping[str, object], answers: str = "id") -> str:
    """What the answer calls that."""
    try:
        answer = await api.post(path, json=body)
    except httpx.HTTPError as error:
        raise RunError(f"POST {path} failed ({error!r}): is {api.base_url} running?") from error
    if not answer.is_success:
        raise RunError(f"POST {path} answered {answer.status_code}, {answer.text[:200]}: are --url and --token right?")
    return cast(str, answer.json()[answers])


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
    latencies, answers = sorted(tally.latencies()), tally.answer_times()
    cpu_by_role = {usage.role: usage.cpu_seconds for usage in processes} | {"load": cpu}
    return Figures(
        load=load,
        accepted=tally.accepted,
        delivered=tally.delivered,
        accepted_per_s=_rate(tally.accepted, tally.last_answer - tally.started),
        delivered_per_s=_rate(tally.delivered, tally.last_arrival - tally.started),
        p50_ms=_milliseconds(percentile(latencies, 0.5)),
        p90_ms=_milliseconds(percentile(latencies, 0.9)),
        p99_ms=_milliseconds(percentile(latencies, 0.99)),
        percentiles_ms=[_milliseconds(percentile(latencies, share / 100)) or 0.0 for share in PERCENTILES],
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
        cpu_us_per_message={name: round(used / load.messages * 1e6, 1) for name, used in cpu_by_role.items()},
        processes=processes,
    )


def _rate(count: float, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
