"""The HTTP client of this process, as the settings want it."""

from app.delivery.client import MAX_RESPONSE_BYTES, DeliveryClient
from app.delivery.guard import Guard
from app.delivery.proxy import Proxy, parse_proxy
from app.settings import Settings


def outbound_client(settings: Settings, guard: Guard, max_response_bytes: int = MAX_RESPONSE_BYTES) -> DeliveryClient:
    """A client that delivers where the guard lets it, through the proxy if there is one. Make it inside of its loop."""
    return DeliveryClient(
        guard,
        max_response_bytes=max_response_bytes,
        verify_tls=not settings.dangerous_disable_tls_verification,
        authorities=settings.ca_file.read_text() if settings.ca_file else None,
        proxy=_proxy(settings),
        max_connections_per_host=settings.worker_max_tasks,
    )


def _proxy(settings: Settings) -> Proxy | None:
    if settings.proxy_addr is None:
        return None
    return parse_proxy(settings.proxy_addr.get_secret_value(), settings.noproxy or ())
