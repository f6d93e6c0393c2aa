"""Who is taken for dead: only a process that was, for certain, on this machine, and is not any more."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.process import is_certainly_dead, own_name

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells enough of processes")

_NAMED = "from worker.process import own_name; print(own_name(), flush=True); input()"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _NAMED],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.kill()


def name_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_is_alive_until_it_has_ended_also_while_it_is_stopped(process: subprocess.Popen[str]) -> None:
    name = name_of(process)
    assert not is_certainly_dead(name)
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    assert not is_certainly_dead(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_certainly_dead(name), "it has ended, and nobody has asked how"
    process.wait()
    assert is_certainly_dead(name)


@pytest.mark.parametrize(("place", "other"), [(4, "another boot/1/1"), (4, ""), (3, ""), (1, "")])
def test_what_cannot_be_told_for_certain_is_not_dead(process: subprocess.Popen[str], place: int, other: str) -> None:
    name = name_of(process)
    process.kill()
    process.wait()
    parts = name.split(":")
    parts[place] = other
    assert not is_certainly_dead(":".join(parts))


def test_a_process_that_got_the_number_of_another_is_not_that_one() -> None:
    parts = own_name().split(":")
    parts[3] = str(int(parts[3]) - 1)
    assert is_certainly_dead(":".join(parts))


@pytest.mark.parametrize("name", ["", "host:1", "host:123:abcdef", "the drain of the test"])
def test_names_of_another_make_are_not_of_the_dead(name: str) -> None:
    assert not is_certainly_dead(name)


def test_no_two_names_are_the_same() -> None:
    assert own_name() != own_name()
