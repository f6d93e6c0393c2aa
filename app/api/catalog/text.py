"""An OpenAPI document as text, JSON or YAML, read into what JSON can hold.

Of YAML what JSON has, as YAML 1.2 means it: no tags, no dates, no `yes` for true, keys are texts. Aliases are refused:
a few lines of them stand for gigabytes.
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec
import yaml
from pydantic import JsonValue

MOST_NODES: Final = 50_000
MOST_DEPTH: Final = 100
# They say of a value what it is anyway, or that it is a text.
_TAGS: Final = frozenset({"!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,400}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,400}|[0-9]{1,400}(\.[0-9]{0,400})?)([eE][-+]?[0-9]{1,3})?", re.ASCII)
_LARGEST: Final = 1.7976931348623157e308


def read_document(text: str) -> JsonValue:
    """What a text says. ValueError, with a reason for whoever wrote it, if it is neither JSON nor YAML, or too much."""
    try:
        document: JsonValue = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _read_yaml(text)
    return document


def _read_yaml(text: str) -> JsonValue:
    reading = _Reading()
    try:
        # One event after the other: composing nodes would recurse, in C, without end.
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            reading.take(event)
    except yaml.YAMLError as error:
        marked = error if isinstance(error, yaml.MarkedYAMLError) else None
        where = f" in line {marked.problem_mark.line + 1}" if marked is not None and marked.problem_mark else ""
        problem = (marked.problem if marked is not None else None) or "it holds what no text may"
        raise ValueError(f"the text is neither JSON nor YAML: {problem}{where}") from None
    return reading.document


@dataclass(slots=True)
class _Open:
    """An object or list whose end is still to come; of an object the name of the entry that is next."""

    holds: dict[str, JsonValue] | list[JsonValue]
    name: str | None = None


class _Reading:
    """Makes one value of the events of a YAML text."""

    def __init__(self) -> None:
        self.document: JsonValue = None
        self._open: list[_Open] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        match event:
            case yaml.AliasEvent():
                raise ValueError(f"line {line} holds an alias (*{event.anchor}): write it out, or use $ref")
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise ValueError(f"a second document begins in line {line}")
            case yaml.ScalarEvent():
                self._add(event, line)
            case yaml.CollectionStartEvent():
                _refuse_tag(event.tag, line)
                self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], line)
            case yaml.CollectionEndEvent():
                self._open.pop()

    def _begin(self, holds: dict[str, JsonValue] | list[JsonValue], line: int) -> None:
        if len(self._open) >= MOST_DEPTH:
            raise ValueError(f"line {line} is nested deeper than {MOST_DEPTH} levels")
        self._put(holds, line)
        self._open.append(_Open(holds))

    def _add(self, event: yaml.ScalarEvent, line: int) -> None:
        _refuse_tag(event.tag, line)
        inner = self._open[-1] if self._open else None
        if inner is None or isinstance(inner.holds, list) or inner.name is not None:
            # What is in quotes, or a block, is a text whatever it looks like.
            self._put(_plain(event.value) if event.implicit[0] and event.tag is None else event.value, line)
        elif event.value in inner.holds:
            raise ValueError(f"line {line}: the key {event.value[:100]!r} is there twice")
        else:
            inner.name = event.value

    def _put(self, value: JsonValue, line: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES} parts")
        if not self._open:
            self.document = value
            return
        inner = self._open[-1]
        if isinstance(inner.holds, list):
            inner.holds.append(value)
        elif inner.name is None:
            raise ValueError(f"line {line}: a key must be a text")
        else:
            inner.holds[inner.name] = value
            inner.name = None


def _refuse_tag(tag: str | None, line: int) -> None:
    if tag not in {None, *_TAGS}:
        raise ValueError(f"line {line} has a tag ({tag}): write the value without it")


def _plain(text: str) -> JsonValue:
    """What a text without quotes stands for."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if abs(number) <= _LARGEST else text
    return text
