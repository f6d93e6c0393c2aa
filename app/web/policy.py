"""What browsers are told of pages: that they run, load and frame nothing but ours (Content Security Policy)."""

from typing import Final

from app.settings import Settings
from app.web.site import Site

_OWN: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{images}; font-src 'self'{fonts}; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)


def policy(site: Site, settings: Settings) -> str:
    """The Content-Security-Policy of a site's pages: portals may be framed by the origins of the settings."""
    ancestors = " ".join(settings.portal_origins) if site.is_portal and settings.portal_origins else "'none'"
    # The logo and the font of a portal are its operator's, from wherever they keep them.
    anywhere = " https:" if site.is_portal else ""
    return _OWN.format(images=anywhere, fonts=anywhere, ancestors=ancestors)
