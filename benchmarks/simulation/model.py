"""A whole installation, simulated: so many processes on so many cores, under a load, for some seconds."""

import random
from dataclasses import dataclass
from typing import Final

from app.db.shard.model import SHARDS
from benchmarks.simulation.kernel import Clock, Machine, Then, Thread
from benchmarks.simulation.parameters import Parameters
from benchmarks.simulation.processes import POOL, Api, Message, Worker, one_of
from benchmarks.simulation.servers import LANES, Pool, Server, log_normal
from benchmarks.tally import percentile

_WARM_UP: Final = 0.3
_SEED: Final = 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything runs. `shared_cores`: one machine for all, load included; else each has cores of its own."""

    api: int = 1
    workers: int = 1
    postgres_cores: int = 2
    shared_cores: int | None = None
    network: float = 0.0
    """Seconds one way between two machines."""
    receiver_median: float = 0.0
    receiver_p99: float = 0.0
    """Seconds that receivers elsewhere take; 0: the load's own receiver, which shares the cores, as the load does."""
    lanes: int = LANES
    gather: float = 0.0
    """Of the group commit in each API process: batches under way at once, and seconds that one waits for company."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages per second (Poisson, or evenly spaced), or as many as so many connections can post (`rate` 0)."""

    rate: float = 0.0
    connections: int = 0
    endpoints: int = 1
    one_shard: bool = False
    """All endpoints of a message are one worker's, as in a load with a single application."""
    even: bool = False
    messages: int = 0
    """After so many the load ends, and the run when all are delivered; 0: the load goes on until `seconds`."""
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """Per second of the run; times in seconds; CPU in cores, of all processes of that kind together."""

    accepted: float
    delivered: float
    p50: float
    p99: float
    api: float
    workers: float
    postgres: float
    load: float
    busiest_api: float
    busiest_worker: float
    """CPU of the busiest process: an event loop cannot use more than 1.0."""
    postgres_cores: int
    statements: float
    flushes: float
    log_busy: float
    wal: float
    """Bytes."""
    backlog: int
    """Deliveries that were due and not begun, at the end."""
    publish_batch: float
    record_batch: float
    readings: float


class Simulation:
    """One run; `run()` once."""

    def __init__(self, layout: Layout, traffic: Traffic, parameters: Parameters) -> None:
        self._layout, self._traffic, self._p = layout, traffic, parameters
        self._rng = random.Random(_SEED)
        self._clock = Clock()
        shared = Machine(self._clock, layout.shared_cores) if layout.shared_cores else None
        postgres = shared or Machine(self._clock, layout.postgres_cores)
        apis = shared or Machine(self._clock, layout.api)
        workers = shared or Machine(self._clock, layout.workers)
        here = shared if not layout.receiver_median else None
        self._load = Thread(here or Machine(self._clock, 1))
        # Where it is elsewhere, what sends the load costs nobody anything.
        self._load_costs = 1.0 if here else 0.0
        self._redis = Thread(shared or Machine(self._clock, 1))
        self.server = Server(self._clock, postgres, parameters, self._rng)
        self.workers = [
            Worker(
                self._clock,
                Thread(workers, parameters.worker_wake),
                Pool(self._clock, self.server, POOL, layout.network),
                parameters,
                1 if traffic.one_shard else round(SHARDS / layout.workers),
                self._deliver,
            )
            for _ in range(layout.workers)
        ]
        ring = one_of(self.workers, self._rng)
        self.apis = [
            Api(
                self._clock,
                Thread(apis, parameters.api_wake),
                Pool(self._clock, self.server, POOL, layout.network),
                parameters,
                lambda: self._redis.do(parameters.redis_ring, ring),
                layout.lanes,
                layout.gather,
            )
            for _ in range(layout.api)
        ]
        self._owners = [self.workers[shard % layout.workers] for shard in range(SHARDS)]
        self._receiver_takes = (
            log_normal(self._rng, layout.receiver_median, layout.receiver_p99) if layout.receiver_median else None
        )
        self._posted = self._accepted = self._delivered = 0
        self._accepted_at = self._delivered_at = 0.0
        self._latencies: list[float] = []

    def run(self) -> Result:
        traffic = self._traffic
        if traffic.rate:
            self._clock.after(0.0, self._post_next)
        else:
            for _ in range(traffic.connections):
                self._post(again=True)
        deliveries = traffic.messages * traffic.endpoints
        until = traffic.seconds + _WARM_UP if not traffic.messages else traffic.seconds
        self._clock.run(until, lambda: bool(deliveries) and self._delivered >= deliveries)
        return self._result()

    def _post_next(self) -> None:
        """Open load: the next message comes whether the last one was answered or not."""
        rate = self._traffic.rate
        self._post(again=False)
        if not self._traffic.messages or self._posted < self._traffic.messages:
            self._clock.after(1 / rate if self._traffic.even else self._rng.expovariate(rate), self._post_next)

    def _post(self, *, again: bool) -> None:
        if self._traffic.messages and self._posted >= self._traffic.messages:
            return
        api = self.apis[self._posted % len(self.apis)]
        self._posted += 1

        def accepted() -> None:
            self._accepted += 1
            self._accepted_at = self._clock.now
            if again:
                self._post(again=True)

        cost = self._p.load_message * self._load_costs

        def send() -> None:
            message = Message(self._clock.now, self._targets(), accepted)
            self._clock.after(self._layout.network, lambda: api.post(message))

        self._load.do(cost, send)

    def _targets(self) -> list[Worker]:
        count = self._traffic.endpoints
        if self._traffic.one_shard:
            return self.workers[:1] * count
        return [self._owners[int(self._rng.random() * SHARDS)] for _ in range(count)]

    def _deliver(self, message: Message, answered: Then) -> None:
        """A worker has sent a message: it travels, arrives, and is answered."""
        clock = self._clock
        if self._receiver_takes is None:

            def received() -> None:
                self._arrived(message)
                answered()

            self._load.do(self._p.load_delivery, received)
            return
        self._arrived(message)
        clock.after(2 * self._layout.network + self._receiver_takes(), answered)

    def _arrived(self, message: Message) -> None:
        self._delivered += 1
        self._delivered_at = self._clock.now
        if self._traffic.messages or message.posted_at > _WARM_UP:
            self._latencies.append(self._clock.now - message.posted_at)

    def _result(self) -> Result:
        seconds = self._delivered_at or self._clock.now
        api, workers = [api.thread.used for api in self.apis], [worker.thread.used for worker in self.workers]
        log = self.server.log
        return Result(
            accepted=self._accepted / (self._accepted_at or seconds),
            delivered=self._delivered / seconds,
            p50=percentile(self._latencies, 0.5) or 0.0,
            p99=percentile(self._latencies, 0.99) or 0.0,
            api=sum(api) / seconds,
            workers=sum(workers) / seconds,
            postgres=self.server.used / seconds,
            load=self._load.used / seconds,
            busiest_api=max(api) / seconds,
            busiest_worker=max(workers) / seconds,
            postgres_cores=self.server.machine.cores,
            statements=self.server.statements / seconds,
            flushes=log.flushes / seconds,
            log_busy=log.busy_for / seconds,
            wal=log.written / seconds,
            backlog=sum(len(worker.due) for worker in self.workers),
            publish_batch=self._accepted / max(1, sum(api.group.batches for api in self.apis)),
            record_batch=self._delivered / max(1, sum(worker.group.batches for worker in self.workers)),
            readings=sum(worker.readings for worker in self.workers) / seconds,
        )


def simulate(layout: Layout, traffic: Traffic, parameters: Parameters) -> Result:
    """The same answer for the same question: the only chance is seeded."""
    return Simulation(layout, traffic, parameters).run()
