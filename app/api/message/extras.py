"""What few requests to publish ask for: tags, a time, another retention, another body."""

from datetime import datetime, timedelta
from typing import Final

import orjson

from app import clock
from app.api.message.models import USUAL_FIELDS, MessageIn
from app.db.message.new import Extras
from app.errors import ValidationFailed, Violation

_SOONEST: Final = timedelta(minutes=1)
_LATEST: Final = timedelta(hours=24)


def extras_of(body: MessageIn) -> Extras | None:
    """What a message has that few have; None for most. ValidationFailed if that contradicts itself."""
    if body.model_fields_set <= USUAL_FIELDS:
        return None
    params, hours = body.transformations_params, body.payload_hours
    if not params and not body.tags and hours is None and body.deliver_at is None:
        return None
    tags = tuple(body.tags) if body.tags else None
    return Extras(tags, body.deliver_at, hours, orjson.dumps(params) if params else None)


def is_in_time(deliver_at: datetime | None) -> bool:
    """Whether a message that is published now may be delivered then; None: at once."""
    return deliver_at is None or _SOONEST <= deliver_at - clock.now() <= _LATEST


def out_of_time() -> ValidationFailed:
    """What one is told whose time is too near or too far."""
    text = "deliverAt must be at least one minute and at most 24 hours from now; leave it out to deliver at once"
    return ValidationFailed(Violation(("body", "deliverAt"), text))
