"""`postrider secrets`: what can be asked for. What it does is in secret_rotation.py."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

SECRETS_EXIT_CODES: Final = (
    "Exit codes: 0 everything is sealed under the first main secret, 1 something is not, 2 wrong usage, 75 Postgres is "
    "away, try again later, 78 wrong setting, 130 Ctrl-C (what was done stays done: run it again)."
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def status(as_json: AsJson = False) -> None:
    """Say under which main secret the stored secrets are, and whether the older ones can be removed.

    Reads POSTRIDER_DB_DSN and POSTRIDER_MAIN_SECRET, or else those of the `postrider up` that runs from
    POSTRIDER_DATA_DIR.
    """
    from app.cli import secret_rotation

    raise typer.Exit(secret_rotation.status(as_json))


def rotate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing: say how much there is to do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Seal what is sealed under an older main secret anew under the first one of POSTRIDER_MAIN_SECRET.

    Safe beside running API processes and workers, if all of them have both main secrets already
    (docs/how-to/rotate-secrets.md says in which order). May be stopped and run again: it looks only at what is left.
    """
    from app.cli import secret_rotation

    raise typer.Exit(secret_rotation.status(as_json) if dry_run else secret_rotation.rotate(as_json))


SECRETS: Final[dict[str, Callable[..., None]]] = {"status": status, "rotate": rotate}
