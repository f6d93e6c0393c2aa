"""The numbers that Prometheus scrapes."""

from collections.abc import Iterator, Mapping
from hmac import compare_digest
from typing import Final

import asyncpg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.db.ledger.table import Figures, LedgerFigures
from app.errors import AuthenticationFailed, InsufficientAccess

_STATES: Final = ("accepted", "delivered", "failed", "canceled", "due", "skipped")
_OF_BALANCE: Final = ("missing", "surplus")
_OF_QUEUE: Final = ("unowned", "stuck", "late", "held_back")


class MetricService:
    """Reads what the chore kept (worker/ledger.py): every API process says the same, and none draws up anything.

    `token` is what a scraper must send. Without one, only this machine may ask.
    """

    def __init__(self, pool: asyncpg.Pool, token: str | None) -> None:
        self._figures = LedgerFigures(pool)
        self._token = token

    async def text(self, offered: str | None, *, is_local: bool) -> bytes:
        """The metrics, in the Prometheus text format. AuthenticationFailed or InsufficientAccess if they are not for
        the caller.
        """
        if self._token is None:
            if not is_local:
                raise InsufficientAccess("Set POSTRIDER_METRICS_TOKEN, and send it as a bearer token.")
        elif offered is None or not compare_digest(offered.encode(), self._token.encode()):
            raise AuthenticationFailed("Send POSTRIDER_METRICS_TOKEN as a bearer token.")
        registry = CollectorRegistry()
        registry.register(_Ledger(await self._figures.load()))
        return generate_latest(registry)


class _Ledger(Collector):
    """The ledger's figures as gauges."""

    def __init__(self, figures: Mapping[str, Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        balance, queue = self._figures.get("balance"), self._figures.get("queue")
        if balance is not None:
            states = "Deliveries of the messages of the last day, by their state."
            yield _labelled("postrider_ledger_deliveries", states, "state", _STATES, balance)
            yield _plain("postrider_ledger_uncounted_messages", "Messages without a count.", balance, "uncounted")
            span = "How far back the balance goes: a day, or as far as it came in its time."
            yield _plain("postrider_ledger_span_seconds", span, balance, "span_seconds")
        if queue is not None:
            yield _plain("postrider_queue_pending", "Deliveries that wait, also for a retry.", queue, "pending")
            yield _plain("postrider_queue_due", "Deliveries that are due now.", queue, "due")
            oldest = "Since when the oldest of them has been due."
            yield _plain("postrider_queue_oldest_due_seconds", oldest, queue, "oldest_due_seconds")
        yield self._findings()
        ages = GaugeMetricFamily(
            "postrider_ledger_age_seconds", "How old the other numbers are, by their part.", labels=["part"]
        )
        for part, figures in sorted(self._figures.items()):
            ages.add_metric([part], figures.age)
        yield ages

    def _findings(self) -> GaugeMetricFamily:
        """Missing and surplus of the last day; the others of the whole queue."""
        family = GaugeMetricFamily(
            "postrider_ledger_findings", "Deliveries about which something is odd, by kind.", labels=["kind"]
        )
        for part, kinds in (("balance", _OF_BALANCE), ("queue", _OF_QUEUE)):
            if (figures := self._figures.get(part)) is not None:
                for kind in kinds:
                    family.add_metric([kind], figures.numbers[kind])
        return family


def _plain(name: str, text: str, figures: Figures, key: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=figures.numbers[key])


def _labelled(name: str, text: str, label: str, keys: tuple[str, ...], figures: Figures) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key in keys:
        family.add_metric([key], figures.numbers[key])
    return family
