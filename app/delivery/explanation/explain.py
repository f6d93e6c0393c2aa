"""Why an endpoint gets a message or does not, what came of it, and what comes next: facts in, sentences out.

A delivery that exists proves that the endpoint wanted the message, or that somebody had it sent there. Where there is
none, what counts is how the endpoint was when the message was published; that is told from how it is today and from
what was changed since.
"""

from datetime import datetime

from app.delivery.explanation.absent import absent
from app.delivery.explanation.ended import ended
from app.delivery.explanation.facts import Delivery, Endpoint, Explanation, Message
from app.delivery.explanation.waiting import waits


def explain(message: Message, endpoint: Endpoint, delivery: Delivery, now: datetime) -> Explanation:
    """What became, and becomes, of a message at an endpoint."""
    if delivery.waiting is not None:
        return waits(message, endpoint, delivery.waiting, now)
    if delivery.ended is not None:
        return Explanation(delivery.ended.state, ended(message, endpoint, delivery.ended, delivery.last))
    return Explanation(None, absent(message, endpoint))
