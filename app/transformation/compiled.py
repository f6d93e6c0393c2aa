"""The interpreter's machine code, kept from one process to the next: compiling it takes seconds of a processor.

Machine code runs outside of any sandbox. So it is read only from a folder that is ours and that nobody else may write
to, and only if it is, to the last byte, what a process of ours made of this interpreter with this compiler. Whatever is
in the way of that costs the time to compile, and nothing else.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from wasmtime import Engine, Module, WasmtimeError

_FOLDER: Final = "postrider"
_FILE: Final = "interpreter"
_MOST_BYTES: Final = 64 * 1_048_576
_DIGEST_BYTES: Final = hashlib.sha256().digest_size
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def compile_or_find(engine: Engine, wasm: bytes) -> Module:
    """The module of these bytes; compiled, and kept for the next process, if no earlier one has done so."""
    seed = seed_of(wasm)
    with suppress(OSError, RuntimeError, WasmtimeError), _own_folder() as folder:
        found = _read(folder, seed)
        if found is not None:
            # Refuses what was made for other settings or another processor.
            return Module.deserialize(engine, found)
    module = Module(engine, wasm)
    with suppress(OSError, RuntimeError, WasmtimeError), _own_folder() as folder:
        _write(folder, seed, bytes(module.serialize()))
    return module


def seed_of(wasm: bytes) -> bytes:
    """What machine code is made from, and by what."""
    return hashlib.sha256(f"{version('wasmtime')}\0".encode() + wasm).digest()


def digested(seed: bytes, code: bytes) -> bytes:
    """What the file holds: machine code behind its digest."""
    return hashlib.sha256(seed + code).digest() + code


@contextmanager
def _own_folder() -> Iterator[int]:
    """The user's cache folder of ours, open. OSError or RuntimeError if there is none that is safe."""
    given = Path(os.environ.get("XDG_CACHE_HOME") or "")
    path = (given if given.is_absolute() else Path.home() / ".cache") / _FOLDER
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _require_ours(folder)
        yield folder
    finally:
        os.close(folder)


def _require_ours(descriptor: int) -> None:
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        raise PermissionError("others may write to it")


def _read(folder: int, seed: bytes) -> bytes | None:
    """The machine code in the folder, if it is whole and of that seed."""
    try:
        file = os.open(_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with open(file, "rb") as opened:
        _require_ours(file)
        kept = opened.read(_MOST_BYTES)
    code = kept[_DIGEST_BYTES:]
    return code if digested(seed, code) == kept else None


def _write(folder: int, seed: bytes, code: bytes) -> None:
    """Put machine code there, whole or not at all."""
    partial = f"{_FILE}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(partial, flags, 0o600, dir_fd=folder), "wb") as opened:
            opened.write(digested(seed, code))
        os.replace(partial, _FILE, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        raise
