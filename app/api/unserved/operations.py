"""The table of what is not served: each operation of the Svix API, in groups that have one reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class UnservedOperation:
    """An operation that the SDKs know and that answers 501; `instead` is what to do in its place."""

    method: str
    path: str
    operation_id: str
    reason: str
    instead: str


@dataclass(frozen=True, slots=True)
class _Group:
    """Operations, a line for each: method, path (after /api/v1), the specification's name."""

    reason: str
    instead: str
    lines: str

    def operations(self) -> Iterator[UnservedOperation]:
        for line in self.lines.split("\n"):
            method, path, operation_id = line.split(" ")
            yield UnservedOperation(method, f"{_PREFIX}{path}", operation_id, self.reason, self.instead)


_GROUPS: Final = (
    _Group(
        reason="Streams, which write events in batches into sinks, are not part of Postrider.",
        instead="Publish messages to an application, and give it endpoints, or let it poll them.",
        lines="""\
POST /stream/transformations/simulate v1.streaming.transformation.simulate
GET /stream v1.streaming.stream.list
POST /stream v1.streaming.stream.create
GET /stream/{stream_id} v1.streaming.stream.get
PUT /stream/{stream_id} v1.streaming.stream.upsert
DELETE /stream/{stream_id} v1.streaming.stream.delete
PATCH /stream/{stream_id} v1.streaming.stream.patch
PATCH /stream/{stream_id}/alert-email v1.streaming.stream.patch-alert-email
GET /stream/{stream_id}/sink/{sink_id}/last-acked-event v1.streaming.sink.get-last-acked-event
GET /stream/{stream_id}/sink/{sink_id}/next-event v1.streaming.sink.events.get-next-event
GET /stream/{stream_id}/sink v1.streaming.sink.list
POST /stream/{stream_id}/sink v1.streaming.sink.create
GET /stream/{stream_id}/sink/{sink_id} v1.streaming.sink.get
PUT /stream/{stream_id}/sink/{sink_id} v1.streaming.sink.upsert
DELETE /stream/{stream_id}/sink/{sink_id} v1.streaming.sink.delete
PATCH /stream/{stream_id}/sink/{sink_id} v1.streaming.sink.patch
GET /stream/{stream_id}/sink/{sink_id}/transformation v1.streaming.sink.transformation.get
PATCH /stream/{stream_id}/sink/{sink_id}/transformation v1.streaming.sink.transformation.patch
GET /stream/{stream_id}/sink/{sink_id}/secret v1.streaming.sink.get-secret
POST /stream/{stream_id}/sink/{sink_id}/secret/rotate v1.streaming.sink.rotate-secret
GET /stream/{stream_id}/sink/{sink_id}/headers v1.streaming.sink-headers-get
PATCH /stream/{stream_id}/sink/{sink_id}/headers v1.streaming.sink-headers-patch
POST /stream/{stream_id}/sink/{sink_id}/force-retry v1.streaming.sink.force-retry
POST /stream/{stream_id}/sink/{sink_id}/skip v1.streaming.sink.skip
GET /stream/{stream_id}/sink/{sink_id}/attempt v1.streaming.sink.attempt.list
GET /stream/{stream_id}/sink/{sink_id}/attempt/{attempt_id} v1.streaming.sink.attempt.get
GET /stream/{stream_id}/sink/{sink_id}/events v1.streaming.events.get
POST /stream/{stream_id}/events v1.streaming.events.create
GET /stream/{stream_id}/events/latest v1.streaming.events.get-latest
GET /stream/event-type v1.streaming.event-type.list
POST /stream/event-type v1.streaming.event-type.create
GET /stream/event-type/{name} v1.streaming.event-type.get
PUT /stream/event-type/{name} v1.streaming.event-type.upsert
DELETE /stream/event-type/{name} v1.streaming.event-type.delete
PATCH /stream/event-type/{name} v1.streaming.event-type.patch
POST /auth/stream-portal-access/{stream_id} v1.authentication.stream-portal-access
POST /auth/stream-logout v1.authentication.stream-logout
POST /auth/stream/{stream_id}/expire-all v1.authentication.stream-expire-all
POST /auth/stream/{stream_id}/sink/{sink_id}/poller/token/rotate v1.authentication.rotate-stream-poller-token
GET /auth/stream/{stream_id}/sink/{sink_id}/poller/token v1.authentication.get-stream-poller-token""",
    ),
    _Group(
        reason="Destinations, into which events are written in batches, are not part of Postrider.",
        instead="Give the application endpoints; `orderedBy` makes one receive in order.",
        lines="""\
GET /app/{app_id}/destination v1.destination.list
POST /app/{app_id}/destination v1.destination.create
GET /app/{app_id}/destination/{destination_id} v1.destination.get
PUT /app/{app_id}/destination/{destination_id} v1.destination.upsert
DELETE /app/{app_id}/destination/{destination_id} v1.destination.delete
PATCH /app/{app_id}/destination/{destination_id} v1.destination.patch
GET /app/{app_id}/destination/{destination_id}/transformation v1.destination.transformation.get
PATCH /app/{app_id}/destination/{destination_id}/transformation v1.destination.transformation.patch
GET /app/{app_id}/destination/{destination_id}/secret v1.destination.get-secret
POST /app/{app_id}/destination/{destination_id}/secret/rotate v1.destination.rotate-secret
GET /app/{app_id}/destination/{destination_id}/headers v1.destination.headers-get
PATCH /app/{app_id}/destination/{destination_id}/headers v1.destination.headers-patch
POST /app/{app_id}/destination/{destination_id}/force-retry v1.destination.force-retry
GET /app/{app_id}/destination/{destination_id}/last-acked-event v1.destination.get-last-acked-event
GET /app/{app_id}/destination/{destination_id}/next-event v1.destination.next-event
POST /app/{app_id}/destination/{destination_id}/skip v1.destination.skip
GET /app/{app_id}/destination/{destination_id}/attempt v1.destination.attempt.list
GET /app/{app_id}/destination/{destination_id}/attempt/{attempt_id} v1.destination.attempt.get
GET /app/{app_id}/stream/sink v1.app.stream.sink.list
POST /app/{app_id}/stream/sink v1.app.stream.sink.create
GET /app/{app_id}/stream/sink/{sink_id} v1.app.stream.sink.get
PUT /app/{app_id}/stream/sink/{sink_id} v1.app.stream.sink.upsert
DELETE /app/{app_id}/stream/sink/{sink_id} v1.app.stream.sink.delete
PATCH /app/{app_id}/stream/sink/{sink_id} v1.app.stream.sink.patch
GET /app/{app_id}/stream/sink/{sink_id}/transformation v1.app.stream.sink.transformation.get
PATCH /app/{app_id}/stream/sink/{sink_id}/transformation v1.app.stream.sink.transformation.patch
GET /app/{app_id}/stream/sink/{sink_id}/secret v1.app.stream.sink.get-secret
POST /app/{app_id}/stream/sink/{sink_id}/secret/rotate v1.app.stream.sink.rotate-secret
GET /app/{app_id}/stream/sink/{sink_id}/headers v1.app.stream.sink.headers-get
PATCH /app/{app_id}/stream/sink/{sink_id}/headers v1.app.stream.sink.headers-patch
POST /app/{app_id}/stream/sink/{sink_id}/force-retry v1.app.stream.sink.force-retry
GET /app/{app_id}/stream/sink/{sink_id}/last-acked-event v1.app.stream.sink.get-last-acked-event
GET /app/{app_id}/stream/sink/{sink_id}/next-event v1.app.stream.sink.next-event
POST /app/{app_id}/stream/sink/{sink_id}/skip v1.app.stream.sink.skip""",
    ),
    _Group(
        reason="There is no feed of the events of all applications at once.",
        instead="Read each application's: GET /api/v1/app/{app_id}/events; or create an operational webhook endpoint.",
        lines="GET /events v1.events.stream",
    ),
    _Group(
        reason="Connectors, which are endpoints made for one service, are not part of Postrider.",
        instead="Give an endpoint of that service's URL a transformation that writes what the service wants.",
        lines="""\
GET /connector v1.connector.list
POST /connector v1.connector.create
GET /connector/{connector_id} v1.connector.get
PUT /connector/{connector_id} v1.connector.upsert
DELETE /connector/{connector_id} v1.connector.delete
PATCH /connector/{connector_id} v1.connector.patch
GET /connector/{connector_id}/options v1.connector.options.get
PUT /connector/{connector_id}/options v1.connector.options.set
POST /connector/simulate v1.connector.simulate
POST /connector/oauth/slack v1.connector.oauth.slack
POST /connector/oauth/discord v1.connector.oauth.discord
POST /connector/oauth/hubspot v1.connector.oauth.hubspot
PUT /app/{app_id}/endpoint/{endpoint_id}/connector/oauth/hubspot v1.endpoint.update-hubspot-oauth-config
GET /app/{app_id}/endpoint/{endpoint_id}/connector v1.endpoint.get_connector""",
    ),
    _Group(
        reason="Integrations, which are keys for the partners of an application, are not part of Postrider.",
        instead="Give the partner portal access with few capabilities: POST /api/v1/auth/app-portal-access/{app_id}.",
        lines="""\
GET /app/{app_id}/integration v1.integration.list
POST /app/{app_id}/integration v1.integration.create
GET /app/{app_id}/integration/{integ_id} v1.integration.get
PUT /app/{app_id}/integration/{integ_id} v1.integration.update
DELETE /app/{app_id}/integration/{integ_id} v1.integration.delete
POST /app/{app_id}/integration/{integ_id}/key/rotate v1.integration.rotate-key""",
    ),
    _Group(
        reason="Endpoints that configure themselves with their receiver are not part of Postrider.",
        instead="Create the endpoint with POST /api/v1/app/{app_id}/endpoint, and give its secret to the receiver.",
        lines="""\
POST /app/{app_id}/auto-config v1.endpoint.auto-config.create
GET /app/{app_id}/endpoint/{endpoint_id}/auto-config v1.endpoint.auto-config.get
PUT /app/{app_id}/endpoint/{endpoint_id}/auto-config v1.endpoint.auto-config.update
POST /app/{app_id}/endpoint/{endpoint_id}/auto-config/rotate v1.endpoint.auto-config.rotate
POST /app/{app_id}/autoconfig v1.autoconfig-subscription.create
DELETE /app/{app_id}/autoconfig/{autoconfig_id} v1.autoconfig-subscription.delete
POST /app/{app_id}/autoconfig/{autoconfig_id}/rotate v1.autoconfig-subscription.rotate""",
    ),
    _Group(
        reason="Postrider has no MCP server, and so no tokens for one.",
        instead="Make an API token with few scopes: POST /api/v1/management/authentication/{env_id}/api-token.",
        lines="""\
GET /auth/app/{app_id}/mcp-token v1.authentication.list-mcp-tokens
POST /auth/app/{app_id}/mcp-token v1.authentication.create-mcp-token
DELETE /auth/app/{app_id}/mcp-token/{token_id} v1.authentication.revoke-mcp-token
GET /auth/dashboard/mcp-token v1.dashboard.list-mcp-tokens
POST /auth/dashboard/mcp-token v1.dashboard.create-mcp-token
DELETE /auth/dashboard/mcp-token/{token_id} v1.dashboard.revoke-mcp-token""",
    ),
    _Group(
        reason="Organizations are not in groups, and nobody administers several with one such token.",
        instead="Make a token for each organization: `postrider token`.",
        lines="""\
GET /auth/org-group-admin-token v1.authentication.org-group-admin-token.list
POST /auth/org-group-admin-token v1.authentication.org-group-admin-token.create
PUT /auth/org-group-admin-token/{key_id} v1.authentication.org-group-admin-token.update
POST /auth/org-group-admin-token/{key_id}/expire v1.authentication.org-group-admin-token.expire""",
    ),
    _Group(
        reason="Nothing is sent to a customer's own telemetry.",
        instead="Read the numbers about this installation at GET /metrics.",
        lines="""\
GET /management/environment-settings/customer-otel v1.management.environment-settings.get-otel-config
PUT /management/environment-settings/customer-otel v1.management.environment-settings.update-otel-config
DELETE /management/environment-settings/customer-otel v1.management.environment-settings.delete-otel-config
POST /management/environment-settings/customer-otel/test v1.management.environment-settings.test-otel-config""",
    ),
    _Group(
        reason="There are no accounts of people, and so no members.",
        instead="List who holds tokens: GET /api/v1/management/authentication/{env_id}/api-token.",
        lines="GET /management/organization/member v1.management.organization.list-members",
    ),
)

# In the order in which they are tried: the letters of a fixed path stand before the brace of a parameter.
UNSERVED: Final = tuple(
    sorted((found for group in _GROUPS for found in group.operations()), key=lambda found: found.path)
)
