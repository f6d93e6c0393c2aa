"""The rules of finding endpoints in all applications of an organization."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.api.endpoint.models import FoundEndpointOut
from app.api.paging import ListOut, list_out
from app.db.endpoint.across import Found, find_across_applications
from app.errors import ValidationFailed, Violation

_MOST_APPLICATIONS: Final = 10_000
_NOT_AN_ITERATOR: Final = "The iterator is not one that this list returned; leave it out to begin with the first page."


class EndpointFinder:
    """Finds endpoints whose application is not known."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(
        self, organization_id: str, reference: str, iterator: str | None, limit: int
    ) -> ListOut[FoundEndpointOut]:
        """The endpoints of an id or uid. ValidationFailed if the iterator is none."""
        if iterator is not None and not ids.is_id(iterator, "app"):
            raise ValidationFailed(Violation(("query", "iterator"), _NOT_AN_ITERATOR))
        page = await find_across_applications(
            self._session, organization_id, reference, iterator, limit, _MOST_APPLICATIONS
        )
        return list_out(page.rows, page.done, key=lambda row: row.app_id, item=_out, reached=page.reached)


def _out(row: Found) -> FoundEndpointOut:
    return FoundEndpointOut(**row._asdict())
