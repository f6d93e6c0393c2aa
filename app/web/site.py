"""The two sites: the dashboard, of an organization's operators, and the portal, of the users of one application."""

from dataclasses import dataclass
from typing import Final

from app.api.web_session.service import SiteKind


@dataclass(frozen=True, slots=True)
class Entry:
    """A page in a menu. `operation` is the API's without which there is nothing to see."""

    label: str
    path: str
    operation: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where a site's pages are, and what stands in its menus; entries `of_application` hold `{app_id}`."""

    kind: SiteKind
    prefix: str
    cookie: str
    sign_in: str
    signed_out: str
    menu: tuple[Entry, ...]
    of_application: tuple[Entry, ...]

    @property
    def is_portal(self) -> bool:
        return self.kind is SiteKind.PORTAL


_LIVE: Final = Entry("Live", "/app/{app_id}/live", "v1.message.list")
_ENDPOINTS: Final = Entry("Endpoints", "/app/{app_id}/endpoint", "v1.endpoint.list")
_MESSAGES: Final = Entry("Messages", "/app/{app_id}/msg", "v1.message.list")
_EVENT_TYPES: Final = Entry("Event types", "/event-type", "v1.event-type.list")
_DEBUGGER: Final = Entry("Signature debugger", "/signature", "v1.authentication.whoami")

DASHBOARD: Final = Site(
    SiteKind.DASHBOARD,
    "/dashboard",
    "postrider_dashboard",
    "/dashboard/sign-in",
    "/dashboard/sign-in",
    (
        Entry("Home", "", "v1.application.list"),
        Entry("Applications", "/app", "v1.application.list"),
        Entry("Find", "/find", "v1.message.list"),
        _EVENT_TYPES,
        Entry("Sources", "/source", "v1.ingest.source.list"),
        _DEBUGGER,
        Entry("API tokens", "/token", "v1.management.authentication.list-api-tokens"),
        Entry("Users", "/user", "v1.user.list"),
        Entry("Audit log", "/audit-log", "v1.audit-log.list"),
        Entry("Settings", "/settings", "v1.management.environment-settings.get"),
        Entry("System", "/system", "v1.system.get"),
    ),
    (
        Entry("Overview", "/app/{app_id}", "v1.application.get"),
        _ENDPOINTS,
        _MESSAGES,
        _LIVE,
        Entry("Settings", "/app/{app_id}/settings", "v1.application.get"),
    ),
)
PORTAL: Final = Site(
    SiteKind.PORTAL,
    "/portal",
    "postrider_portal",
    "/login",
    "/portal/signed-out",
    (),
    (_ENDPOINTS, _MESSAGES, _LIVE, _EVENT_TYPES, _DEBUGGER),
)
SITES: Final = (DASHBOARD, PORTAL)


def site_of(path: str) -> Site:
    """The site of a path; the dashboard where it is of neither."""
    is_portal = path in {PORTAL.prefix, PORTAL.sign_in} or path.startswith(f"{PORTAL.prefix}/")
    return PORTAL if is_portal else DASHBOARD
