"""The chore behind GET /metrics."""

from app.db.ledger.table import LedgerFigures
from app.db.session import Database
from app.settings import Settings
from tests.db.books import DELIVERED, opened
from worker.ledger import keep_figures


async def test_the_figures_are_kept_and_a_dear_balance_is_drawn_up_less_often(
    settings: Settings, empty_dsn: str
) -> None:
    settings = settings.model_copy(update={"db_dsn": empty_dsn})
    async with opened(settings, empty_dsn) as books:
        pool = books.database.pool
        await books.add_endpoint()
        await books.publish(3)
        await books.record((await books.due())[:1], DELIVERED)
        await keep_figures(settings, pool)
        kept = await LedgerFigures(pool).load()
        assert kept["queue"].numbers["pending"] == 2
        balance = kept["balance"].numbers
        assert (balance["accepted"], balance["delivered"], balance["due"]) == (3, 1, 2)
        assert 86_390 < balance["span_seconds"] < 86_410
        # It took a second: it may be drawn up once in fifty.
        for age, is_renewed in ((45, False), (55, True)):
            await books.publish(1)
            await books.run(
                "UPDATE ledger_figures SET seconds = 1, taken_at = now() - make_interval(secs => $1)", float(age)
            )
            before, waits = (
                (await LedgerFigures(pool).load())["balance"].numbers["accepted"],
                await pending(books.database),
            )
            await keep_figures(settings, pool)
            kept = await LedgerFigures(pool).load()
            assert kept["queue"].numbers["pending"] == waits
            assert (kept["balance"].numbers["accepted"] > before) == is_renewed


async def pending(database: Database) -> int:
    waits: int = await database.pool.fetchval("SELECT count(*) FROM pending_deliveries")
    return waits
