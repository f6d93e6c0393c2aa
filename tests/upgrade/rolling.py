"""The upgrade itself: new migrations under the old processes' load, then the processes one after the other."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from app import ids, tokens
from app.cli.embedded import EmbeddedPostgres, EmbeddedValkey
from app.cli.migrations import migrate
from benchmarks.filling import Filling
from tests.upgrade.fleet import Api, Beat, Process, Worker
from tests.upgrade.locks import watched
from tests.upgrade.revision import Tree, new_migrations
from tests.upgrade.traffic import Traffic, flowing

P = TypeVar("P", bound=Process)

_JWT_SECRET: Final = "the upgrade's own secret, long enough for every algorithm: 0123456789abcdef"
_DATABASE: Final = "upgrade"
# A connection that waits for a table for longer than this means that a migration blocks.
LONGEST_WAIT: Final = 3.0
# Before the first migration, and after each.
_QUIET: Final = 3.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate`: messages a second. `rows`: of history before it begins. `mixed`: seconds with both revisions at work."""

    old: Tree
    new: Tree
    rate: float
    rows: int
    mixed: float
    say: Callable[[str], None]


class Upgrade:
    """One upgrade on servers of its own; `problems` is empty if it went as promised."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._started = 0
        self._settings = dict[str, str]()
        self.dsn = ""
        self.problems = list[str]()

    async def run(self) -> None:
        """Every step, and what it measured, is said."""
        async with AsyncExitStack() as stack:
            postgres = stack.enter_context(EmbeddedPostgres(self._folder / "postgres"))
            valkey = stack.enter_context(EmbeddedValkey(self._folder / "valkey"))
            self.dsn = postgres.dsn(_DATABASE)
            self._settings = {
                "POSTRIDER_DB_DSN": self.dsn,
                "POSTRIDER_REDIS_DSN": valkey.dsn,
                "POSTRIDER_JWT_SECRET": _JWT_SECRET,
                "POSTRIDER_MAIN_SECRET": "the upgrade's main secret",
                "POSTRIDER_WHITELIST_SUBNETS": "127.0.0.0/8",
                "POSTRIDER_RETRY_SCHEDULE": "1,1,1,1,1",
            }
            await asyncio.to_thread(self._migrate, self._plan.old.migrations)
            await self._upgrade(stack)

    async def _upgrade(self, stack: AsyncExitStack) -> None:
        old = self._plan.old
        apis = [self._start(stack, Api, old) for _ in range(2)]
        workers = [self._start(stack, Worker, old) for _ in range(2)]
        beat = self._start(stack, Beat, old)
        for process in (*apis, *workers, beat):
            await process.until_ready()
        token = tokens.issue(_JWT_SECRET, "HS256", ids.new_id("org"))
        rotation = list(apis)
        async with flowing(rotation, token, self._plan.rate) as traffic:
            if self._plan.rows:
                await self._fill(traffic)
            await asyncio.sleep(_QUIET)
            await self._apply_migrations(traffic)
            await self._roll(stack, traffic, apis, workers, beat)
            if (left := await traffic.stop(self.dsn)) is not None:
                self.problems.append(left)
        self._judge(traffic)

    async def _fill(self, traffic: Traffic) -> None:
        filling = Filling(self.dsn)
        await filling.begin(list(traffic.applications))
        await filling.add_history(self._plan.rows, lambda _done: None)
        self._plan.say(f"{self._plan.rows:,} messages of history, with a delivery and an attempt each")

    async def _apply_migrations(self, traffic: Traffic) -> None:
        migrations = self._plan.new.migrations
        for migration in new_migrations(self._plan.old, self._plan.new):
            failed, began = traffic.failures.total(), monotonic()
            async with watched(self.dsn) as waits:
                await asyncio.to_thread(self._migrate, [path for path in migrations if path <= migration])
            ended = monotonic()
            await asyncio.sleep(_QUIET)
            slowest, before = traffic.slowest(began, ended), traffic.slowest(began - _QUIET, began)
            self._plan.say(
                f"{migration.name}: {ended - began:.2f} s, a table was waited for {waits.longest:.2f} s; the slowest "
                f"call took {slowest:.2f} s ({before:.2f} s before), {traffic.failures.total() - failed} failed"
            )
            if waits.longest > LONGEST_WAIT:
                self.problems.append(f"{migration.name} made others wait for a table for {waits.longest:.1f} s")

    async def _roll(
        self, stack: AsyncExitStack, traffic: Traffic, apis: list[Api], workers: list[Worker], beat: Beat
    ) -> None:
        """First one of each, then a while of both at work, then the others."""
        for turn, (api, worker) in enumerate(zip(apis, workers, strict=True)):
            new_worker = self._start(stack, Worker, self._plan.new)
            await new_worker.until_ready()
            await worker.end()
            new_api = self._start(stack, Api, self._plan.new)
            await new_api.until_ready()
            traffic.apis.append(new_api)
            traffic.apis.remove(api)
            await api.until_idle()
            await api.end()
            if turn == 0:
                self._plan.say(f"one API process and one worker of each revision for {self._plan.mixed:.0f} s")
                await asyncio.sleep(self._plan.mixed)
        await beat.end()
        await self._start(stack, Beat, self._plan.new).until_ready()
        await asyncio.sleep(_QUIET)
        self._plan.say("all processes are new")

    def _judge(self, traffic: Traffic) -> None:
        lost = traffic.lost()
        self._plan.say(
            f"{len(traffic.requests):,} calls, {traffic.failures.total()} failed; {len(traffic.expected):,} messages "
            f"accepted, {len(lost)} deliveries lost, {traffic.duplicates()} came again unasked"
        )
        self.problems += [f"{count} times: {failure}" for failure, count in traffic.failures.most_common(20)]
        self.problems += [f"lost: {one}" for one in lost[:20]]

    def _migrate(self, files: list[Path]) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            for file in files:
                shutil.copy(file, folder)
            migrate(self.dsn, lambda _line: None, Path(folder))

    def _start(self, stack: AsyncExitStack, kind: type[P], tree: Tree) -> P:
        self._started += 1
        revision = "new" if tree is self._plan.new else "old"
        process = kind(f"{revision}-{kind.__name__.lower()}-{self._started}", tree, self._settings, self._folder)
        stack.callback(process.popen.wait)
        stack.callback(process.popen.kill)
        return process
