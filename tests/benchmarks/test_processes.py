"""Whose memory and CPU the benchmark reports."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from app.cli.commands import api_command, beat_command, worker_command
from benchmarks.processes import Memory, Watch, find, proportional_memory, role, total_memory


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (api_command("127.0.0.1", 8071), "api"),
        (worker_command(), "worker"),
        (beat_command(Path("/data/worker/beat")), "beat"),
        (["/venv/bin/python", "/venv/bin/postrider", "up"], "supervisor"),
        (["/venv/bin/python", "-P", "-m", "app.cli.main", "up"], "supervisor"),
        (["/wheels/pginstall/bin/postgres", "-D", "/data/cluster"], "postgres"),
        (["postgres: checkpointer "], "postgres"),
        (["postgres: postgres postrider [local] INSERT"], "postgres"),
        (["/wheels/valkey-server", "/data/valkey.conf"], "valkey"),
        (["valkey-server 127.0.0.1:6379"], "valkey"),
        (["/usr/bin/vim", "up"], "other"),
        ([], "other"),
    ],
)
def test_a_process_is_named_by_its_command_line(command: list[str], expected: str) -> None:
    assert role(command) == expected


def test_shared_memory_counts_once_and_private_memory_each_time() -> None:
    backends = [Memory(100, 80), Memory(70, 60), Memory(90, 80)]
    assert total_memory(backends) == 20 + 10 + 10 + 80
    assert total_memory([Memory(50, 0)]) == 50
    assert total_memory([]) == 0


BUSY = """
import os
print(flush=True)
while sum(os.times()[:2]) < 30:
    sum(range(100_000))
"""


def test_a_watched_process_is_seen_with_its_memory_and_its_cpu_time() -> None:
    # A process of its own: this one's children are the servers of other tests.
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        watch = Watch(busy.pid)
        watch.begin()
        begun = psutil.Process(busy.pid).cpu_times().user
        while psutil.Process(busy.pid).cpu_times().user - begun < 0.1:
            time.sleep(0.01)
        usages = watch.end(seconds=1.0)
        busy.kill()
    assert [usage.role for usage in usages] == ["other"]
    assert usages[0].peak_mib > 5
    assert 0.05 < usages[0].cpu_cores < 10
    assert usages[0].cpu_seconds == usages[0].cpu_cores


def test_a_process_that_has_ended_is_no_error() -> None:
    watch = Watch(os.getpid())
    watch.begin()
    child = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "0.05")
    watch.sample()
    os.waitpid(child, 0)
    assert watch.end(seconds=1.0)[0].processes >= 1


def test_only_processes_of_the_role_are_found_and_weighed() -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        found = find(os.getpid(), "other")
        child.kill()
    assert child.pid in [process.pid for process in found]
    assert child.pid not in [process.pid for process in find(os.getpid(), "api")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the proportional set size")
def test_memory_of_a_process_is_weighed_and_one_that_has_ended_weighs_nothing() -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        ended = psutil.Process(child.pid)
        child.kill()
    assert proportional_memory([psutil.Process()]) > 5 * 2**20
    assert proportional_memory([ended]) == 0
