"""Runs `postrider` as a user does: a process of its own, in a folder of its own, with nothing but its own settings."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
POSTRIDER: Final = (sys.executable, "-m", "app.cli.main")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """This process's environment, with a data folder under `folder` and these settings (without POSTRIDER_)."""
    named = {f"POSTRIDER_{name}": value for name, value in settings.items()}
    return dict(os.environ) | {"PYTHONPATH": str(ROOT), "POSTRIDER_DATA_DIR": str(folder / "data")} | named


def postrider(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [*POSTRIDER, *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def start(folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start it; its output goes to `folder/output`."""
    with (folder / "output").open("a") as output:
        return subprocess.Popen(
            [*POSTRIDER, *arguments],
            cwd=folder,
            env=environment(folder, **settings),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something; AssertionError with `what` if it does not happen."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def processes_naming(folder: Path) -> list[str]:
    """The command lines, with their pids before them, of processes with a folder's path in it or in the environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
            settings = (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words + settings:
            found.append(f"{process.name} {words.decode(errors='replace')}")
    return found


def one_line(text: str) -> str:
    """The one line that a text must be."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, f"one line was promised: {text!r}"
    return lines[0]
