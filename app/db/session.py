"""Connections to Postgres, and the only commit in the tree.

Two ways in: `transaction()` and `reading()` give a SQLAlchemy session for the control plane; `pool` gives asyncpg
connections for the statements of the hot path, each of which is its own transaction.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.db.audit.trail import RecordingSession
from app.db.pool import PatientPool
from app.errors import Unavailable
from app.settings import Settings

# What a lost, refused or overloaded Postgres raises. SQLAlchemy wraps most of these, but a refused connection
# arrives as a bare OSError and a full pool as TimeoutError.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A connection that Postgres has ended and not closed yet.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DiskFullError,
)


# The statements of the hot path are planned once for each connection, when a table may be empty, and run when it holds
# millions of rows. Each is made to find a few rows by an index, and to scan nothing but its own input.
_HOT_PATH = {
    "application_name": "postrider",
    "plan_cache_mode": "force_generic_plan",
    **dict.fromkeys(("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"), "off"),
}


# Of the time that a statement is given. Who waits for a connection, and then for a lock that somebody holds, is
# answered within that time all the same, and does not hold what others need meanwhile.
_SHARE_FOR_CONNECTION = 0.3
_SHARE_FOR_LOCK = 0.4


class Database:
    """The engines and the pool of one process. Open it in the event loop that uses it, close it there."""

    def __init__(self, settings: Settings) -> None:
        assert settings.db_dsn is not None
        self._dsn = settings.db_dsn
        self._statement_timeout = settings.db_statement_timeout
        self._lock_timeout = f"{self._statement_timeout * _SHARE_FOR_LOCK * 1000:.0f}ms"
        # Half for the control plane, half for the hot path, so that neither starves the other.
        self._half = max(2, settings.db_pool_max_size // 2)
        self.engine = self._engine(settings.db_dsn)
        self.read_engine = self._engine(settings.db_read_dsn) if settings.db_read_dsn else self.engine
        self._pool: asyncpg.Pool | None = None

    def _engine(self, dsn: str) -> AsyncEngine:
        return create_async_engine(
            _for_sqlalchemy(dsn),
            pool_size=self._half,
            max_overflow=0,
            pool_timeout=self._statement_timeout * _SHARE_FOR_CONNECTION,
            pool_pre_ping=True,
            # Payloads and secrets are parameters.
            hide_parameters=True,
            connect_args={
                "command_timeout": self._statement_timeout,
                "timeout": self._statement_timeout,
                "server_settings": {"lock_timeout": self._lock_timeout},
            },
        )

    async def open(self) -> None:
        """Connect the hot path's pool. Raises one of CONNECTION_ERRORS if Postgres cannot be reached."""
        self._pool = await PatientPool(
            self._dsn,
            least=min(2, self._half),
            most=self._half,
            patience=self._statement_timeout,
            command_timeout=self._statement_timeout,
            # Nothing on this pool leaves state in a session, so that cleaning it would be a round trip for nothing.
            reset=_keep,
            server_settings=_HOT_PATH | {"lock_timeout": self._lock_timeout},
        )

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
        await self.engine.dispose()
        if self.read_engine is not self.engine:
            await self.read_engine.dispose()

    @property
    def pool(self) -> asyncpg.Pool:
        """Connections for the hot path. RuntimeError before `open()`."""
        if self._pool is None:
            raise RuntimeError("the database is not open: call open() in the lifespan first")
        return self._pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session on the write server; commits at the end, rolls back on an error."""
        async with AsyncSession(self.engine, expire_on_commit=False, sync_session_class=RecordingSession) as session:
            yield session
            await session.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for lists, on the read replica if there is one; never commits."""
        async with AsyncSession(self.read_engine, expire_on_commit=False) as session:
            yield session


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """The connection under a session whose transaction has begun, for a statement of the hot path in the same one."""
    under = await (await session.connection()).get_raw_connection()
    connection: asyncpg.Connection = under.driver_connection
    return connection


def due_after_commit(session: AsyncSession) -> set[int]:
    """The shards that hold something due once this session's transaction is committed; whoever commits it rings."""
    shards: set[int] = session.info.setdefault("due_after_commit", set())
    return shards


_TASKS: Final = "background tasks after commit"


def ring_for_tasks_after_commit(session: AsyncSession) -> None:
    """This session's transaction starts a background task; whoever commits it rings."""
    session.info[_TASKS] = True


def tasks_after_commit(session: AsyncSession) -> bool:
    """Whether this session's transaction started a background task."""
    return _TASKS in session.info


@asynccontextmanager
async def unavailable_when_unreachable() -> AsyncIterator[None]:
    """Turns what a lost connection raises into Unavailable, for callers outside of a request."""
    try:
        yield
    except CONNECTION_ERRORS as error:
        raise Unavailable() from error


async def _keep(_connection: asyncpg.Connection) -> None:
    """Leaves a connection as it is."""


def _for_sqlalchemy(dsn: str) -> str:
    scheme, _, rest = dsn.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError(f"POSTRIDER_DB_DSN must begin with postgresql://, not {scheme}://")
    return f"postgresql+asyncpg://{rest}"
