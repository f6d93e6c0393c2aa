"""JSON for people: other line breaks and spaces, and nothing else."""

import json
import re
from time import process_time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.web.message.indented import indented
from app.web.rendering import pretty

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@hypothesis_settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.booleans())
def test_it_means_the_same_and_looks_as_python_would_write_it(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    assert indented(text) == json.dumps(value, ensure_ascii=ascii_only, indent=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1.10,"a":12345678901234567890123,"e":1E+2}',
         '{\n  "a": 1.10,\n  "a": 12345678901234567890123,\n  "e": 1E+2\n}'),
        ('{ }', "{}"),
        ('{"a":"\\u00fc \\" {[,:]}"}', '{\n  "a": "\\u00fc \\" {[,:]}"\n}'),
    ],
)  # fmt: skip
def test_numbers_names_and_escapes_stay_as_they_are(text: str, expected: str) -> None:
    assert indented(text) == expected


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_what_is_cut_or_no_json_is_shown_without_an_error(text: str) -> None:
    kept = re.sub(r'[\s"\\]', "", indented(text))
    assert set(kept) <= set(text) | {":"}


def test_what_is_deep_stays_narrow() -> None:
    deep = indented("[" * 5000 + "]" * 5000)
    assert max(len(line) for line in deep.splitlines()) < 140


@pytest.mark.parametrize("end", ["", "\\"], ids=["within a string", "after a backslash"])
def test_a_string_that_was_cut_takes_no_longer_than_others(end: str) -> None:
    cut = '{"document":"' + '\\"' * 32_000 + end
    begun = process_time()
    assert indented(cut).endswith('\\"' * 100 + end)
    assert process_time() - begun < 1


def test_what_is_too_deep_to_be_written_is_shown_as_it_is() -> None:
    deep = "[" * 300 + "]" * 300
    assert pretty(deep) == pretty(deep.encode()) == deep
    assert pretty('{"a":[]}') == '{\n  "a": []\n}'
