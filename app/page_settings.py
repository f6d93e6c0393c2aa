"""The settings of pages: where the portal is and who may frame it, and who signs users in to the dashboard."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from app import setting_values as values
from app.setting_values import Network, setting


class PageSettings(BaseSettings):
    """A part of the settings (app/settings.py)."""

    app_portal_url: Annotated[str, AfterValidator(values.web_address)] | None = setting(
        "APP_PORTAL_URL",
        None,
        "The application portal that access links lead to; unset: this server, at the address it was called by.",
        "APP_PORTAL_URL",
    )
    portal_origins: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(values.origins)] = setting(
        "PORTAL_ORIGINS",
        None,
        "Origins whose pages may show the application portal in a frame, as `https://app.example.com`, separated by "
        "commas; unset: none may.",
    )

    trusted_proxies: Annotated[tuple[Network, ...] | None, NoDecode, BeforeValidator(values.networks)] = setting(
        "TRUSTED_PROXIES",
        None,
        "Networks (CIDR) of proxies in front of the API, which are believed about a client's address and whether it "
        "came by TLS (`X-Forwarded-For`, `X-Forwarded-Proto`). Unset: nobody is.",
    )
    oidc_issuer: Annotated[str, AfterValidator(values.issuer)] | None = setting(
        "OIDC_ISSUER",
        None,
        "The provider of OpenID Connect with which users sign in to the dashboard, exactly as it calls itself: "
        "`https://login.example.com/realms/staff`.",
    )
    oidc_client_id: str | None = setting("OIDC_CLIENT_ID", None, "As which client the provider knows this server.")
    oidc_client_secret: SecretStr | None = setting(
        "OIDC_CLIENT_SECRET", None, "That client's secret; unset for a public client."
    )
    oidc_scope: str = setting("OIDC_SCOPE", "openid email profile", "The scopes that the provider is asked for.")
    oidc_role_claim: str = setting(
        "OIDC_ROLE_CLAIM",
        "roles",
        "The claim of the ID token that says what a user is; dots lead into objects: `realm_access.roles`.",
        min_length=1,
    )
    oidc_role_admin: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(values.words)] = setting(
        "OIDC_ROLE_ADMIN", None, "Values of that claim that make a user an administrator."
    )
    oidc_role_editor: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(values.words)] = setting(
        "OIDC_ROLE_EDITOR", None, "Values of that claim that make a user an editor."
    )
    oidc_role_viewer: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(values.words)] = setting(
        "OIDC_ROLE_VIEWER", None, "Values of that claim that make a user a viewer."
    )
    oidc_default_role: Literal["viewer", "editor", "admin"] | None = setting(
        "OIDC_DEFAULT_ROLE", None, "The role of users of whom the claim says nothing; unset: they may not sign in."
    )
    oidc_allowed_domains: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(values.words)] = setting(
        "OIDC_ALLOWED_DOMAINS", None, "Domains of email addresses that may sign in; unset: all."
    )
