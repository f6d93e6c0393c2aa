"""Starts a process of Postrider with something the matter with it: no switch for that is in the product.

python -m tests.faults.launcher FAULT ARGUMENT uvicorn …       as `python -m uvicorn …` does it
"""

import asyncio
import ctypes
import mmap
import os
import random
import runpy
import signal
import struct
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def jumping_clock(path: str) -> None:
    """A wall clock that is off by so many seconds as the file says (a double), at each moment."""
    file = Path(path).open("r+b")  # noqa: SIM115 - as long as the process
    seconds = mmap.mmap(file.fileno(), 8)
    real_ns = time.time_ns

    def time_ns() -> int:
        return real_ns() + int(struct.unpack("d", seconds[:])[0] * 1e9)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


def dying_after_commit(how: str) -> None:
    """An API that is killed right after a share of its commits, before anybody hears of them: so often.

    `how` is share:deaths:file; the file grows by a byte with each death. It is started anew each time, forked from a
    process that has everything loaded, so that this takes no time.
    """
    share, most, file = how.split(":", 2)
    deaths = os.open(file, os.O_WRONLY | os.O_APPEND)
    import uvicorn.main  # noqa: F401 - loaded once, for all that are forked
    from sqlalchemy.ext.asyncio import AsyncSession

    import app.http_direct
    import app.main  # noqa: F401
    from app.db.message.new import NewMessage, Publication
    from app.db.message.publish import Publishing

    publish, commit = Publishing.publish, AsyncSession.commit

    def die() -> None:
        if rng.random() < float(share) and os.fstat(deaths).st_size < int(most):
            os.write(deaths, b".")
            os.kill(os.getpid(), signal.SIGKILL)

    async def publish_and_die(
        self: Publishing, batch: Sequence[NewMessage]
    ) -> tuple[list[Publication | Exception], set[int]]:
        stored = await publish(self, batch)
        die()
        return stored

    async def commit_and_die(self: AsyncSession) -> None:
        await commit(self)
        die()

    Publishing.publish = publish_and_die  # type: ignore[method-assign]
    AsyncSession.commit = commit_and_die  # type: ignore[method-assign]
    _be_reborn()
    rng = random.Random(os.getpid())


def _be_reborn() -> None:
    """Go on in a child of this process, and in another one each time that it is killed."""
    while (child := os.fork()) != 0:
        signal.signal(signal.SIGTERM, lambda *_, child=child: os.kill(child, signal.SIGTERM))
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def dying_of(poison: str) -> None:
    """A worker that is killed when it sends a message with `poison:file` in its payload, and started anew each time.

    The file grows by a byte with each death.
    """
    poison, file = poison.split(":", 1)
    deaths = os.open(file, os.O_WRONLY | os.O_APPEND)
    import worker.main  # noqa: F401 - loaded once, for all that are forked
    from app.db.pending_delivery.queue import Claimed
    from worker.receivers import Receiver
    from worker.sender import Made, Sender
    from worker.substitute import How

    send = Sender.send

    async def send_or_die(
        self: Sender, claimed: Claimed, payload: bytes, receiver: Receiver, how: How | None = None
    ) -> Made:
        if poison.encode() in payload:
            os.write(deaths, b".")
            os.kill(os.getpid(), signal.SIGKILL)
        return await send(self, claimed, payload, receiver, how)

    Sender.send = send_or_die  # type: ignore[method-assign]
    _be_reborn()


def breaking_loop(path: str) -> None:
    """A worker whose loop ends with an error once the file is there."""
    _at_next_renewal(Path(path), _raise)


def freezing_loop(path: str) -> None:
    """A worker whose loop stands still for a minute once the file is there."""
    _at_next_renewal(Path(path), lambda: time.sleep(60))


def _raise() -> None:
    raise RuntimeError("the tests broke this loop")


def _at_next_renewal(file: Path, fault: Callable[[], None]) -> None:
    from worker.holdings import Holdings

    renew = Holdings.renew

    async def renew_or_fail(self: Holdings) -> Collection[int]:
        if await asyncio.to_thread(file.exists):
            fault()
        return await renew(self)

    Holdings.renew = renew_or_fail  # type: ignore[method-assign,assignment]


def metered_loop(path: str) -> None:
    """Nothing is the matter; the file (a double) says how many seconds a timer of the event loop was late at most."""
    import uvloop

    file = Path(path).open("r+b")  # noqa: SIM115 - as long as the process
    longest = mmap.mmap(file.fileno(), 8)
    new_event_loop = uvloop.new_event_loop

    def metered() -> uvloop.Loop:
        loop = new_event_loop()

        def tick(due: float) -> None:
            now = time.perf_counter()
            if now - due > struct.unpack("d", longest[:])[0]:
                longest[:] = struct.pack("d", now - due)
            loop.call_later(0.01, tick, now + 0.01)

        loop.call_soon(tick, time.perf_counter())
        return loop

    uvloop.new_event_loop = metered


FAULTS: Final[dict[str, Callable[[str], None]]] = {
    fault.__name__: fault
    for fault in (jumping_clock, dying_after_commit, dying_of, breaking_loop, freezing_loop, metered_loop)
}


def with_fault(command: Sequence[str], fault: Callable[[str], None], argument: str) -> list[str]:
    """The command of a process, started with a fault; it needs this folder's root in PYTHONPATH."""
    place = command.index("-m") + 1
    return [*command[:place], __name__, fault.__name__, argument, *command[place:]]


if __name__ == "__main__":
    _fault, _argument, _module, *_rest = sys.argv[1:]
    FAULTS[_fault](_argument)
    sys.argv = [_module, *_rest]
    runpy.run_module(_module, run_name="__main__", alter_sys=True)
