"""The ledger over HTTP."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator

from app.api.deps import OrganizationDep
from app.api.fields import rfc_3339
from app.api.ledger.models import LedgerOut
from app.api.ledger.service import LedgerService

router = APIRouter(prefix="/ledger", tags=["Ledger"])


def _ledger(request: Request) -> LedgerService:
    found: LedgerService = request.app.state.ledger
    return found


def _in_utc(time: datetime | None) -> datetime | None:
    """A time without a zone is meant in UTC. ValueError if it is in no year that there is."""
    try:
        return time and (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("this time is before the first year or after the last") from None


LedgerDep = Annotated[LedgerService, Depends(_ledger)]
Since = Annotated[
    datetime | None,
    Query(
        description="Account for messages published since then; by default, for those of the last 24 hours.",
        examples=["2026-01-31T23:59:59Z"],
    ),
    AfterValidator(_in_utc),
    rfc_3339,
]


@router.get("", operation_id="v1.ledger.get")
async def get_ledger(caller: OrganizationDep, ledger: LedgerDep, since: Since = None) -> LedgerOut:
    """Verify that nothing of the organization is lost: accepted = delivered + failed + canceled + due + skipped."""
    return await ledger.draw_up(caller.organization_id, since)
