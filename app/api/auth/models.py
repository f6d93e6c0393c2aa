"""Portal access on the wire."""

from typing import Annotated

from pydantic import Field

from app.api.application.models import ApplicationIn
from app.api.fields import Dto, EventTypeName


class AppPortalAccessIn(Dto):
    """Who gets access to what."""

    feature_flags: Annotated[list[EventTypeName], Field(max_length=100)] = Field(
        default_factory=list,
        description="Unlocks the event types that have one of these flags.",
        json_schema_extra={"uniqueItems": True},
    )
    application: ApplicationIn | None = Field(
        default=None, description="Created if there is no application of the uid in the path; its uid must be the same."
    )


class AppPortalAccessOut(Dto):
    """A link that logs its bearer in, and the token that is in it; both are good for 28 days."""

    url: str
    token: str
