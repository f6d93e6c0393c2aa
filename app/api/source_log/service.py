"""The rules of the logs of sources: they are read, by their organization alone."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.paging import ListOut, Paging, list_out
from app.api.source_log.models import IngestLogOut
from app.db.source.model import SourceLogRow
from app.db.source.table import SourceLogsTable, SourcesTable
from app.errors import existing
from app.receiving.contract import Headers
from app.receiving.record import unpack


class SourceLogService:
    """Shows what was rejected at a source."""

    def __init__(self, session: AsyncSession) -> None:
        self._sources = SourcesTable(session)
        self._logs = SourceLogsTable(session)

    async def page(self, organization_id: str, reference: str, paging: Paging) -> ListOut[IngestLogOut]:
        """Requests that the source with that id or uid rejected, newest first unless asked otherwise."""
        source = existing(await self._sources.find(organization_id, reference))
        page = await self._logs.page(source.id, paging.window(ascending=False, ids_of="log"))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=_out)


def _out(row: SourceLogRow) -> IngestLogOut:
    received = unpack(row.received)
    return IngestLogOut(
        id=row.id,
        source_id=row.source_id,
        status_code=row.status_code,
        error_text=row.reason,
        headers=_joined(received.headers),
        # Whatever it is: a log is for people.
        payload=(received.body or b"").decode("utf-8", "replace"),
        created_at=row.created_at,
        updated_at=row.created_at,
    )


def _joined(headers: Headers) -> dict[str, str]:
    """The headers by name (RFC 9110 §5.2)."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
