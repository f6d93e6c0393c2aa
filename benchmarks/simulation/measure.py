"""`python -m benchmarks.simulation.measure`: measures what statements, the log and a ring cost here; about 30 seconds.

`--write` puts the figures into parameters.toml, beside the words that are there.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import typer
import uvloop

from app.cli.embedded import EmbeddedPostgres, EmbeddedValkey
from app.cli.migrations import migrate
from app.db.session import Database
from app.settings import Settings, load
from benchmarks.simulation import statements
from benchmarks.simulation.parameters import FILE, Figures, rewritten
from benchmarks.simulation.rings import rings
from benchmarks.simulation.statements import Cost, Stage
from benchmarks.tally import percentile

_PAGE: Final = 8192
_MICRO: Final = 1e6


def line(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """`fixed` and `each` of the line that is least wrong, in proportion to what it should be, at those points.

    Neither is negative: nothing costs less than nothing.
    """
    weighed = [(rows, cost, 1 / cost**2) for rows, cost in points]
    total = sum(weight for _, _, weight in weighed)
    mean_rows = sum(rows * weight for rows, _, weight in weighed) / total
    mean_cost = sum(cost * weight for _, cost, weight in weighed) / total
    square = sum(weight * (rows - mean_rows) ** 2 for rows, _, weight in weighed)
    each = sum(weight * (rows - mean_rows) * (cost - mean_cost) for rows, cost, weight in weighed) / square
    each = max(0.0, each)
    return max(0.0, mean_cost - each * mean_rows), each


def _line_of(costs: Sequence[Cost], part: str) -> Figures:
    fixed, each = line((cost.rows, getattr(cost, part) * _MICRO) for cost in costs)
    return {"fixed": fixed, "each": each}


async def _statements(settings: Settings, postmaster: int) -> dict[str, Figures]:
    database = Database(settings)
    await database.open()
    try:
        return await _measure(await statements.build(database.pool, postmaster))
    finally:
        await database.close()


async def _measure(stage: Stage) -> dict[str, Figures]:
    published = await statements.publishing(stage, stage.narrow)
    wide = await statements.publishing(stage, stage.wide, (64,))
    read = await statements.reading(stage, 1, (1, 16, 64, 256))
    many_shards = await statements.reading(stage, 60, (1, 16, 64, 256))
    fetched = await statements.payloads(stage)
    recorded = await statements.recording(stage)
    narrow = next(cost for cost in published if cost.rows == wide[0].rows)
    fan_out = (wide[0].postgres - narrow.postgres) / (4 * wide[0].rows)
    shard = sum(many.postgres - one.postgres for many, one in zip(many_shards, read, strict=True)) / len(read) / 59
    publish_log, wide_log = [await statements.publish_log(stage, id) for id in (stage.narrow, stage.wide)]
    record_log = await statements.record_log(stage)
    vacuum = await statements.vacuum_rate(stage)
    message, delivery = await statements.bytes_kept(stage)
    lanes = {lanes: await statements.publishing(stage, stage.narrow, (100,), lanes) for lanes in (1, 2, 4)}
    return {
        "postgres_publish": _line_of(published, "postgres"),
        "api_publish": _line_of(published, "caller"),
        "postgres_fan_out": {"value": max(0.0, fan_out) * _MICRO},
        "postgres_read": _line_of(read, "postgres"),
        "worker_read": _line_of(read, "caller"),
        "postgres_read_shard": {"value": max(0.0, shard) * _MICRO},
        "postgres_payloads": _line_of(fetched, "postgres"),
        "worker_payloads": _line_of(fetched, "caller"),
        "postgres_record": _line_of(recorded, "postgres"),
        "worker_record": _line_of(recorded, "caller"),
        "wal_publish": dict(zip(("fixed", "each"), line(publish_log), strict=True)),
        "wal_fan_out": {"value": max(0.0, (wide_log[-1][1] - publish_log[-1][1]) / (4 * wide_log[-1][0]))},
        "wal_record": dict(zip(("fixed", "each"), line(record_log), strict=True)),
        "vacuum_rows_per_second": {"value": vacuum},
        "message_bytes": {"value": message},
        "delivery_bytes": {"value": delivery},
        **{f"publish_rows_{count}_lanes": {"value": 100 / costs[0].wall} for count, costs in lanes.items()},
    }


def flushes(folder: Path) -> dict[str, Figures]:
    """What it takes to write one page, and 512 KiB, and have them on the disk."""
    handle = os.open(folder / "flushes", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(handle, bytes(16 * 2**20))
        os.fsync(handle)
        # In turn, so that both meet the same neighbours.
        pairs = [(_flush(handle, _PAGE, at), _flush(handle, 64 * _PAGE, at)) for at in range(300)]
    finally:
        os.close(handle)
    page, much = zip(*pairs, strict=True)
    median, p99, of_much = (percentile(page, 0.5) or 0.0, percentile(page, 0.99) or 0.0, percentile(much, 0.5) or 0.0)
    return {
        "flush_median": {"value": median * _MICRO},
        "flush_p99": {"value": p99 * _MICRO},
        "disk_bytes_per_second": {"value": 63 * _PAGE / max(of_much - median, 1e-6)},
    }


def _flush(handle: int, size: int, number: int) -> float:
    os.lseek(handle, number * size % (8 * 2**20), os.SEEK_SET)
    began = perf_counter()
    os.write(handle, bytes(size))
    os.fdatasync(handle)
    return perf_counter() - began


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="postrider-simulation-"))
    # Postgres does not run as root; whom it runs as must be able to enter.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_here() -> dict[str, Figures]:
    """Every figure that needs no load; servers of its own, fsync on."""
    with _folder() as folder, EmbeddedPostgres(folder / "postgres") as postgres:
        dsn = postgres.dsn("postrider")
        migrate(dsn, lambda _line: None)
        with EmbeddedValkey(folder / "valkey") as valkey:
            settings = load(_env_file=None, db_dsn=dsn, redis_dsn=valkey.dsn, jwt_secret="s" * 64, main_secret="s" * 32)
            ringing = rings(settings, valkey, folder)
        measured = uvloop.run(_statements(settings, postgres.process.pid))
        return measured | flushes(folder) | ringing


def main(
    write: Annotated[bool, typer.Option("--write", help=f"Put them into {FILE.name}.")] = False,
) -> None:
    """Measure what statements, flushes and rings cost on this machine."""
    measured = measure_here()
    for name, figures in measured.items():
        print(f"{name:26} {'  '.join(f'{part} {value:,.1f}' for part, value in figures.items())}")
    if write:
        FILE.write_text(rewritten(FILE.read_text(), measured))


if __name__ == "__main__":
    typer.run(main)
