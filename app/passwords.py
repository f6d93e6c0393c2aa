"""Passwords of users: Argon2id (RFC 9106), computed beside the event loop, and never many at once."""

import asyncio
import base64
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import Unavailable

SHORTEST: Final = 12
LONGEST: Final = 256
"""Characters."""

# What OWASP's Password Storage Cheat Sheet asks for at least: 19 MiB and two passes. Whoever tries to sign in makes
# this process compute one, so that it is the least which is enough.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 32

ResultT = TypeVar("ResultT")


class Passwords:
    """Hashes and checks passwords. Of many at once two are computed, some wait, and the others are refused."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._under_way = 0
        # What the password of somebody who has none is compared with: nothing fits it, and it takes as long.
        self._nobodys = _unfitting()

    async def hash(self, password: str) -> bytes:
        """What is kept of a password. Unavailable if too many are computed at once."""
        return (await self._compute(lambda: _HASHER.hash(password))).encode()

    async def fits(self, password: str, hashed: bytes | None) -> bool:
        """Whether it is the password that was hashed; None for nobody's takes as long. Unavailable as above."""
        kept = self._nobodys if hashed is None else hashed.decode()

        def verify() -> bool:
            try:
                return _HASHER.verify(kept, password)
            except (VerificationError, InvalidHashError):
                return False

        return await self._compute(verify) and hashed is not None

    @staticmethod
    def is_outdated(hashed: bytes) -> bool:
        """Whether it was hashed at another cost than is usual now."""
        return _HASHER.check_needs_rehash(hashed.decode())

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _compute(self, work: Callable[[], ResultT]) -> ResultT:
        if self._under_way >= _AT_ONCE + _MOST_WAITING:
            raise Unavailable("Too many try to sign in at once. Try again in a moment.", retry_after=2)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1


def _unfitting() -> str:
    def text(length: int) -> str:
        return base64.b64encode(os.urandom(length)).rstrip(b"=").decode()

    cost = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${cost}${text(_HASHER.salt_len)}${text(_HASHER.hash_len)}"
