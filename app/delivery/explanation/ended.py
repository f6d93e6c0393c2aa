"""Why a delivery ended as it did."""

from datetime import timedelta
from typing import Final

from app.delivery.explanation.facts import Code, Ended, Endpoint, LastAttempt, Message, Reason, time_text

_CLOSE: Final = timedelta(milliseconds=500)
_GONE: Final = 410


def ended(message: Message, endpoint: Endpoint, what: Ended, last: LastAttempt | None) -> list[Reason]:
    """Most important first."""
    match what.state:
        case "delivered":
            return [Reason(Code.DELIVERED, f"It was delivered at {time_text(what.at)}.")]
        case "failed":
            return [_failed(message, what, last)]
        case "canceled":
            return _canceled(message, endpoint, what)
        case "due":
            return [Reason(Code.NOT_QUEUED, "It had not ended, and is no longer in the queue: resend it.")]


def _failed(message: Message, ended: Ended, last: LastAttempt | None) -> Reason:
    if last is not None and last.code == _GONE:
        return Reason(Code.GONE, "The receiver answered 410 Gone, which ends all attempts and disables the endpoint.")
    if last is not None and last.was_asked:
        return Reason(Code.ONE_ATTEMPT, "The one attempt that somebody asked for failed; no other follows.")
    tried = f"{ended.attempts} {'attempt' if ended.attempts == 1 else 'attempts'}"
    if ended.attempts > message.retries:
        return Reason(Code.EXHAUSTED, f"The retry schedule is used up: {tried} failed. Resend or recover it.")
    return Reason(Code.GIVEN_UP, f"It was given up after {tried}; the last one says why. Resend or recover it.")


def _canceled(message: Message, endpoint: Endpoint, ended: Ended) -> list[Reason]:
    at = time_text(ended.at)
    if ended.is_called_off:
        text = f"Somebody had the endpoint's pending deliveries canceled, at {at}."
        return [Reason(Code.CALLED_OFF, text)]
    if endpoint.deleted_at is not None and endpoint.deleted_at <= ended.at + _CLOSE:
        return [Reason(Code.DELETED, f"The endpoint was deleted before it could be sent; it was canceled at {at}.")]
    then = endpoint.wanted(ended.at)
    if then is not None and then.disabled:
        text = f"The endpoint was disabled before it could be sent; it was canceled at {at}. Recover or replay it."
        return [Reason(Code.DISABLED, text)]
    maybe = []
    if not message.has_payload:
        maybe.append((Code.PAYLOAD_GONE, "its payload was gone"))
    if endpoint.has_transformation:
        maybe.append((Code.TRANSFORMATION, "the endpoint's transformation canceled it"))
    if len(maybe) == 1 and then is not None:
        code, text = maybe[0]
        return [Reason(code, f"It was canceled at {at}: {text}.")]
    text = f"It was canceled at {at}: what caused that is not kept."
    return [Reason(code, f"It was canceled at {at}, perhaps because {text}.") for code, text in maybe] or [
        Reason(Code.CANCELED, text)
    ]
