"""Scopes: what a token may do. Each names operations, as the OpenAPI document calls them.

`read` is every operation that only reads, but for those that show a secret; `publish` is publishing messages;
`v1.endpoint.get` is that one operation, `v1.endpoint.*` all whose names begin so.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final

READ: Final = "read"
PUBLISH: Final = "publish"
PUBLISHING: Final = "v1.message.create"
PUBLISH_OWN: Final = "publish.own"
"""Publishing to the application for which a token was made. A release without such tokens lets it do nothing."""
ENDPOINTS: Final = "manage.endpoints"
"""Everything about endpoints but what sends messages, or is code. A release without that name lets it do nothing."""
EDIT: Final = "edit"
"""Everything but what an administrator does. Only users have it; a release without that name lets it do nothing."""
OWN_ACCOUNT: Final = "v1.account.*"
"""What every user may do with their own account."""
POLL: Final = ("v1.message.poller.*", "v1.message.pollerv2.*")
"""What the token of a poller may do, with that poller."""
MANAGE: Final = frozenset({"v1.management.environment.*", "v1.management.authentication.*", "v1.authentication.whoami"})
"""All that a management token may do."""
_READING_METHODS: Final = frozenset({"GET", "HEAD"})
# What says in a body what is to be read.
_READING_POSTS: Final = frozenset({"v1.message.search", "v1.message.precheck"})
# What is read from these lets its reader sign as the organization does, or be a poller; or reading moves on; or
# is code, in which there may be credentials. Who the organization's people are is for those who keep them.
_NOT_ONLY_READING: Final = re.compile(r"^v1\.user\.|\.(get-secret|get-poller-token|consumer-poll|transformation\.get)$")

# Of the operations of endpoints those for which there are capabilities of their own.
_BEYOND_ENDPOINTS: Final = re.compile(
    r"v1\.endpoint\.(transformation\.|recover$|replay-missing$|bulk-replay$|send-example$)"
)

# What is left to administrators: people, tokens that outlive whoever made them, what holds for the whole organization,
# and what destroys in bulk.
_ADMINISTRATION: Final = re.compile(
    r"^v1\.(user\.|management\.|operational-webhook\.|environment\.(export|import)$|authentication\.create-message-token$"
    r"|message\.(bulk-expunge-content|expunge-all-contents)$)"
)
ROLES: Final[dict[str, tuple[str, ...] | None]] = {
    "viewer": (READ, OWN_ACCOUNT),
    "editor": (READ, EDIT, OWN_ACCOUNT),
    "admin": None,
}
"""The scopes of a user who has a role; None: everything of the organization."""

# What the Svix API calls capabilities of a portal's token.
CAPABILITIES: Final[dict[str, tuple[str, ...]]] = {
    "ViewBase": (READ,),
    "ViewEndpointSecret": ("v1.endpoint.get-secret",),
    "ManageEndpointSecret": ("v1.endpoint.get-secret", "v1.endpoint.rotate-secret"),
    "ManageTransformations": ("v1.endpoint.transformation.*",),
    "CreateAttempts": (
        "v1.message-attempt.resend",
        "v1.endpoint.recover",
        "v1.endpoint.replay-missing",
        "v1.endpoint.bulk-replay",
        "v1.endpoint.send-example",
    ),
    "ManageEndpoint": (
        ENDPOINTS,
        "v1.poller.*",
        *POLL,
        "v1.authentication.get-poller-token",
        "v1.authentication.rotate-poller-token",
    ),
}
# What every portal may do with its own token.
_PORTAL: Final = ("v1.authentication.logout", "v1.authentication.whoami")


def allows(scopes: Iterable[str], operation: str, method: str) -> bool:
    """Whether a token with these scopes may call an operation."""
    return any(_covers(scope, operation, method) for scope in scopes)


def _covers(scope: str, operation: str, method: str) -> bool:
    if scope == READ:
        reads = method in _READING_METHODS or operation in _READING_POSTS
        return reads and not _NOT_ONLY_READING.search(operation)
    if scope in {PUBLISH, PUBLISH_OWN}:
        return operation == PUBLISHING
    if scope == ENDPOINTS:
        return operation.startswith("v1.endpoint.") and not _BEYOND_ENDPOINTS.match(operation)
    if scope == EDIT:
        return not _ADMINISTRATION.match(operation)
    return operation == scope or (scope.endswith(".*") and operation.startswith(scope[:-1]))


def may_read_secrets(scopes: Iterable[str] | None) -> bool:
    """Whether a token with these scopes may read what endpoints' messages are signed with. None stands for all."""
    return scopes is None or allows(scopes, "v1.endpoint.get-secret", "GET")


def unknown(scopes: Iterable[str], operations: Collection[str]) -> list[str]:
    """Those of the scopes that name nothing that there is."""

    def names_something(scope: str) -> bool:
        if scope in {PUBLISH_OWN, ENDPOINTS, EDIT}:
            # Only tokens of an application, or of a user, have it.
            return False
        return scope in {READ, PUBLISH} or any(_covers(scope, operation, "POST") for operation in operations)

    return [scope for scope in scopes if not names_something(scope)]


def exceeding(scopes: Iterable[str] | None, own: Iterable[str] | None) -> bool:
    """Whether a token with some scopes could do what one with `own` cannot. None stands for everything."""
    if own is None:
        return False
    if scopes is None:
        return True
    held = frozenset(own)
    return any(
        not (scope in held or (scope == PUBLISH and allows(held, PUBLISHING, "POST")) or _within(scope, held))
        for scope in scopes
    )


def _within(scope: str, held: Iterable[str]) -> bool:
    """Whether a scope that names operations names none beyond those of the prefixes that are held."""
    return any(other.endswith(".*") and scope.startswith(other[:-1]) for other in held)


def of_portal(capabilities: Iterable[str]) -> list[str]:
    """The scopes of a portal's token that has these capabilities; to look is always one of them."""
    held = ("ViewBase", *capabilities)
    return sorted({*_PORTAL, *(scope for capability in held for scope in CAPABILITIES[capability])})
