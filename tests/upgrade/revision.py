"""An older revision of the project: which one, and its files in a folder of their own."""

import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_MIGRATIONS: Final = "db/migrations"


class NoRevision(Exception):
    """There is nothing to upgrade from. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The project's files, of this revision or another; its processes run the code that lies there."""

    folder: Path
    name: str

    @property
    def migrations(self) -> list[Path]:
        """In the order in which they are applied."""
        return sorted((self.folder / _MIGRATIONS).glob("*.sql"))


HERE: Final = Tree(ROOT, "this tree")
# What processes run, and what they check the database with.
_RUNS: Final = ("app", "worker", _MIGRATIONS)


def previous_revision() -> str:
    """The newest tag; without any, the newest commit that lacks the newest migration. NoRevision if none does."""
    tag = _git("describe", "--tags", "--abbrev=0", check=False)
    if tag:
        return tag
    newest = HERE.migrations[-1].name
    for commit in _git("rev-list", "--first-parent", "HEAD").split():
        if newest not in _git("ls-tree", "--name-only", "-r", commit, _MIGRATIONS):
            return commit[:12]
    raise NoRevision("no tag, and no commit without the newest migration: name a revision, `make upgrade-test FROM=…`")


def export(revision: str, folder: Path) -> Tree:
    """Put the files of a revision into a folder, without touching the working tree. NoRevision if there is none."""
    ran = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=False)
    if ran.returncode != 0:
        raise NoRevision(f"{revision} is no revision of this repository: {ran.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(ran.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return Tree(folder, revision)


def snapshot(folder: Path) -> Tree:
    """This tree as it is now, committed or not: what is edited meanwhile does not change the upgrade."""
    for part in _RUNS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return Tree(folder, HERE.name)


def new_migrations(old: Tree, new: Tree) -> list[Path]:
    """What the new tree has and the old one has not. NoRevision if the old one has something that the new one lacks."""
    known, wanted = ({path.name for path in tree.migrations} for tree in (old, new))
    if known - wanted:
        raise NoRevision(f"{old.name} has migrations that {new.name} has not: {sorted(known - wanted)}")
    return [path for path in new.migrations if path.name not in known]


def _git(*arguments: str, check: bool = True) -> str:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=check)
    return ran.stdout.strip()
