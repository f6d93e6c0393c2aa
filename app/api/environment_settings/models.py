"""The settings of an environment on the wire. Which of them have an effect says docs/how-to/manage-environments.md."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from app.api.event_type.models import LONGEST_RETRY, MOST_RETRIES
from app.api.fields import Dto, Flag, Text, whole

_LONGEST_URL: Final = 65_536
_LONGEST_TEXT: Final = 1024


def _check_url(value: str) -> str:
    if not value.startswith(("https://", "http://", "data:image/")):
        raise ValueError("the address must begin with https://, http:// or data:image/")
    return value


# Of CSS: a name, a hexadecimal code, or a function of numbers; nothing that could end a declaration.
Color = Annotated[
    str, Field(pattern=r"^[#a-zA-Z0-9(),.%/ -]{1,64}$", examples=["#30a9f4"], json_schema_extra={"format": "color"})
]
Address = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=_LONGEST_URL,
        examples=["https://example.com/logo.svg"],
        json_schema_extra={"format": "uri"},
    ),
    AfterValidator(_check_url),
]
ShortText = Annotated[Text, Field(max_length=_LONGEST_TEXT, examples=["Where your events arrive"])]
FontFamily = Annotated[str, Field(pattern=r"^[a-zA-Z0-9\-_ ]+$", max_length=256)]
FontSize = Annotated[int, Field(strict=True, ge=0, le=2**16 - 1, examples=[16]), whole]
RetrySeconds = Annotated[int, Field(strict=True, ge=0, le=LONGEST_RETRY), whole]


class BorderRadius(StrEnum):
    NONE = "none"
    LG = "lg"
    MD = "md"
    SM = "sm"
    FULL = "full"


class BorderRadiusConfig(Dto):
    """How round things are."""

    button: BorderRadius | None = None
    card: BorderRadius | None = None
    input: BorderRadius | None = None


class FontSizeConfig(Dto):
    """How large text is."""

    base: FontSize | None = Field(default=None, examples=[16])


class CustomThemeOverride(Dto):
    """How the portal's parts look."""

    border_radius: BorderRadiusConfig | None = None
    font_size: FontSizeConfig | None = None


class CustomStringsOverride(Dto):
    """What the portal calls things."""

    channels_one: ShortText | None = Field(default=None, examples=["project"])
    channels_many: ShortText | None = Field(default=None, examples=["projects"])
    channels_help: ShortText | None = None


class CustomColorPalette(Dto):
    """The portal's colours, as CSS writes them."""

    primary: Color | None = Field(default=None, examples=["#4f46e5"])
    background_primary: Color | None = None
    background_secondary: Color | None = None
    background_hover: Color | None = None
    text_primary: Color | None = None
    text_secondary: Color | None = None
    text_danger: Color | None = None
    interactive_accent: Color | None = None
    navigation_accent: Color | None = None
    button_primary: Color | None = None
    border_primary: Color | None = None


class _Portal(Dto):
    """What portals may know."""

    custom_color: Color | None = Field(default=None, examples=["#4f46e5"])
    custom_logo_url: Address | None = Field(default=None, examples=["https://example.com/logo.svg"])
    custom_font_family: FontFamily | None = Field(default=None, examples=["Open Sans"])
    custom_font_family_url: Address | None = Field(default=None, examples=["https://example.com/font.woff2"])
    custom_theme_override: CustomThemeOverride | None = None
    custom_strings_override: CustomStringsOverride | None = None
    display_name: ShortText | None = Field(default=None, examples=["Acme"])
    enable_channels: Flag = Field(default=False, description="Whether the portal shows channels.")
    enable_message_stream: Flag = False
    enable_integration_management: Flag = False
    enable_transformations: Flag = Field(
        default=False, description="Whether portals may write and try transformations."
    )
    enable_endpoint_oauth_config: Flag = False
    enable_endpoint_mtls_config: Flag = False
    color_palette_light: CustomColorPalette | None = None
    color_palette_dark: CustomColorPalette | None = None
    show_use_svix_play: Flag = False
    wipe_successful_payload: Flag = False
    show_feature_tooltips: Flag = False
    advanced_endpoint_types: Annotated[list[ShortText], Field(max_length=32)] = Field(
        default_factory=list, examples=[["poller"]]
    )


class SettingsInternalIn(_Portal):
    """All settings. What is left out has its default."""

    retry_policy: Annotated[list[RetrySeconds], Field(max_length=MOST_RETRIES)] | None = Field(
        default=None,
        description="Seconds before each retry, where the event type has no schedule; an empty list is none at all, "
        "null the installation's schedule.",
        examples=[[5, 300, 1800]],
    )
    require_endpoint_channel: Flag = Field(default=False, description="Endpoints must name channels.")
    require_endpoint_filter_types: Flag = Field(default=False, description="Endpoints must name event types.")
    enforce_https: Flag = Field(default=False, description="Endpoints must have https addresses.")
    disable_endpoint_on_failure: Flag = Field(
        default=True, description="Whether an endpoint is disabled that fails for long, or is gone (410)."
    )
    read_only: Flag = Field(default=False, description="Portals may look, and change nothing.")
    endpoints_per_app_limit: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1), whole] | None = Field(
        default=None, description="Most endpoints of an application; null: any number.", examples=[50]
    )
    whitelabel_headers: Flag = False
    send_svix_webhook_headers: Flag = False
    enable_msg_atmpt_log: Flag = False
    enable_otlp: Flag = False
    custom_base_font_size: FontSize | None = None
    event_catalog_published: Flag = False
    enable_application_alerts: Flag = False
    application_alert_events: Annotated[list[ShortText], Field(max_length=32)] = Field(
        default_factory=list, examples=[["endpoint.disabled"]]
    )
    application_alerts_dashboard_url: Address | None = None
    application_alerts_logo_url: Address | None = None
    webhooks_auto_config: Flag = False
    mcp_token: Flag = False


class SettingsInternalPatch(SettingsInternalIn):
    """Only the fields that are present change, so that the defaults here are never used."""


class SettingsInternalOut(SettingsInternalIn):
    """All settings, with the defaults of those that were never set."""

    show_svix_brand_footer: Flag = False
    whitelabel_logo: str | None = Field(default=None, examples=["https://example.com/logo.svg"])


class EnvironmentSettingsOut(_Portal):
    """What of the settings is for portals."""

    logo_url: str | None = Field(default=None, examples=["https://example.com/logo.svg"])
    enable_message_tags: Flag = Field(default=True, description="Whether the portal shows tags.")
    show_svix_brand_footer: Flag = False
