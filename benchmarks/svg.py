"""Small charts as SVG: bars, stacked bars and lines. They bring their own background, so that they can be read on a
dark page and on a light one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
_LEFT, _RIGHT, _TOP = 210, 70, 58
_BAR, _GAP = 24, 14
COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#64748b", "#0891b2")
_INK, _QUIET, _RULE, _PAPER = "#1e293b", "#64748b", "#e2e8f0", "#ffffff"


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a bar chart: its parts, by the name of their series. `quiet` was measured elsewhere."""

    label: str
    parts: Mapping[str, float]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A series of a line chart: points from left to right."""

    label: str
    points: Sequence[tuple[float, float]]


def number(value: float) -> str:
    """A figure with as many digits as it deserves."""
    if value >= 1_000_000 and value % 100_000 == 0:
        return f"{value / 1_000_000:g} M"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def bar_chart(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars from zero, with the sum at the end of each; series are told apart if there are several."""
    series = list(dict.fromkeys(name for bar in bars for name in bar.parts))
    most = max((sum(bar.parts.values()) for bar in bars), default=1.0) or 1.0
    scale = (WIDTH - _LEFT - _RIGHT) / most
    body, y = [], _TOP + (24 if len(series) > 1 else 0)
    for bar in bars:
        middle, x = y + _BAR / 2 + 4, float(_LEFT)
        body.append(_text(_LEFT - 10, middle, bar.label, anchor="end", fill=_QUIET if bar.quiet else _INK))
        for name, value in bar.parts.items():
            colour = "#94a3b8" if bar.quiet else COLOURS[series.index(name) % len(COLOURS)]
            body.append(f'<rect x="{x:.1f}" y="{y}" width="{value * scale:.1f}" height="{_BAR}" fill="{colour}"/>')
            if len(series) > 1 and value * scale > 34:
                body.append(_text(x + value * scale / 2, middle, number(value), anchor="middle", fill="#fff", size=11))
            x += value * scale
        body.append(_text(x + 6, middle, number(sum(bar.parts.values()))))
        y += _BAR + _GAP
    legend = _legend(series, _LEFT) if len(series) > 1 else []
    return _page(title, unit, y + 8, [*legend, *body])


def line_chart(
    title: str, unit: str, across: str, lines: Sequence[Line], *, log_x: bool = False, log_y: bool = False
) -> str:
    """Lines over a common axis, from zero unless `log_y`; the names of the axes are `unit` and `across`."""
    left, right, top, bottom = 70, WIDTH - 30, _TOP + 30, 330
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    x_ticks, y_ticks = _ticks(min(xs), max(xs), log_x), _ticks(min(ys) if log_y else 0.0, max(ys), log_y)

    def place(value: float, ticks: Sequence[float], start: float, end: float, log: bool) -> float:
        low, high = ticks[0], ticks[-1]
        share = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
        return start + share * (end - start)

    body, legend = [], _legend([line.label for line in lines], left)
    for tick in y_ticks:
        y = place(tick, y_ticks, bottom, top, log_y)
        body.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{_RULE}"/>')
        body.append(_text(left - 8, y + 4, number(tick), anchor="end", fill=_QUIET, size=12))
    body += [
        _text(place(tick, x_ticks, left, right, log_x), bottom + 20, number(tick), "middle", _QUIET, 12)
        for tick in x_ticks
    ]
    for index, line in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        places = [
            (place(x, x_ticks, left, right, log_x), place(y, y_ticks, bottom, top, log_y)) for x, y in line.points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        if len(places) <= 12:
            body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    body.append(_text((left + right) / 2, bottom + 42, across, anchor="middle", fill=_QUIET, size=12))
    return _page(title, unit, bottom + 56, [*legend, *body])


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round numbers that enclose both ends."""
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    step = 10.0 ** math.floor(math.log10((high - low) or 1.0))
    step = next(step * part for part in (0.2, 0.5, 1.0, 2.0) if (high - low) / (step * part) <= 6)
    first = math.floor(low / step)
    return [round(step * number, 6) for number in range(first, max(math.ceil(high / step), first + 1) + 1)]


def _legend(names: Sequence[str], left: float) -> list[str]:
    parts, x = [], left
    for index, name in enumerate(names):
        parts.append(
            f'<rect x="{x:.0f}" y="{_TOP - 6}" width="12" height="12" fill="{COLOURS[index % len(COLOURS)]}"/>'
        )
        parts.append(_text(x + 17, _TOP + 5, name, size=12))
        x += 34 + 6.6 * len(name)
    return parts


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = _INK, size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{escape(text)}</text>'
    )


def _page(title: str, unit: str, height: float, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif">'
        f'<rect width="{WIDTH}" height="{height:.0f}" rx="8" fill="{_PAPER}" stroke="{_RULE}"/>'
    )
    top = [
        _text(20, 28, title, size=16).replace("<text", '<text font-weight="600"'),
        _text(20, 45, unit, fill=_QUIET, size=12),
    ]
    return "\n".join([head, *top, *body, "</svg>", ""])
