"""How a provider's event is called here: `stripe.invoice.paid`, and what its delivery id becomes."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from app.receiving.contract import Event, Provider

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9\-_.]+")
_LONGEST: Final = 256
_DIGEST_LENGTH: Final = 40


def event_type_of(provider: Provider, event: Event) -> str:
    """The event type: the provider's word and its own name of the event, with `_` for what names may not hold."""
    prefix = provider.event_prefix
    if not event.name:
        return prefix
    name = _NOT_IN_NAMES.sub("_", event.name).strip("._")
    return f"{prefix}.{name}"[:_LONGEST] if name else prefix


def event_id_of(source_id: str, delivery_id: str) -> str:
    """The message's event id: of two sources each may have its own event of that id.

    What is too long, or holds what ids may not, goes by its SHA-256.
    """
    text = delivery_id
    if len(text) > _LONGEST - len(source_id) - 1 or _NOT_IN_NAMES.search(text):
        text = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return f"{source_id}.{text}"


def name_of_all(names: Sequence[str | None]) -> str | None:
    """For requests that tell of several events: the name that all of them have, None if they differ."""
    return names[0] if names and len(set(names)) == 1 else None


def id_of_all(ids: Sequence[str | None]) -> str | None:
    """For the same: their ids in their order, None if one has none. A batch that is sent again is the same batch."""
    known = [each for each in ids if each]
    return ",".join(known) if known and len(known) == len(ids) else None
