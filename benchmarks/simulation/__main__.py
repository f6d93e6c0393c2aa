"""`python -m benchmarks.simulation`: what the model says; `--write` puts it into docs/explanation/scaling.md."""

from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.simulation import tables
from benchmarks.simulation.parameters import FILE, read
from benchmarks.simulation.validation import comparisons

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "scaling.md"
_IMAGES: Final = DOCUMENT.parent / "img"


def filled(text: str, found: dict[str, str]) -> str:
    """The document with other tables between its markers. ValueError if it lacks one."""
    for name, content in found.items():
        start, end = f"<!-- figures: {name} -->\n", "<!-- end of figures -->"
        before, found_start, rest = text.partition(start)
        _, found_end, after = rest.partition(end)
        if not found_start or not found_end:
            raise ValueError(f"{DOCUMENT.name} has no place for the table {name!r}: add {start.strip()} and {end}")
        text = f"{before}{start}\n{content}\n\n{end}{after}"
    return text


def main(
    write: Annotated[bool, typer.Option("--write", help="Write the document's tables and charts.")] = False,
) -> None:
    """Judge the model by what was measured, then ask it how large an installation must be."""
    parameters, observed = read()
    sizes = tables.all_sizes(parameters)
    found = {
        "costs": tables.costs(FILE.read_text()),
        "validation": tables.validation(list(comparisons(parameters, observed))),
        "machines": tables.machines(parameters),
        "sizes": tables.sizes(sizes),
        "commits": tables.commits(parameters),
    }
    for name, content in found.items():
        print(f"{name}\n\n{content}\n")
    if write:
        DOCUMENT.write_text(filled(DOCUMENT.read_text(), found))
        _IMAGES.mkdir(exist_ok=True)
        (_IMAGES / "scaling-cores.svg").write_text(tables.cores_chart(sizes))
        (_IMAGES / "scaling-batches.svg").write_text(tables.batch_chart(parameters))


if __name__ == "__main__":
    typer.run(main)
