"""Throttles on the wire."""

from enum import StrEnum

from pydantic import Field

from app.api.fields import Dto, Timestamp


class EndpointRateLimitStatus(StrEnum):
    """Whether a rate keeps an endpoint from getting what is due to it."""

    OK = "Ok"
    RATE_LIMITED = "RateLimited"


class EndpointThrottleRateStatusOut(Dto):
    """Whether an endpoint is throttled."""

    status: EndpointRateLimitStatus = Field(
        description="`RateLimited` while more is due to it than its rate, or its application's, allows.",
        examples=["RateLimited"],
    )
    throttled_since: Timestamp | None = Field(
        default=None, description="Since when, if it is throttled.", examples=["2026-01-31T23:59:59Z"]
    )
