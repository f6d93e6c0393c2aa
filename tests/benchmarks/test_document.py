"""The page about performance shows what was measured, and nothing else."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from benchmarks.charts import draw
from benchmarks.document import DOCUMENT, IMAGES, with_figures
from benchmarks.flame import without_folders
from benchmarks.machine import Machine
from benchmarks.saved import PROJECT, Saved, Stamp, read_all
from benchmarks.scenarios import Outcome
from tests.benchmarks.test_report import GOOD

MACHINE = Machine(2, "Some CPU", 24.0, "Linux 6", "3.11.7")
STAMP = Stamp(datetime(2026, 1, 2, tzinfo=UTC), "make bench")
WORKERS = Saved(
    Outcome("two-workers", MACHINE, [GOOD, replace(GOOD, delivered_per_s=5_432.0)]), replace(STAMP, command="x")
)
MARK = "before\n<!-- figures: two-workers -->\nold\n<!-- end of figures -->\nafter\n"


def test_a_table_is_put_between_its_marks_with_its_command_and_machine() -> None:
    text = with_figures(MARK, {"two-workers": WORKERS})
    assert "old" not in text
    assert text.startswith("before\n<!-- figures: two-workers -->\n")
    assert text.endswith("<!-- end of figures -->\nafter\n")
    for part in ("5,432", "--scenario two-workers", "02 January 2026", "2 × Some CPU"):
        assert part in text
    assert with_figures(text, {"two-workers": WORKERS}) == text


def test_what_was_not_measured_stays_as_it_is() -> None:
    assert with_figures(MARK, {}) == MARK


def test_an_unknown_mark_is_an_error() -> None:
    with pytest.raises(ValueError, match="no table is called nonsense"):
        with_figures(MARK.replace("two-workers", "nonsense"), {})


def test_the_page_and_its_charts_are_those_of_the_saved_figures() -> None:
    saved, text = read_all(), DOCUMENT.read_text()
    assert with_figures(text, saved) == text, "run `python -m benchmarks.document`"
    for name, svg in draw(saved).items():
        assert (IMAGES / name).read_text() == svg, "run `python -m benchmarks.document`"


def test_every_picture_of_the_page_exists() -> None:
    named = re.findall(r"\]\((img/[\w.-]+)\)", DOCUMENT.read_text())
    assert len(named) >= 6
    assert [name for name in named if not (DOCUMENT.parent / name).exists()] == []


def test_nothing_that_was_saved_failed_or_names_this_machines_folders() -> None:
    assert all(saved.outcome.holds for saved in read_all().values())
    files = [*IMAGES.glob("*.svg"), *(DOCUMENT.parent / "data").glob("*.json"), DOCUMENT]
    assert [path.name for path in files if re.search(r"/(work|home|root|tmp|usr)/", path.read_text())] == []


def test_a_flame_graph_names_files_as_they_are_in_the_project_or_in_a_package() -> None:
    svg = (
        f"<title>f ({PROJECT}/app/ids.py:1)</title>"
        "<title>g (/opt/venv/lib/python3.11/site-packages/kombu/utils/time.py:2)</title>"
        "<title>h (/usr/lib/python3.11/asyncio/base_events.py:3)</title>"
    )
    assert re.findall(r"\((.*?)\)", without_folders(svg)) == [
        "app/ids.py:1",
        "kombu/utils/time.py:2",
        "asyncio/base_events.py:3",
    ]
