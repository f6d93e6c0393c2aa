"""Flame graphs: pictures without a script, and without this machine's folders."""

from pathlib import Path
from xml.dom import minidom

import pytest

from benchmarks.flame import without_script

RECORDED = """<svg onload="init(evt)"><script type="text/ecmascript"><![CDATA[
  // somebody else's
]]></script><text id="search" x="1">Search</text><text id="title">api</text><g><title>f (1 samples)</title></g></svg>"""


def test_a_recorded_picture_loses_its_script_and_what_only_that_served() -> None:
    assert without_script(RECORDED) == '<svg><text id="title">api</text><g><title>f (1 samples)</title></g></svg>'


@pytest.mark.parametrize("role", ["api", "worker"])
def test_the_committed_pictures_are_whole_and_hold_no_script(role: str) -> None:
    path = Path(__file__).parents[2] / f"docs/explanation/img/flame-{role}.svg"
    assert len(minidom.parse(str(path)).getElementsByTagName("title")) > 50
    assert "<script" not in path.read_text()
