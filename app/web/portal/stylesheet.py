"""A portal's own colours, font and corners as CSS, which is a file, because pages allow no styles inside of them."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from app.web.portal.colours import Colour, contrast, mix, parse, readable, text_on

# What app.css has: colours of texts must be read on the first three.
OWN: Final = {
    "light": {
        "surface": Colour(0xFF, 0xFF, 0xFF),
        "bg": Colour(0xF6, 0xF7, 0xF9),
        "sunken": Colour(0xF0, 0xF1, 0xF5),
        "text": Colour(0x1C, 0x22, 0x30),
        "muted": Colour(0x5A, 0x63, 0x75),
        "bad": Colour(0xB3, 0x23, 0x1F),
        "brand": Colour(0x39, 0x49, 0xC6),
    },
    "dark": {
        "surface": Colour(0x1A, 0x1E, 0x28),
        "bg": Colour(0x12, 0x15, 0x1C),
        "sunken": Colour(0x14, 0x18, 0x22),
        "text": Colour(0xE7, 0xEA, 0xF1),
        "muted": Colour(0xA2, 0xAB, 0xBD),
        "bad": Colour(0xFF, 0x9D, 0x97),
        "brand": Colour(0x98, 0xA3, 0xFF),
    },
}
_SELECTORS: Final = {
    "light": ":root{{{}}}",
    "dark": ':root[data-theme="dark"]{{{0}}}@media (prefers-color-scheme:dark){{:root[data-theme="auto"]{{{0}}}}}',
}
_GROUNDS: Final = ("surface", "bg", "sunken")
_AREAS: Final = (*_GROUNDS, "line")
_TEXTS: Final = ("text", "muted", "bad")
# Of grounds on both of which the same texts are read.
_ALIKE: Final = 1.4
# Of a line, how much is text.
_LINE: Final = 0.2
# Of a button that is nearly as what is behind it.
_DISCERNIBLE: Final = 1.3
_RADII: Final = {"none": "0", "sm": "4px", "md": "8px", "lg": "14px", "full": "99px"}
_ROUND: Final = {"button-radius": "--radius-button", "card-radius": "--radius", "input-radius": "--radius-input"}
# A card with so much has no room for what is in it.
_ROUNDEST_CARD: Final = "20px"


def stylesheet(appearance: Mapping[str, str]) -> str:
    """The style of a session's pages. Its values were checked when they were taken (appearance.py)."""
    themes = {theme: _theme(appearance, theme) for theme in OWN}
    rules = [_SELECTORS[theme].format(_declared(variables)) for theme, variables in themes.items() if variables]
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
    own = OWN[theme]
    given = _grounds(own, given) | given
    grounds = [given.get(name, own[name]) for name in _GROUNDS]
    # What is written on other grounds may have to change with them.
    changed = own if any(name in given for name in _GROUNDS) else {}
    known = {**changed, **given}
    found: dict[str, Colour] = {name: given[name] for name in _AREAS if name in given}
    found |= {name: readable(known[name], *grounds) for name in _TEXTS if name in known}
    brand = given.get("brand", given.get("brand-fill", changed.get("brand")))
    if brand is not None:
        soft = mix(brand, grounds[0], 0.12)
        fill = readable(given.get("brand-fill", brand), grounds[0], least=_DISCERNIBLE)
        found |= {"brand-soft": soft, "brand": readable(brand, *grounds, soft)}
        found |= {"brand-fill": fill, "brand-text": text_on(fill)}
    return {f"--{name}": str(colour) for name, colour in found.items()}


def _grounds(own: Mapping[str, Colour], given: Mapping[str, Colour]) -> dict[str, Colour]:
    """The grounds, and lines on them, that must follow those that are given: no text is read on white and on black."""
    base = next((given[name] for name in _GROUNDS if name in given), None)
    if base is None or all(contrast(own[name], base) < _ALIKE for name in _GROUNDS):
        return {}
    return {**dict.fromkeys(_GROUNDS, base), "line": mix(text_on(base), base, _LINE)}


def _declared(variables: Mapping[str, str]) -> str:
    return ";".join(f"{name}:{value}" for name, value in variables.items())
