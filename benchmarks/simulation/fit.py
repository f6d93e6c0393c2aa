"""`python -m benchmarks.simulation.fit RESULT.json …`: what only a load can tell, from the results of `make bench`.

The CPU of a message that is nobody's statement is chosen so that the model uses as much CPU as was measured: under the
loads of one and of five endpoints for what grows with messages, at a steady 600/s for what it costs to wake up. Rates
and times are not fitted: they are what the model is judged by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from benchmarks.simulation.model import Result
from benchmarks.simulation.parameters import FILE, Figures, Observed, Parameters, read, rewritten
from benchmarks.simulation.validation import comparisons, replay

# Of the loads of `make bench`, those that the model knows.
NAMES: Final = ("1 endpoint", "5 endpoints", "steady 600/s", "steady 300/s")
_ROUNDS: Final = 8
_MICRO: Final = 1e6
# Postmaster, checkpointer, two writers, launchers of autovacuum and of replication, three I/O workers.
_POSTGRES_WITHOUT_CLIENTS: Final = 9


def observed_in(results: Sequence[Path]) -> tuple[list[Observed], int, int]:
    """The loads that were measured (the last of each name), the machine's cores, and connections to Postgres.

    ValueError if one that the model needs is missing, or did not hold.
    """
    found: dict[str, Observed] = {}
    cores, connections = 0, 0
    for path in results:
        for scenario in orjson.loads(path.read_bytes())["scenarios"]:
            for run in scenario.get("runs", ()):
                if run["load"]["name"] in NAMES:
                    found[run["load"]["name"]] = _observed(run)
                    cores = scenario["machine"]["cores"]
                    used = {usage["role"]: usage["processes"] for usage in run["processes"]}
                    connections = max(connections, used["postgres"] - _POSTGRES_WITHOUT_CLIENTS)
    if missing := [name for name in NAMES if name not in found]:
        raise ValueError(f"no result of {', '.join(missing)}: name a file that has it")
    return [found[name] for name in NAMES], cores, connections


def _observed(run: Mapping[str, Any]) -> Observed:
    load = run["load"]
    if run["missing"] or run["errors"]:
        raise ValueError(f"{load['name']} did not hold: measure it again")
    messages_per_s = run["delivered_per_s"] / load["endpoints"]
    cores = {usage["role"]: usage["cpu_cores"] for usage in run["processes"]}
    api, worker, postgres, own = (
        round(part / messages_per_s * _MICRO, 1)
        for part in (cores["api"], cores["worker"], cores["postgres"], run["load_cpu_cores"])
    )
    return Observed(
        name=load["name"],
        messages=load["messages"],
        connections=load["connections"],
        endpoints=load["endpoints"],
        rate=load["rate"],
        accepted_per_s=run["accepted_per_s"],
        delivered_per_s=run["delivered_per_s"],
        p50_ms=run["p50_ms"],
        p99_ms=run["p99_ms"],
        api_us=api,
        worker_us=worker,
        postgres_us=postgres,
        load_us=own,
    )


def fitted(parameters: Parameters, observed: Sequence[Observed], cores: int) -> Parameters:
    """The parameters under which the model uses as much CPU as was observed. The order of `observed` is NAMES'."""
    one, five, steady, _ = observed
    delivery = max(0.0, (five.load_us - one.load_us) / (five.endpoints - one.endpoints)) / _MICRO
    p = replace(parameters, load_delivery=delivery, load_message=max(0.0, one.load_us / _MICRO - delivery))
    for _ in range(_ROUNDS):
        busy, calm = replay(one, p, cores), replay(steady, p, cores)
        lacking_busy, lacking_calm = _lacking(one, busy), _lacking(steady, calm)
        p = replace(
            p,
            api_request=max(0.0, p.api_request + lacking_busy["api"]),
            worker_delivery=max(0.0, p.worker_delivery + lacking_busy["worker"]),
            postgres_background=max(
                0.0, p.postgres_background + lacking_busy["postgres"] / (busy.postgres / busy.delivered)
            ),
            # It wakes about twice for each message: for the request, and for the commit.
            api_wake=max(0.0, p.api_wake + lacking_calm["api"] / 2),
            worker_wake=max(0.0, p.worker_wake + lacking_calm["worker"] * steady.rate / (2 * calm.readings)),
        )
    return p


def _lacking(observed: Observed, result: Result) -> dict[str, float]:
    """Seconds of CPU a message that were measured and are not in the model."""
    messages = result.delivered / observed.endpoints
    return {
        "api": observed.api_us / _MICRO - result.api / messages,
        "worker": observed.worker_us / _MICRO - result.workers / messages,
        "postgres": observed.postgres_us / _MICRO - result.postgres / messages,
    }


def _figures(p: Parameters, connections: int) -> dict[str, Figures]:
    names = ("api_request", "api_wake", "worker_delivery", "worker_wake", "load_message", "load_delivery")
    return {name: {"value": getattr(p, name) * _MICRO} for name in names} | {
        "postgres_background": {"value": p.postgres_background},
        "connections": {"value": float(-(-connections // 2))},
    }


def with_observed(text: str, observed: Sequence[Observed]) -> str:
    """The file's text with these observations in the place of its own, which are at its end."""
    head = text.partition("[[observed]]")[0].rstrip()
    entries = []
    for entry in observed:
        lines = (f"{name} = {_toml(value)}" for name, value in asdict(entry).items())
        entries.append("[[observed]]\n" + "\n".join(lines))
    return "\n\n".join([head, *entries]) + "\n"


def _toml(value: str | float) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def main(
    results: Annotated[list[Path], typer.Argument(help="Files in benchmarks/results; later ones win.")],
    write: Annotated[bool, typer.Option("--write", help=f"Put the figures into {FILE.name}.")] = False,
) -> None:
    """Fit the model's CPU to the results of `make bench`."""
    try:
        observed, cores, connections = observed_in(results)
    except ValueError as error:
        print(f"fit: {error}")
        raise typer.Exit(1) from None
    parameters, _ = read()
    found = fitted(parameters, observed, cores)
    figures = _figures(found, connections)
    for name, parts in figures.items():
        print(f"{name:26} {'  '.join(f'{part} {value:,.3g}' for part, value in parts.items())}")
    for c in comparisons(found, observed):
        print(f"{c.load}, {c.figure}: {c.error:+.0%}{'' if c.agrees else f', more than {c.margin:.0%}: measure again'}")
    if write:
        FILE.write_text(with_observed(rewritten(FILE.read_text(), figures), observed))


if __name__ == "__main__":
    typer.run(main)
