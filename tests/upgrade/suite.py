"""The old revision's own tests on a database that has newer migrations."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from tests.upgrade.revision import Tree, new_migrations

FOLDERS: Final = ("tests/api", "tests/db", "tests/worker")
# These compare what the migrations make, column by column, with what the old tree knows; a new column is no failure.
_ABOUT_ITS_OWN_SCHEMA: Final = (
    "tests/db/test_schema.py::test_a_row_has_the_columns_of_its_table",
    "tests/db/test_schema.py::test_every_table_has_a_row_or_needs_none",
    "tests/db/test_schema.py::test_the_dump_that_is_kept_is_current",
    # It reads a message with SELECT *, which no code does.
    "tests/db/test_publish.py::test_a_message_is_stored_as_it_came_and_its_time_is_the_one_that_is_answered",
)


def run(old: Tree, new: Tree, arguments: Sequence[str]) -> int:
    """pytest's exit code. The old tree's folder gets the new migrations; its tests make their databases from them."""
    for migration in new_migrations(old, new):
        shutil.copy(migration, old.folder / "db/migrations")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FOLDERS, *arguments]
    for test in _ABOUT_ITS_OWN_SCHEMA:
        command += ["--deselect", test]
    # The old tree comes before the one that is installed in this environment.
    environment = dict(os.environ) | {"PYTHONPATH": str(old.folder)}
    return subprocess.run(command, cwd=old.folder, env=environment, check=False).returncode
