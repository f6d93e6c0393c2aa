"""The process's sandbox: to make one takes a second."""

from typing import TYPE_CHECKING

import pytest

from app.transformation.pool import process_sandbox

if TYPE_CHECKING:
    from app.transformation.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> "Sandbox":
    return process_sandbox()
