"""`make schema`: migrates a throw-away database and writes its dump to db/schema.sql."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from app.cli.embedded import EmbeddedPostgres, binaries
from app.cli.migrations import dbmate_binary, dbmate_url, run_dbmate
from app.db.preflight import MIGRATIONS

# pg_dump 18 wraps its output in these psql commands, with a new random word each time.
_RANDOM_LINES = re.compile(r"^\\(un)?restrict .*\n", re.MULTILINE)


def write_schema(target: Path) -> None:
    """Write the schema that the migrations lead to. subprocess.CalledProcessError if it cannot be dumped."""
    with tempfile.TemporaryDirectory() as folder:
        # For root, Postgres runs as nobody, who must be able to enter.
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres", durable=False) as postgres:
            url = dbmate_url(postgres.dsn(), encrypted=False)
            # Without the partitions, which are another week's tomorrow.
            run_dbmate(url, lambda _line: None)
            dumped = Path(folder) / "schema.sql"
            subprocess.run(  # noqa: S603 - no shell, and all words are ours
                [dbmate_binary(), "--migrations-dir", MIGRATIONS, "--schema-file", dumped, "dump"],
                # The pg_dump of PATH may be older than the server, and would refuse it.
                env={"DATABASE_URL": url, "PATH": f"{binaries()}{os.pathsep}{os.defpath}"},
                cwd=MIGRATIONS,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            target.write_text(_RANDOM_LINES.sub("", dumped.read_text()))


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]))
