"""What an endpoint must be like, as the installation and its organization have it."""

from collections.abc import Sequence
from typing import Final

from app.api.endpoint.models import EndpointPatch, EndpointUpdate
from app.db.organization.settings import Rules
from app.errors import BadRequest, ValidationFailed, Violation

_HTTPS: Final = "https:"


def check(
    body: EndpointUpdate | EndpointPatch, rules: Rules, unknown_event_types: Sequence[str], *, https_only: bool
) -> None:
    """ValidationFailed for what is not allowed; `https_only` is the installation's, `rules` are the organization's."""
    given = body.model_fields_set if isinstance(body, EndpointPatch) else frozenset(EndpointUpdate.model_fields)
    plain = "url" in given and body.url[: len(_HTTPS)].lower() != _HTTPS
    if plain and https_only:
        _refuse("url", "Endpoint URL schemes must be https when endpoint_https_only is set.")
    if plain and rules.enforce_https:
        _refuse("url", "Endpoint URL schemes must be https: the environment's setting enforceHttps says so.")
    if rules.require_channel and "channels" in given and not body.channels:
        _refuse("channels", "An endpoint must name channels: the environment's setting requireEndpointChannel says so.")
    if rules.require_event_types and "event_types" in given and not body.event_types:
        text = "An endpoint must name event types: the environment's setting requireEndpointFilterTypes says so."
        _refuse("eventTypes", text)
    if unknown_event_types:
        text = f"The following event types don't exist: {', '.join(unknown_event_types)}."
        _refuse("eventTypes", f"{text} Create them with POST /api/v1/event-type first.")


def check_room(rules: Rules, endpoints: int) -> None:
    """BadRequest if an application with so many endpoints may not have one more."""
    if rules.most_endpoints is not None and endpoints >= rules.most_endpoints:
        text = f"The application has {endpoints} endpoints, and the environment's endpointsPerAppLimit allows no more."
        raise BadRequest(f"{text} Delete one, or raise the limit.", code="limit_reached")


def _refuse(field: str, text: str) -> None:
    raise ValidationFailed(Violation(("body", field), text))
