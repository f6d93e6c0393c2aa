"""Entries of the audit log on the wire."""

from pydantic import Field

from app.api.fields import Dto, Timestamp
from app.db.audit.model import ActorKind


class AuditActorOut(Dto):
    """Who did it."""

    kind: ActorKind
    id: str | None = Field(
        default=None,
        description="A user's id; or a token's, with the session of a portal after a slash; or a name.",
        examples=["key_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
    )
    email: str | None = Field(default=None, description="Of a user, deleted ones too.", examples=["ada@example.com"])
    address: str | None = Field(
        default=None, description="The other end of the connection: a client, or its proxy.", examples=["192.0.2.7"]
    )


class AuditFieldOut(Dto):
    """What became of a field. Of what is secret, or somebody's content, only that it changed."""

    before: object = Field(default=None, examples=[50])
    after: object = Field(default=None, examples=[100])
    changed: bool = True


class AuditChangeOut(Dto):
    """What became of one thing, or (without an id) of all that belong to the target."""

    entity: str = Field(examples=["endpoint"])
    id: str | None = Field(default=None, examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    fields: dict[str, AuditFieldOut] = Field(examples=[{"throttleRate": {"before": 50, "after": 100, "changed": True}}])


class AuditEntryOut(Dto):
    """One operation that changed something."""

    id: str = Field(examples=["audit_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    operation: str = Field(
        description="As in the OpenAPI document; `system.…` and `cli.…` are not called over HTTP.",
        examples=["v1.endpoint.patch"],
    )
    actor: AuditActorOut
    app_id: str | None = None
    target: str | None = Field(
        default=None,
        description="The id, of event types the name, of what was changed first.",
        examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
    )
    changes: list[AuditChangeOut]
    correlation_id: str | None = Field(
        default=None, description="The `X-Request-ID` of the request.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"]
    )
    created_at: Timestamp
