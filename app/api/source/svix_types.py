"""What the SDKs of the Svix API know of a source: they refuse to read a type that is not in their list."""

import re
from typing import Final

from app.api.source.models import IngestSourceOut

_TYPES: Final = """
    adobe-sign airwallex beehiiv brex checkbook clerk cron docusign easypost generic-webhook github guesty hubspot
    incident-io lithic merge meta nango nash open-ai openclaw orum-io panda-doc pleo port-io psi-fi render replicate
    resend rutter safebase sardine segment shopify slack stripe stych svix tailscale telnyx vapi veriff vgs zoom
"""
SVIX_TYPES: Final = frozenset(_TYPES.split())
"""The types of sources that the Svix API has."""
STANDS_IN: Final = "generic-webhook"
"""The type that is shown to an SDK in place of one that it does not know."""
_SDK: Final = re.compile(r"svix-libs/")


def is_sdk(user_agent: str | None) -> bool:
    """Whether a caller is one of the official SDKs."""
    return _SDK.match(user_agent or "") is not None


def as_svix_has_it(source: IngestSourceOut) -> IngestSourceOut:
    """The source, so that an SDK can read it; `provider` has its true type."""
    if source.type in SVIX_TYPES:
        return source
    return source.model_copy(update={"type": STANDS_IN, "config": {}})
