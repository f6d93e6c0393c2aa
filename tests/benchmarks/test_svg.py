"""Charts can be read by a browser, and show the figures that they are given."""

import re
from xml.etree import ElementTree

import pytest

from benchmarks.svg import Bar, Line, bar_chart, line_chart, number

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def bar_widths(svg: str) -> list[float]:
    rects = ElementTree.fromstring(svg).findall(f"{SVG}rect")
    return [float(rect.attrib["width"]) for rect in rects if rect.attrib["height"] == "24"]


def test_bars_are_as_long_as_their_figures() -> None:
    svg = bar_chart(
        "Speed", "per second", [Bar("ours", {"": 4_000.0}), Bar("<theirs> & more", {"": 1_000.0}, quiet=True)]
    )
    ours, theirs = bar_widths(svg)
    assert ours == pytest.approx(4 * theirs, rel=0.01)
    assert {"Speed", "per second", "ours", "<theirs> & more", "4,000", "1,000"} <= set(texts(svg))


def test_a_stacked_bar_shows_its_parts_their_names_and_their_sum() -> None:
    svg = bar_chart("Cost", "µs", [Bar("one", {"api": 60.0, "worker": 40.0})])
    api, worker = bar_widths(svg)
    assert api == pytest.approx(1.5 * worker, rel=0.01)
    assert {"api", "worker", "60", "40", "100"} <= set(texts(svg))


@pytest.mark.parametrize("log", [False, True])
def test_every_point_of_a_line_lies_within_the_axes(log: bool) -> None:
    lines = [Line("a", [(10, 3), (100, 250), (1000, 40)]), Line("b", [(10, 1), (1000, 999)])]
    svg = line_chart("Growth", "ms", "rows", lines, log_x=log, log_y=log)
    grid = [float(line.attrib["y1"]) for line in ElementTree.fromstring(svg).iter(f"{SVG}line")]
    points = [
        [float(value) for value in pair.split(",")]
        for line in ElementTree.fromstring(svg).iter(f"{SVG}polyline")
        for pair in line.attrib["points"].split()
    ]
    assert len(points) == 5
    assert all(min(grid) <= y <= max(grid) for _, y in points)
    assert all(70 <= x <= 730 for x, _ in points)


def test_a_chart_brings_its_own_background_for_dark_pages() -> None:
    root = ElementTree.fromstring(bar_chart("t", "u", [Bar("a", {"": 1.0})]))
    _, _, width, height = root.attrib["viewBox"].split()
    assert (root[0].tag, root[0].attrib["fill"]) == (f"{SVG}rect", "#ffffff")
    assert (root[0].attrib["width"], root[0].attrib["height"]) == (width, height)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.5, "0.5"), (3.14159, "3.14"), (70, "70"), (1234.5, "1,234"), (10_000_000, "10 M")]
)
def test_a_figure_has_as_many_digits_as_it_deserves(value: float, text: str) -> None:
    assert number(value) == text


def test_no_chart_refers_to_anything_outside_of_itself() -> None:
    svg = line_chart("t", "u", "x", [Line("a", [(0, 1), (1, 2)])])
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
