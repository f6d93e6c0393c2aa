"""The parameters of the model: one file, in which each says what it is, how it was measured, and by which command."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, TypeAlias

FILE: Final = Path(__file__).with_name("parameters.toml")

Figures: TypeAlias = dict[str, float]
"""The numbers of one parameter: `value`, or `fixed` and `each`."""

# What one of a unit is in seconds, bytes or counts.
_UNITS: Final = {"µs": 1e-6, "bytes": 1.0, "bytes/s": 1.0, "rows/s": 1.0, "share": 1.0, "connections": 1.0}


class ParametersError(Exception):
    """The file of parameters is not as the model needs it. The text says what to change."""


@dataclass(frozen=True, slots=True)
class Line:
    """A cost that grows with what it is for: `fixed` for each statement, and `each` for every row of it."""

    fixed: float
    each: float

    def of(self, rows: float) -> float:
        return self.fixed + self.each * rows


@dataclass(frozen=True, slots=True)
class Parameters:
    """Seconds of CPU, bytes and counts; the file says what each is."""

    api_request: float
    api_wake: float
    api_publish: Line
    api_ring: float
    worker_delivery: float
    worker_wake: float
    worker_ring: float
    worker_read: Line
    worker_payloads: Line
    worker_record: Line
    postgres_publish: Line
    postgres_fan_out: float
    postgres_read: Line
    postgres_read_shard: float
    postgres_payloads: Line
    postgres_record: Line
    postgres_background: float
    redis_ring: float
    flush_median: float
    flush_p99: float
    disk_bytes_per_second: float
    wal_publish: Line
    wal_fan_out: float
    wal_record: Line
    load_message: float
    load_delivery: float
    message_bytes: float
    delivery_bytes: float
    vacuum_rows_per_second: float
    publish_rows_1_lanes: float
    publish_rows_2_lanes: float
    publish_rows_4_lanes: float
    connections: float
    network: float
    receiver_median: float
    receiver_p99: float
    volume_flush_median: float
    volume_flush_p99: float


@dataclass(frozen=True, slots=True)
class Observed:
    """One load of `make bench`, and what it came to: rates per second, milliseconds, microseconds of CPU a message."""

    name: str
    messages: int
    connections: int
    endpoints: int
    rate: float
    accepted_per_s: float
    delivered_per_s: float
    p50_ms: float
    p99_ms: float
    api_us: float
    worker_us: float
    postgres_us: float
    load_us: float


def read(text: str | None = None) -> tuple[Parameters, list[Observed]]:
    """The parameters, and what was observed on the same machine. ParametersError if something is missing or wrong."""
    tables = tomllib.loads(FILE.read_text() if text is None else text)
    observed = [Observed(**entry) for entry in tables.pop("observed", ())]
    found: dict[str, Line | float] = {}
    for name, table in tables.items():
        if missing := {"unit", "what", "how", "command"} - table.keys():
            raise ParametersError(f"[{name}] does not say its {', '.join(sorted(missing))}: add it")
        if table["unit"] not in _UNITS:
            raise ParametersError(f"[{name}] is in {table['unit']!r}: use one of {', '.join(_UNITS)}")
        scale = _UNITS[table["unit"]]
        found[name] = (
            table["value"] * scale if "value" in table else Line(table["fixed"] * scale, table["each"] * scale)
        )
    wanted = {field.name: field.type for field in fields(Parameters)}
    if wanted.keys() != found.keys():
        raise ParametersError(f"these are missing, or unknown: {', '.join(sorted(wanted.keys() ^ found.keys()))}")
    if wrong := [name for name, kind in wanted.items() if not isinstance(found[name], kind)]:  # type: ignore[arg-type]
        raise ParametersError(f"these need `value`, or `fixed` and `each`: {', '.join(wrong)}")
    return Parameters(**found), observed  # type: ignore[arg-type]  # checked just above


def rewritten(text: str, measured: Mapping[str, Figures]) -> str:
    """The file's text with other figures; its words stay. ParametersError if it has no such parameter."""
    for name, figures in measured.items():
        for part, value in figures.items():
            pattern = rf"(?ms)^(\[{name}\]\n(?:(?!^\[).)*?^{part} = )[^\n]*"
            text, count = re.subn(pattern, rf"\g<1>{_number(value)}", text, count=1)
            if not count:
                raise ParametersError(f"[{name}] has no {part}: add it, with its words")
    return text


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"
