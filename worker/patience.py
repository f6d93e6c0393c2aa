"""What the worker does while Postgres cannot serve it: it waits. Ending the process would mend nothing.

What is in flight ends meanwhile, its outcomes wait to be recorded, and the health file grows old, which is how the
operator sees it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
from loguru import logger

from app.db.session import CONNECTION_ERRORS

PAUSE_SECONDS: Final = 0.5

# Everything that Postgres, or the way to it, answers a statement with that it did not do; also what only an operator
# can mend, such as a migration that was not run yet. Whatever else is raised is a bug of ours.
# InternalClientError is what asyncpg raises for a connection that Postgres has ended but not closed yet.
DATABASE_ERRORS: Final = (*CONNECTION_ERRORS, asyncpg.PostgresError, asyncpg.InternalClientError)

# Those after which the very same statement may succeed: lost servers, deadlocks, full disks, a server that was demoted.
_PASSING: Final = (
    *CONNECTION_ERRORS,
    asyncpg.InternalClientError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)

ResultT = TypeVar("ResultT")


async def until_done(what: str, statement: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """The statement's result, however long Postgres is away; `what` waits, says the log.

    Raises what trying again cannot cure: a value that Postgres refuses, a table that is not there.
    """
    while True:
        try:
            return await statement()
        except ValueError:
            # asyncpg's own error about a value that does not fit is, by its type, one of a connection.
            raise
        except _PASSING as error:
            logger.warning("{} for the database: {}: {}", what, type(error).__name__, error)
            await asyncio.sleep(PAUSE_SECONDS)
