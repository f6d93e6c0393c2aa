"""Who calls: what a token stands for, once it is checked, and what the database says of tokens (app/tokens.py)."""

from dataclasses import dataclass, field
from typing import Literal

from app import ids, scopes


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: an organization, or (with `application_id`) one of its applications only.

    An application sees of the event types that have feature flags those that share one with `feature_flags`.
    """

    organization_id: str
    application_id: str | None
    # When the token ends, in unix seconds: by what it says, or because it was revoked.
    expires_at: float
    feature_flags: frozenset[str] = frozenset()
    # What the token may do (app/scopes.py); None: all that its bearer may.
    scopes: frozenset[str] | None = None
    kind: Literal["jwt", "api_token"] = "jwt"
    # What the audit log calls the token, and the hash by which it is revoked.
    token_id: str = ""
    fingerprint: str = field(default="", repr=False)
    issued_at: float = 0.0
    session_id: str | None = None
    # Set if it may only poll this one.
    poller_id: str | None = None
    # To each application of the organization.
    may_publish: bool = field(init=False)

    def __post_init__(self) -> None:
        if self.is_management:
            # Whatever a token of theirs says, it reaches no further.
            own = scopes.MANAGE if self.scopes is None else self.scopes
            object.__setattr__(self, "scopes", frozenset(s for s in own if not scopes.exceeding([s], scopes.MANAGE)))
        granted = self.scopes is None or scopes.allows(self.scopes, scopes.PUBLISHING, "POST")
        object.__setattr__(self, "may_publish", self.application_id is None and granted)

    @property
    def is_management(self) -> bool:
        """Whether it manages organizations."""
        return self.organization_id == ids.MANAGEMENT_ORGANIZATION_ID

    @property
    def user_id(self) -> str | None:
        """The user who signed in, if it was one."""
        session = self.session_id if self.application_id is None else None
        return session if session is not None and ids.is_id(session, "usr") else None

    @property
    def may_publish_somewhere(self) -> bool:
        """Whether it may publish at all: perhaps only to its own application."""
        return self.application_id is None or scopes.PUBLISH_OWN in (self.scopes or ())


@dataclass(frozen=True, slots=True)
class StoredToken:
    """An API token as the database knows it; `seconds_left` until it ends, None if it does not.

    One that was made for an application, or one of its pollers, reaches no further.
    """

    id: str
    organization_id: str
    fingerprint: str = field(repr=False)
    scopes: frozenset[str] | None
    seconds_left: float | None
    application_id: str | None = None
    poller_id: str | None = None


@dataclass(frozen=True, slots=True)
class Revocation:
    """JWTs that end before they expire: those of `subject` that were issued until a time in unix seconds."""

    subject: str
    issued_until: float
    seconds_left: float
