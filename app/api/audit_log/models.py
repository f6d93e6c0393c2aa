"""Entries of the audit log on the wire."""

from pydantic import Field

from app.api.fields import Dto, Timestamp
from app.db.audit.model import ActorKind


class AuditActorOut(Dto):
    """Who did it."""

    kind: ActorKind
    id: str | None = Field(
        default=None, description="A token's id, with the session of a portal after a slash; or a name."
    )
    address: str | None = Field(default=None, description="The other end of the connection: a client, or its proxy.")


class AuditFieldOut(Dto):
    """What became of a field. Of what is secret, or somebody's content, only that it changed."""

    before: object = None
    after: object = None
    changed: bool = True


class AuditChangeOut(Dto):
    """What became of one thing, or (without an id) of all that belong to the target."""

    entity: str
    id: str | None = None
    fields: dict[str, AuditFieldOut]


class AuditEntryOut(Dto):
    """One operation that changed something."""

    id: str
    operation: str = Field(description="As in the OpenAPI document; `system.…` and `cli.…` are not called over HTTP.")
    actor: AuditActorOut
    app_id: str | None = None
    target: str | None = Field(default=None, description="The id, of event types the name, of what was changed first.")
    changes: list[AuditChangeOut]
    correlation_id: str | None = Field(default=None, description="The `X-Request-ID` of the request.")
    created_at: Timestamp
