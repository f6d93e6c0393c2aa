"""Of what is counted: an organization, one of its applications, or one endpoint."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Scope:
    """Whoever makes one has made sure that the caller may see it."""

    kind: Literal["organization", "application", "endpoint"]
    id: str


# Which rows of history are looked at, one after the other from the newest on, and which of them are the scope's. There
# is an index by application for messages, and one by endpoint for attempts.
_OF_ORGANIZATION: Final = (
    "JOIN applications a ON a.id = h.application_id WHERE a.organization_id = :scope_id AND NOT a.operational"
)
SEEN_MESSAGES: Final = {"organization": "", "application": "AND m.application_id = :scope_id"}
OUR_MESSAGES: Final = {"organization": _OF_ORGANIZATION, "application": ""}
# Of the others' attempts there is only an index that knows no order (BRIN): what is left out is not the oldest then.
ORDER_OF_ATTEMPTS: Final = {"organization": "", "application": "", "endpoint": "ORDER BY t.id DESC"}
SEEN_ATTEMPTS: Final = {"organization": "", "application": "", "endpoint": "AND t.endpoint_id = :scope_id"}
OUR_ATTEMPTS: Final = {
    "organization": _OF_ORGANIZATION,
    "application": "WHERE h.application_id = :scope_id",
    "endpoint": "",
}
