"""A payload store in a folder of this machine, or of a file system that all processes share.

An object is on the disk, and not only in its cache, before it is said to be there: a power failure loses none.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from app import weeks

_PRIVATE: Final = 0o700
_LISTED: Final = 1000


class Folder:
    """Objects as files: `<folder>/<week>/<message id>`. Raises OSError; FileNotFoundError for what is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, content: bytes) -> None:
        await asyncio.to_thread(self._put, self._path(key), content)

    async def get(self, key: str, size: int) -> bytes:
        """At most one byte more than `size`, which says enough."""
        return await asyncio.to_thread(self._get, self._path(key), size)

    async def delete(self, keys: Collection[str]) -> None:
        """What is not there is deleted already."""
        await asyncio.to_thread(self._delete, [self._path(key) for key in keys])

    async def groups(self) -> list[str]:
        """The weeks of which there are objects, as their keys begin."""
        return await asyncio.to_thread(self._groups)

    async def listed(self, group: str) -> AsyncIterator[list[tuple[str, int]]]:
        """Key and size of each object of a week, in parts."""
        found = await asyncio.to_thread(os.scandir, self._folder / group)
        with found:
            while part := await asyncio.to_thread(self._sizes, group, found):
                yield part

    async def remove_group(self, group: str) -> None:
        """Of an empty week nothing is left."""
        with suppress(OSError):  # Somebody has put something there meanwhile.
            await asyncio.to_thread((self._folder / group).rmdir)

    def _path(self, key: str) -> Path:
        group, _, name = key.partition("/")
        if not group.isdecimal() or not name.replace("_", "").isalnum():
            raise ValueError(f"{key!r} is not the key of a payload")
        return self._folder / group / name

    def _put(self, path: Path, content: bytes) -> None:
        self._make(self._folder)
        self._make(path.parent)
        # Of this process and thread alone, and never taken for an object: names have no dot.
        temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            _sync(folder.parent)

    def _get(self, path: Path, size: int) -> bytes:
        with path.open("rb") as file:
            return file.read(size + 1)

    def _delete(self, paths: Collection[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)

    def _groups(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(self._folder) if weeks.named(entry.name))

    def _sizes(self, group: str, found: "os._ScandirIterator[str]") -> list[tuple[str, int]]:
        part = []
        for entry in islice(found, _LISTED):
            with suppress(FileNotFoundError):
                part.append((f"{group}/{entry.name}", entry.stat().st_size))
        return part


def _sync(folder: Path) -> None:
    """The folder's own entries reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
