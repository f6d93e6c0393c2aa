"""A portal's own colours, font and corners as CSS, which is a file, because pages allow no styles inside of them."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from app.web.portal.colours import Colour, mix, parse, readable, text_on

# What app.css has for these, against which other colours must be read.
GROUNDS: Final = {
    "light": {"surface": Colour(255, 255, 255), "bg": Colour(0xF6, 0xF7, 0xF9)},
    "dark": {"surface": Colour(0x1A, 0x1E, 0x28), "bg": Colour(0x12, 0x15, 0x1C)},
}
_SELECTORS: Final = {
    "light": ":root{{{}}}",
    "dark": ':root[data-theme="dark"]{{{0}}}@media (prefers-color-scheme:dark){{:root[data-theme="auto"]{{{0}}}}}',
}
_TEXTS: Final = ("text", "muted", "bad")
_AREAS: Final = ("surface", "bg", "sunken", "line")
# Of a button that is nearly as what is behind it.
_DISCERNIBLE: Final = 1.3
_RADII: Final = {"none": "0", "sm": "4px", "md": "8px", "lg": "14px", "full": "99px"}
_ROUND: Final = {"button-radius": "--radius-button", "card-radius": "--radius", "input-radius": "--radius-input"}
# A card with so much has no room for what is in it.
_ROUNDEST_CARD: Final = "20px"


def stylesheet(appearance: Mapping[str, str]) -> str:
    """The style of a session's pages. Its values were checked when they were taken (appearance.py)."""
    rules = [_SELECTORS[theme].format(_declared(variables)) for theme in GROUNDS if (variables := _theme(appearance, theme))]
    radii = {_ROUND[name]: _RADII[appearance[name]] for name in _ROUND if appearance.get(name) in _RADII}
    if radii.get("--radius") == _RADII["full"]:
        radii["--radius"] = _ROUNDEST_CARD
    if radii:
        rules.append(f":root{{{_declared(radii)}}}")
    if font := appearance.get("font"):
        if url := appearance.get("font-url"):
            address = quote(url, safe=":/?&=#%~+,;@!$*")
            rules.append(f'@font-face{{font-family:"{font}";src:url("{address}");font-display:swap}}')
        rules.append(f'html{{font-family:"{font}",var(--font)}}')
    if size := appearance.get("size"):
        rules.append(f"html{{font-size:{int(size)}px}}")
    return "\n".join(rules)


def _theme(appearance: Mapping[str, str], theme: str) -> dict[str, str]:
    """The variables of app.css that the appearance changes in a theme, each readable where it is used."""
    given = {
        name: colour
        for name in (*_AREAS, *_TEXTS, "brand", "brand-fill")
        if (colour := parse(appearance.get(f"{theme}-{name}", ""))) is not None
    }
    grounds = [given.get(name, ground) for name, ground in GROUNDS[theme].items()]
    found = {name: given[name] for name in _AREAS if name in given}
    found |= {name: readable(given[name], *grounds) for name in _TEXTS if name in given}
    brand = given.get("brand", given.get("brand-fill"))
    if brand is not None:
        soft = mix(brand, grounds[0], 0.12)
        fill = readable(given.get("brand-fill", brand), grounds[0], least=_DISCERNIBLE)
        found |= {"brand-soft": soft, "brand": readable(brand, *grounds, soft)}
        found |= {"brand-fill": fill, "brand-text": text_on(fill)}
    return {f"--{name}": str(colour) for name, colour in found.items()}


def _declared(variables: Mapping[str, str]) -> str:
    return ";".join(f"{name}:{value}" for name, value in variables.items())
