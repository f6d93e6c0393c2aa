"""What leaves with time: history by whole weeks, payloads when their publisher or their organization says so."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
from loguru import logger

from app import weeks
from app.db.message.expiry import BITE, Expiring, PayloadExpiry, Sweep
from app.db.partition.retention import forget_history, kept_objects, now, weeks_of_history
from app.payload_store.store import PayloadStore, StoreAway

_MOST_KEPT: Final = 20_000


async def forget_old(pool: asyncpg.Pool, store: PayloadStore | None, days: int) -> None:
    """Forget history, with its payloads wherever they are, that is older than so many days (0: none is)."""
    if not days:
        return
    before = await now(pool) - timedelta(days=days)
    forgotten = await forget_history(pool, before)
    if forgotten.rows or forgotten.event_ids:
        logger.info("forgot {} event ids, and {} rows without a week", forgotten.event_ids, forgotten.rows)
    if store is not None:
        try:
            await _forget_objects(pool, store, before)
        except StoreAway as away:
            logger.warning("old payloads stay in the payload store for now: {}", away)


async def _forget_objects(pool: asyncpg.Pool, store: PayloadStore, before: datetime) -> None:
    """Once a week's partition is gone, so are the objects to which no message leads any more."""
    partitioned = {weeks.name(week) for week in await weeks_of_history(pool)}
    for group in await store.groups():
        week = weeks.named(group)
        if week is None or group in partitioned or weeks.end(week) > before:
            continue
        kept = await kept_objects(pool, week, _MOST_KEPT)
        if kept is not None:
            gone = await store.forget_group(group, kept)
            logger.info("forgot {} payloads of the week of {} in the payload store", gone, week)


async def forget_payloads(pool: asyncpg.Pool, store: PayloadStore | None) -> int:
    """Forget the payloads that are not to be kept any longer; how many were looked at."""
    expiry = PayloadExpiry(pool)
    at, looked_at = await now(pool), 0
    while expiring := await expiry.due(at):
        await _forget(expiry, store, expiring)
        looked_at += len(expiring)
    for sweep in await expiry.sweeps(at):
        looked_at += await _sweep(expiry, store, sweep)
    return looked_at


async def _sweep(expiry: PayloadExpiry, store: PayloadStore | None, sweep: Sweep) -> int:
    looked_at, application = 0, ""
    while applications := await expiry.applications_after(sweep.organization_id, application):
        for application in applications:
            after: str | None = None
            while expiring := await expiry.old(application, sweep, after):
                await _forget(expiry, store, expiring)
                looked_at += len(expiring)
                after = expiring[-1].message_id
                if len(expiring) < BITE:
                    break
    await expiry.swept(sweep)
    return looked_at


async def _forget(expiry: PayloadExpiry, store: PayloadStore | None, expiring: Sequence[Expiring]) -> None:
    stored = [each.message_id for each in expiring if each.is_stored and not each.is_pending]
    gone: Collection[str] = ()
    if stored:
        try:
            if store is None:
                raise StoreAway("POSTRIDER_PAYLOAD_STORE is not set, and there are payloads in it")
            await store.delete(stored)
            gone = stored
        except StoreAway as away:
            logger.warning("{} payloads are kept for another hour: {}", len(stored), away)
    # What still has its object keeps its row, also if it was pending a moment ago and is not any more.
    later = [each.message_id for each in expiring if each.is_stored and each.message_id not in gone]
    await expiry.forget(expiring, later, gone)
