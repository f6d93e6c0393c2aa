"""What a delivery waits for that is in the queue."""

from datetime import datetime, timedelta
from typing import Final

from app.delivery.explanation.facts import Code, Endpoint, Explanation, Message, Reason, Waiting, time_text

# What is due is begun with within a second or two, if anybody is there to do it.
_SOON: Final = timedelta(seconds=5)
_PROBED: Final = "about every 20 seconds"


def waits(message: Message, endpoint: Endpoint, waiting: Waiting, now: datetime) -> Explanation:
    """What it waits for, and when it is tried next."""
    if (end := _never_sent(message, endpoint, waiting)) is not None:
        return Explanation("due", [end])
    left = 1 if waiting.tries < 0 else max(message.retries + 1 - waiting.tries, 1)
    at = waiting.next_attempt_at
    if at is None or (waiting.ahead and at <= now):
        return Explanation("due", [_in_line(waiting)], None, left)
    if at > now:
        reasons = [_later(message, waiting, at, now), *_held_back(endpoint, waiting, at)]
    else:
        reasons = _held_back(endpoint, waiting, now) or [_rate(endpoint) or _due(endpoint, at, now)]
    return Explanation("due", reasons, at, left)


def _never_sent(message: Message, endpoint: Endpoint, waiting: Waiting) -> Reason | None:
    following = "so that the delivery is canceled when its time comes."
    if endpoint.deleted_at is not None:
        return Reason(Code.DELETED, f"The endpoint was deleted, {following}")
    if endpoint.wants.disabled and not waiting.is_asked:
        return Reason(Code.DISABLED, f"The endpoint is disabled, {following} Enable it before then, or recover later.")
    if not message.has_payload:
        return Reason(Code.PAYLOAD_GONE, f"The payload has expired or was expunged, {following}")
    return None


def _in_line(waiting: Waiting) -> Reason:
    if not waiting.ahead:
        text = "It waits in a line, and nothing is before it that would call it when it ends: resend it."
        return Reason(Code.NOT_QUEUED, text)
    count = "more than " if waiting.is_more_ahead else ""
    count += f"{waiting.ahead} {'delivery' if waiting.ahead == 1 else 'deliveries'}"
    return Reason(Code.IN_LINE, f"The endpoint is sent its messages in order: {count} before it must end first.")


def _later(message: Message, waiting: Waiting, at: datetime, now: datetime) -> Reason:
    if waiting.tries > 0:
        total = max(message.retries, waiting.tries) + 1
        text = f"Attempt {waiting.tries} of {total} failed; by the retry schedule the next is made at {time_text(at)}."
        return Reason(Code.RETRY, text)
    if message.deliver_at is not None and message.deliver_at > now:
        return Reason(
            Code.SCHEDULED, f"It was published to be sent at {time_text(message.deliver_at)}, and not before."
        )
    return Reason(
        Code.PUT_OFF, f"It could not be sent just now, as the worker's log says, and is tried at {time_text(at)}."
    )


def _held_back(endpoint: Endpoint, waiting: Waiting, at: datetime) -> list[Reason]:
    """What else is in the way of an attempt at a time."""
    found = []
    if endpoint.paused_until is not None and endpoint.paused_until > at:
        text = f"The receiver asked for a pause until {time_text(endpoint.paused_until)} (Retry-After)."
        found.append(Reason(Code.PAUSED, text))
    if endpoint.opened_at is not None and not waiting.is_asked:
        text = (
            f"The endpoint fails steadily: its circuit breaker is open since {time_text(endpoint.opened_at)}, and one "
            f"delivery is tried {_PROBED} until one arrives. A resend does not wait for that."
        )
        found.append(Reason(Code.BREAKER_OPEN, text))
    return found


def _rate(endpoint: Endpoint) -> Reason | None:
    rates = []
    if endpoint.rate_limit is not None:
        rates.append(f"its own of {endpoint.rate_limit} a second")
    if endpoint.application_rate is not None:
        rates.append(f"its application's of {endpoint.application_rate} a second")
    if endpoint.throttled_since is None or not rates:
        return None
    text = (
        f"More is due to the endpoint than its rate allows, {' or '.join(rates)}, since "
        f"{time_text(endpoint.throttled_since)}: it is sent in its turn."
    )
    return Reason(Code.THROTTLED, text)


def _due(endpoint: Endpoint, at: datetime, now: datetime) -> Reason:
    if at > now - _SOON:
        return Reason(Code.DUE, "It is due now: a worker sends it, or does so within moments.")
    if not endpoint.is_served:
        return Reason(Code.NO_WORKER, f"It is due since {time_text(at)}, and no worker is there to send it: start one.")
    text = f"It is due since {time_text(at)}, is being sent, or waits behind others that are due to the endpoint."
    return Reason(Code.DUE, text)
