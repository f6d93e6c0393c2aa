"""The form of an endpoint: what stands in it, and what the API is told of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from app.api.endpoint.models import EndpointOut
from app.api.event_type.models import EventTypeOut
from app.api.paging import ListOut
from app.web.api_client import ApiError
from app.web.forms import as_json, json_object, number_or_text, words
from app.web.view import View

# As many as the API lists at once; the names of others can be typed.
_MOST_LISTED: Final = 250
_FIELDS: Final = ("url", "description", "uid", "others", "channels", "rate", "timeout", "ordered", "metadata")


@dataclass(frozen=True, slots=True)
class EventTypeChoice:
    """The event types that can be checked, by their groups."""

    groups: Sequence[tuple[str, Sequence[EventTypeOut]]]
    unlisted: Sequence[str]
    """Subscribed to, and not among those that are listed: archived, or deleted."""
    complete: bool


@dataclass(frozen=True, slots=True)
class EndpointForm:
    """The texts of the fields, as they are shown."""

    values: Mapping[str, str]
    event_types: tuple[str, ...]
    """Those that are checked; none of them: all."""

    @classmethod
    def empty(cls) -> "EndpointForm":
        """The form of a new endpoint."""
        return cls(dict.fromkeys(_FIELDS, ""), ())

    @classmethod
    def of(cls, endpoint: EndpointOut) -> "EndpointForm":
        """The form of an endpoint that there is."""
        values = {
            "url": endpoint.url,
            "description": endpoint.description,
            "uid": endpoint.uid or "",
            "others": "",
            "channels": ", ".join(endpoint.channels or ()),
            "rate": str(endpoint.throttle_rate or ""),
            "timeout": str(endpoint.timeout_seconds or ""),
            "ordered": endpoint.ordered_by or "",
            "metadata": as_json(endpoint.metadata),
        }
        return cls(values, tuple(endpoint.event_types or ()))

    @classmethod
    def given(cls, view: View) -> "EndpointForm":
        """The form as it was sent."""
        chosen = view.fields("event_type") if view.field("subscribed") != "all" else []
        return cls({name: view.field(name) for name in _FIELDS}, tuple(chosen))

    def body(self) -> dict[str, object]:
        """What the API is told. ApiError for metadata that cannot be read."""
        given = self.values
        return {
            "url": given["url"],
            "description": given["description"],
            "uid": given["uid"] or None,
            "eventTypes": [*self.event_types, *words(given["others"])] or None,
            "channels": words(given["channels"]) or None,
            "throttleRate": number_or_text(given["rate"]),
            "timeoutSeconds": number_or_text(given["timeout"]),
            "orderedBy": given["ordered"] or None,
            "metadata": json_object("metadata", given["metadata"]),
        }


async def event_types_of(view: View, chosen: Iterable[str]) -> EventTypeChoice:
    """What can be subscribed to; nothing where the token may not list it."""
    try:
        page = await view.api.get(ListOut[EventTypeOut], "/event-type", {"limit": _MOST_LISTED})
    except ApiError as error:
        if error.status != 403:
            raise
        return EventTypeChoice((), tuple(chosen), complete=False)
    listed = sorted(page.data, key=lambda each: (each.group_name or "", each.name))
    groups = [(group, tuple(found)) for group, found in groupby(listed, key=lambda each: each.group_name or "")]
    names = {each.name for each in listed}
    return EventTypeChoice(groups, tuple(name for name in chosen if name not in names), page.done)
