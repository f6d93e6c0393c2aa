"""Metrics over HTTP, where Prometheus looks for them."""

import ipaddress
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response

from app.api.metric.service import MetricService

router = APIRouter()

# Text format 1.0.0 of Prometheus.
_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8"


def _metrics(request: Request) -> MetricService:
    found: MetricService = request.app.state.metrics
    return found


def _is_local(request: Request) -> bool:
    """Whether the connection comes from this machine; a reverse proxy on it does, too."""
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@router.get("/metrics", include_in_schema=False)
async def metrics(
    request: Request,
    service: Annotated[MetricService, Depends(_metrics)],
    authorization: Annotated[str, Header()] = "",
) -> Response:
    """Show the installation's numbers in the Prometheus text format."""
    scheme, _, token = authorization.partition(" ")
    offered = token.strip() if scheme.lower() == "bearer" else None
    return Response(await service.text(offered, is_local=_is_local(request)), media_type=_TYPE)
