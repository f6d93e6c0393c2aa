"""Flame graphs of the API and the worker under load, by py-spy."""

import re
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from benchmarks.document import IMAGES
from benchmarks.load import Load
from benchmarks.processes import find
from benchmarks.run import measure
from benchmarks.servers import PROJECT, ThrowAway

_SECONDS = 8
_PER_SECOND = 250
_LOAD = Load("profile", 40_000, 64)
_ROLES = ("api", "worker")
_TITLE = re.compile(r'(<text id="title"[^>]*>)[^<]*')
# Without its script, which is another project's: what it is for, zooming and searching, is for a browser alone.
_SCRIPT = re.compile(
    r'<script.*?</script>| onload="init\(evt\)"|<text id="(?:unzoom|search)"[^>]*>[^<]*</text>', re.DOTALL
)
# What leads to a file: this machine's folders mean nothing elsewhere.
_FOLDERS = re.compile(r"(?:/[\w.@+-]+)*/(?:site-packages|lib/python3\.\d+)/")


def record_flames(log: Path, progress: Callable[[str], None]) -> Iterator[str]:
    """Writes flame-api.svg and flame-worker.svg; yields a line about each. RunError if no server can be started."""
    progress("starting a throw-away Postrider")
    with ThrowAway(log) as server:
        uvloop.run(measure(Load("warm-up", 2_000, 64), server.target))
        IMAGES.mkdir(parents=True, exist_ok=True)
        recorders = [
            (IMAGES / f"flame-{role}.svg", _record(process.pid, IMAGES / f"flame-{role}.svg"))
            for role in _ROLES
            for process in find(server.target.pids[0], role)[:1]
        ]
        progress(f"recording for {_SECONDS} s")
        figures = uvloop.run(measure(_LOAD, server.target))
        for path, recorder in recorders:
            output = recorder.communicate(timeout=60)[0]
            if recorder.returncode == 0:
                title = f"{path.stem.removeprefix('flame-')} under load: samples of its CPU time"
                path.write_text(_TITLE.sub(rf"\g<1>{title}", without_script(without_folders(path.read_text()))))
                yield f"{path.relative_to(PROJECT)}, at {figures.delivered_per_s:,.0f} deliveries a second"
            else:
                yield f"no {path.name}: {_reason(output)}"


def _record(pid: int, path: Path) -> "subprocess.Popen[str]":
    program = Path(sysconfig.get_path("scripts")) / "py-spy"
    command = [str(program), "record", "--pid", str(pid), "--duration", str(_SECONDS), "--rate", str(_PER_SECOND)]
    command += ["--format", "flamegraph", "--function", "--output", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _reason(output: str) -> str:
    if "ermission" in output or "root" in output:
        return "the kernel does not let py-spy look into processes (ptrace): run this as root, or allow SYS_PTRACE"
    return output.strip()[-300:] or "py-spy said nothing"


def without_folders(svg: str) -> str:
    """The same picture, with the names of files as they are in the project or in a package."""
    return _FOLDERS.sub("", svg.replace(f"{PROJECT}/", ""))


def without_script(svg: str) -> str:
    """A picture that only shows; each frame still tells its name and share where the pointer rests on it."""
    return _SCRIPT.sub("", svg)
