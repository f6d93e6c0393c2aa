import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, as Postgres, which does not run as root, needs it; its name has a space."""
    made = Path(tempfile.mkdtemp(prefix="postrider cli-")).resolve()
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)
