"""What is made sure of before a process serves."""

import asyncio

import asyncpg
import pytest

from app.db.ping import postgres_answers
from app.db.preflight import NotMigrated, WrongMainSecret, require_ready
from app.sealing import Sealer


async def test_the_first_start_fixes_the_main_secret_and_others_are_refused_whoever_was_first(empty_dsn: str) -> None:
    async with asyncpg.create_pool(empty_dsn, min_size=4, max_size=4) as pool:
        results = await asyncio.gather(
            *(require_ready(pool, Sealer([secret])) for secret in ("one", "two") * 4), return_exceptions=True
        )
        refused = {secret for secret, result in zip(("one", "two") * 4, results, strict=True) if result is not None}
        assert len(refused) == 1
        assert {type(result) for result in results} == {type(None), WrongMainSecret}
        (stranger,) = refused
        (owner,) = {"one", "two"} - refused
        await require_ready(pool, Sealer([owner]))
        await require_ready(pool, Sealer(["newer", owner]))
        with pytest.raises(WrongMainSecret, match=r"^POSTRIDER_MAIN_SECRET is not the one .* sealed with: set it, or"):
            await require_ready(pool, Sealer([stranger, "newer"]))


@pytest.mark.parametrize(
    "undo",
    [
        "DROP TABLE schema_migrations",
        "DELETE FROM schema_migrations",
        "DELETE FROM schema_migrations WHERE version > '0004'",
    ],
)
async def test_a_database_that_lacks_migrations_is_refused_and_is_not_healthy(empty_dsn: str, undo: str) -> None:
    async with asyncpg.create_pool(empty_dsn, min_size=1, max_size=1) as pool:
        assert await postgres_answers(pool, 2.0) is True
        await pool.execute(undo)
        with pytest.raises(NotMigrated, match="run `postrider migrate`"):
            await require_ready(pool, Sealer(["a secret"]))
        assert await postgres_answers(pool, 2.0) is False


async def test_a_database_that_is_newer_than_the_code_is_served_from(empty_dsn: str) -> None:
    async with asyncpg.create_pool(empty_dsn, min_size=1, max_size=1) as pool:
        await pool.execute("INSERT INTO schema_migrations VALUES ('9999')")
        await require_ready(pool, Sealer(["a secret"]))
        assert await postgres_answers(pool, 2.0) is True
