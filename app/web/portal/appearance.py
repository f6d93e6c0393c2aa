"""How a portal looks: by the organization's settings, and by the link that opened it. Kept with the session."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from app.api.environment_settings.models import CustomColorPalette, EnvironmentSettingsOut
from app.web.cookies import THEMES
from app.web.portal.colours import parse

LONGEST_NAME: Final = 80
_LONGEST_ADDRESS: Final = 2048
# An image that is in the address itself is in each page.
_LONGEST_IMAGE: Final = 16_384
_SIZES: Final = range(10, 25)
_FONT: Final = re.compile(r"[a-zA-Z0-9\-_ ]{1,256}")
# What the settings call a colour, by what the pages' styles call it; the first that is set counts.
_COLOURS: Final = {
    "brand": ("primary", "interactive_accent", "navigation_accent"),
    "brand-fill": ("button_primary",),
    "surface": ("background_primary",),
    "bg": ("background_secondary",),
    "sunken": ("background_hover",),
    "line": ("border_primary",),
    "text": ("text_primary",),
    "muted": ("text_secondary",),
    "bad": ("text_danger",),
}


def appearance_of(settings: EnvironmentSettingsOut) -> dict[str, str]:
    """By the settings. What a page cannot show, as a colour by its name, is left out."""
    found = {
        "name": _name(settings.display_name or ""),
        "logo": _image(settings.custom_logo_url or ""),
        "font": _font(settings.custom_font_family or ""),
        "font-url": _https(settings.custom_font_family_url or ""),
    }
    for theme, palette in (("light", settings.color_palette_light), ("dark", settings.color_palette_dark)):
        found |= _palette(theme, palette or CustomColorPalette(), settings.custom_color or "")
    if (override := settings.custom_theme_override) is not None:
        if override.font_size is not None and override.font_size.base in _SIZES:
            found["size"] = str(override.font_size.base)
        if (radius := override.border_radius) is not None:
            found |= {f"{part}-radius": value.value for part, value in radius if value is not None}
    return {name: value for name, value in found.items() if value}


def appearance_in(parameters: Mapping[str, str]) -> dict[str, str]:
    """By the parameters of a link: those of the Svix portal, and `name`. What is not valid is left out."""
    colour = parse(parameters.get("primaryColor", ""))
    found = {
        "name": _name(parameters.get("name", "")),
        "logo": _https(parameters.get("icon", "")),
        "font": _font(parameters.get("fontFamily", "")),
    }
    if colour is not None:
        found |= {f"{theme}-{part}": str(colour) for theme in ("light", "dark") for part in ("brand", "brand-fill")}
    return {name: value for name, value in found.items() if value}


def theme_in(parameters: Mapping[str, str], *, is_framed: bool) -> str | None:
    """Dark, light or auto, if the link says so; None: as whoever looks at it wants it.

    The Svix components leave `darkMode` out for light: in a frame it is the page around it that is light then.
    """
    by_value = {"true": "dark", "auto": "auto", "false": "light"}
    wanted = by_value.get(parameters.get("darkMode", ""), "light" if is_framed else None)
    assert wanted is None or wanted in THEMES
    return wanted


def _palette(theme: str, palette: CustomColorPalette, primary: str) -> dict[str, str]:
    found = {}
    for part, names in _COLOURS.items():
        given = [getattr(palette, name) or "" for name in names] + ([primary] if part == "brand" else [])
        colours = [colour for text in given if (colour := parse(text)) is not None]
        if colours:
            found[f"{theme}-{part}"] = str(colours[0])
    return found


def _name(text: str) -> str:
    return text.strip()[:LONGEST_NAME] if text.isprintable() else ""


def _font(text: str) -> str:
    return text.strip() if _FONT.fullmatch(text) else ""


def _image(text: str) -> str:
    return text if text.startswith("data:image/") and len(text) <= _LONGEST_IMAGE else _https(text)


def _https(text: str) -> str:
    """An address that a page may load: with TLS, and without anything that no browser would send."""
    if len(text) > _LONGEST_ADDRESS or not text.isascii() or not text.isprintable() or " " in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme == "https" and parts.hostname and parts.username is None else ""
