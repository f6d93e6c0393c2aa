"""Why nothing was made of a message for an endpoint."""

from datetime import datetime, timedelta
from typing import Final

from app.delivery.explanation.facts import Code, Endpoint, Message, Reason, time_text

# Two transactions that are so close cannot be told apart by their times: one may not have seen the other.
_CLOSE: Final = timedelta(milliseconds=500)


def absent(message: Message, endpoint: Endpoint) -> list[Reason]:
    """Most important first."""
    published_at = message.published_at
    today = [_today(code, message, endpoint) for code in endpoint.wants.refuses(message.event_type, message.channels)]
    if message.is_held:
        text = "The message arrived at a source that is paused; once that goes on, it is sent to who wants it then."
        return [Reason(Code.SOURCE_PAUSED, text), *today]
    if endpoint.created_at > published_at:
        text = f"The endpoint was created at {time_text(endpoint.created_at)}, after the message was published."
        return [Reason(Code.CREATED_LATER, text), *today]
    then = endpoint.wanted(published_at)
    if then is None:
        text = (
            f"The endpoint was changed at {time_text(endpoint.updated_at)}, after the message was published; how it "
            "was then is not kept. It did not want the message, or was disabled."
        )
        return [Reason(Code.CHANGED_SINCE, text), *today]
    if refused := then.refuses(message.event_type, message.channels):
        same = {reason.code: reason for reason in today}
        return [same.get(code) or _then(code, message, endpoint.updated_at) for code in refused]
    return [_odd(message, endpoint), *today]


def _today(code: Code, message: Message, endpoint: Endpoint) -> Reason:
    match code:
        case Code.DISABLED:
            text = "The endpoint is disabled."
        case Code.EVENT_TYPE:
            text = f"The endpoint does not subscribe to the event type {message.event_type}."
        case _:
            listens = ", ".join(endpoint.wants.channels or ())
            text = f"The endpoint listens to {listens}, and the message has {_channels(message)}."
    return Reason(code, text)


def _then(code: Code, message: Message, changed_at: datetime) -> Reason:
    match code:
        case Code.DISABLED:
            text = "The endpoint was disabled when the message was published"
        case Code.EVENT_TYPE:
            text = f"The endpoint did not subscribe to the event type {message.event_type} when it was published"
        case _:
            text = f"The endpoint listened to other channels then, and the message has {_channels(message)}"
    return Reason(code, f"{text}; it was changed since, last at {time_text(changed_at)}.")


def _channels(message: Message) -> str:
    return f"the channels {', '.join(message.channels)}" if message.channels else "no channel"


def _odd(message: Message, endpoint: Endpoint) -> Reason:
    """It would have got the message, and nothing is found."""
    if message.made is not None and message.found < message.made:
        text = "What was made of the message is no longer kept as a whole, and may have held a delivery to this one."
        return Reason(Code.HISTORY_GONE, text)
    if message.made is None:
        return Reason(Code.UNKNOWN, "The message is older than what is kept of who got it.")
    changes = [endpoint.created_at, *(change.at for change in endpoint.changes)]
    if any(abs(at - message.published_at) <= _CLOSE for at in changes):
        text = "The endpoint was created or changed at the moment at which the message was published, and was not seen."
        return Reason(Code.CHANGED_SINCE, text)
    if message.is_received and endpoint.changes:
        text = "The message may have been held at its source, and the endpoint was changed since it arrived there."
        return Reason(Code.CHANGED_SINCE, text)
    if message.made and not message.is_received:
        text = "The message was sent to single endpoints, as a test, an example or a resend, and not to this one."
        return Reason(Code.SENT_TO_ONE, text)
    return Reason(Code.UNKNOWN, "It should have been sent there, by all that is known: replay what is missing.")
