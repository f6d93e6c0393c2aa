"""Upgrade from an older revision to this tree under load, and run the older revision's tests on the new schema."""

import argparse
import asyncio
import shlex
import sys
import tempfile
from pathlib import Path
from time import monotonic

from tests.upgrade import suite
from tests.upgrade.revision import NoRevision, export, new_migrations, previous_revision, snapshot
from tests.upgrade.rolling import Plan, Upgrade


def main() -> int:
    """The exit code: 0 if nothing failed, nothing was lost and nobody waited."""
    parser = argparse.ArgumentParser(prog="make upgrade-test", description=__doc__)
    parser.add_argument(
        "--from",
        dest="revision",
        help="a tag or commit (default: the newest tag, or commit without the newest migration)",
    )
    parser.add_argument("--only", choices=("load", "suite"), help="one of the two parts")
    parser.add_argument("--rate", type=float, default=80.0, help="messages a second (%(default)s)")
    parser.add_argument(
        "--rows", type=int, default=0, help="messages of history that the migrations find (%(default)s)"
    )
    parser.add_argument("--mixed", type=float, default=30.0, help="seconds with both revisions at work (%(default)s)")
    parser.add_argument("--pytest", default="", help="further arguments for the older revision's tests")
    options = parser.parse_args()
    began = monotonic()

    def say(text: str) -> None:
        print(f"{monotonic() - began:6.1f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="postrider-upgrade-") as name:
        folder = Path(name)
        # Postgres runs as another user than root, and must get in.
        folder.chmod(0o711)
        try:
            old = export(options.revision or previous_revision(), folder / "old")
            new = snapshot(folder / "new")
            migrations = new_migrations(old, new)
        except NoRevision as error:
            print(f"make upgrade-test: {error}", file=sys.stderr)
            return 78
        say(f"from {old.name} to this tree: {', '.join(path.name for path in migrations) or 'no new migration'}")
        problems = list[str]()
        if options.only != "suite":
            upgrade = Upgrade(Plan(old, new, options.rate, options.rows, options.mixed, say), folder)
            asyncio.run(upgrade.run())
            problems += upgrade.problems
        if options.only != "load" and suite.run(old, new, shlex.split(options.pytest)) != 0:
            problems.append(f"tests of {old.name} fail on the new schema")
        for problem in problems:
            say(f"PROBLEM: {problem}")
        say("done: " + (f"{len(problems)} problems" if problems else "nothing failed, nothing lost"))
        return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
