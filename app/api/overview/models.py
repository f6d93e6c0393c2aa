"""Overviews on the wire."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from app.api.fields import Dto, Timestamp, example


class Period(StrEnum):
    """How far back a series goes."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    FOUR_WEEKS = "28d"


class LatencyOut(Dto):
    """Milliseconds within which so many of a hundred attempts ended."""

    p50: float = Field(description="Half of them.", examples=[38.1])
    p95: float = Field(examples=[120.5])
    p99: float = Field(examples=[410.2])


class CountsOut(Dto):
    """What was counted in a span of time. Attempts count when they began."""

    accepted: int | None = Field(
        description="Messages; null of an endpoint, because they are published to its application.", examples=[1200]
    )
    attempts: int = Field(description="HTTP tries: delivered and failed.", examples=[1290])
    delivered: int = Field(description="Attempts that were answered with 2xx.", examples=[1250])
    failed: int = Field(description="Attempts that were not.", examples=[40])
    latency: LatencyOut | None = Field(
        description="How long attempts took, to 13 in a hundred; null: there were none.",
        examples=[{"p50": 38.1, "p95": 120.5, "p99": 410.2}],
    )


class PointOut(CountsOut):
    """One span of a series."""

    at: Timestamp = Field(description="When the span begins.", examples=["2026-01-31T23:45:00Z"])


class SeriesOut(Dto):
    """What was accepted and tried, by spans of time."""

    period: Period = Field(examples=["24h"])
    step_seconds: int = Field(description="How long each span is.", examples=[900])
    behind: bool = Field(
        description="Not everything was counted by now, and the newest points are too low. The workers make up for it, "
        "every 20 seconds.",
        examples=[False],
    )
    total: CountsOut = Field(description="All points together.")
    points: list[PointOut] = Field(description="The oldest first; the last one's span is not over.")


class RateOut(Dto):
    """What came and went in the last seconds, by the second."""

    accepted_per_second: float | None = Field(description="Messages; null of an endpoint.", examples=[20.4])
    attempts_per_second: float = Field(examples=[21.0])
    delivered_per_second: float = Field(description="Attempts that were answered with 2xx.", examples=[20.3])
    success_rate: float | None = Field(
        description="The share of attempts that were delivered; null: there were none.", examples=[0.967]
    )


class BacklogOut(Dto):
    """What waits, up to 50,000 of each kind."""

    due: int = Field(description="To be sent, or being sent.", examples=[3])
    later: int = Field(description="For a retry, or because it was published for later.", examples=[12])
    in_line: int = Field(description="Behind others of an ordered endpoint.", examples=[0])
    oldest_due_seconds: float | None = Field(
        description="For how long what waits longest has been due; null: nothing is.", examples=[0.4]
    )
    more: bool = Field(
        description="There may be more: a number reached 50,000, or deliveries wait for more than 1,000 endpoints.",
        examples=[False],
    )


class TroubledEndpointOut(Dto):
    """Which endpoint it is."""

    id: str = Field(examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    uid: str | None = Field(examples=["unique-identifier"])
    url: str = Field(examples=["https://example.com/webhook/"])
    app_id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    app_name: str = Field(examples=["Acme Inc."])


class FailingEndpointOut(TroubledEndpointOut):
    """An endpoint of which every attempt failed since a time."""

    failing_since: Timestamp = Field(examples=["2026-01-31T22:10:00Z"])
    failures: int = Field(description="In a row.", examples=[14])
    breaker: Literal["open", "closed"] = Field(
        description="`open`: it is sent one probe in twenty seconds, until one succeeds.", examples=["open"]
    )
    paused_until: Timestamp | None = Field(
        description="It asked for a pause (Retry-After).", examples=["2026-01-31T23:59:59Z"]
    )
    last_status: int | None = Field(
        description="The status code of its last attempt; 0: there was no answer; null: that is long ago.",
        examples=[503],
    )


class DisabledEndpointOut(TroubledEndpointOut):
    """An endpoint that is not sent to."""

    reason: str | None = Field(
        description="Why deliveries to it were given up; null: somebody disabled it.",
        examples=["the receiver answered 410 Gone"],
    )
    changed_at: Timestamp = Field(description="When it was last changed.", examples=["2026-01-31T22:10:00Z"])


class NowOut(Dto):
    """How things go right now."""

    model_config = example(
        at="2026-01-31T23:59:59Z",
        last10Seconds={
            "acceptedPerSecond": 20.4,
            "attemptsPerSecond": 21.0,
            "deliveredPerSecond": 20.3,
            "successRate": 0.967,
        },
        last60Seconds={
            "acceptedPerSecond": 19.8,
            "attemptsPerSecond": 20.0,
            "deliveredPerSecond": 20.0,
            "successRate": 1.0,
        },
        latency={"p50": 38.0, "p95": 120.0, "p99": 410.0},
        backlog={"due": 3, "later": 12, "inLine": 0, "oldestDueSeconds": 0.4, "more": False},
        failing=[],
        disabled=[],
    )

    at: Timestamp
    last_10_seconds: RateOut = Field(alias="last10Seconds")
    last_60_seconds: RateOut = Field(alias="last60Seconds")
    latency: LatencyOut | None = Field(description="Of the attempts of the last 60 seconds.")
    backlog: BacklogOut
    failing: list[FailingEndpointOut] = Field(
        description="Those first that have failed for the longest time, and at most 20."
    )
    disabled: list[DisabledEndpointOut] = Field(description="Those first that were changed last, and at most 20.")
