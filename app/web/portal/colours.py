"""Colours as CSS writes them, and how well one is read on another (WCAG 2.2 §1.4.3)."""

import re
from typing import Final, NamedTuple

READABLE: Final = 4.5
"""The least contrast of text and what is behind it."""

_HEX: Final = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_FUNCTION: Final = re.compile(r"rgb\( ?([0-9]{1,3})[, ] ?([0-9]{1,3})[, ] ?([0-9]{1,3}) ?\)")
_STEPS: Final = 20


class Colour(NamedTuple):
    """Red, green and blue, each from 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


BLACK: Final = Colour(0, 0, 0)
WHITE: Final = Colour(255, 255, 255)
_INK: Final = Colour(0x12, 0x16, 0x2B)


def parse(text: str) -> Colour | None:
    """The colour of `#rrggbb`, `#rgb` (both also without `#`) or `rgb(1, 2, 3)`; None for what is none of these."""
    if found := _HEX.fullmatch(text):
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return Colour(*bytes.fromhex(digits))
    if found := _FUNCTION.fullmatch(text):
        parts = [int(part) for part in found.groups()]
        return Colour(*parts) if max(parts) <= 255 else None
    return None


def contrast(one: Colour, other: Colour) -> float:
    """From 1, not to be told apart, to 21, black on white."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the first, and of the other what is left."""
    return Colour(*(round(a * share + b * (1 - share)) for a, b in zip(one, other, strict=True)))


def text_on(background: Colour) -> Colour:
    """White or nearly black: what is read better there. Black itself where neither is read well enough."""
    best = max((WHITE, _INK), key=lambda text: contrast(text, background))
    return best if contrast(best, background) >= READABLE else BLACK


def readable(colour: Colour, *backgrounds: Colour, least: float = READABLE) -> Colour:
    """The colour, or the nearest shade or tint of it that has the least contrast with each of the backgrounds.

    The best there is where none has it with each.
    """
    ends = (BLACK, WHITE)
    shades = (mix(end, colour, step / _STEPS) for step in range(_STEPS + 1) for end in ends)
    tried = [(min(contrast(shade, behind) for behind in backgrounds), shade) for shade in shades]
    return next((shade for found, shade in tried if found >= least), max(tried)[1])


def _luminance(colour: Colour) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    red, green, blue = (
        part / 12.92 if (part := value / 255) <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for value in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
