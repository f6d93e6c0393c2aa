"""What is told of throttles."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.throttle.models import EndpointRateLimitStatus, EndpointThrottleRateStatusOut
from app.db.application.model import ApplicationRow
from app.db.endpoint.table import EndpointsTable
from app.db.throttle.status import throttled_since
from app.errors import existing


class ThrottleService:
    """Tells how an application's endpoints fare with their rates."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._endpoints = EndpointsTable(session)

    async def status(self, app: ApplicationRow, reference: str) -> EndpointThrottleRateStatusOut:
        """Whether an endpoint gets less than is due to it because of a rate. NotFound if it is not there."""
        row = existing(await self._endpoints.find(app.id, reference))
        # Workers say so once it has lasted a second; what they said of a rate that is no more says nothing.
        has_rate = row.rate_limit is not None or app.rate_limit is not None
        since = await throttled_since(self._session, row.id) if has_rate and not row.disabled else None
        status = EndpointRateLimitStatus.OK if since is None else EndpointRateLimitStatus.RATE_LIMITED
        return EndpointThrottleRateStatusOut(status=status, throttled_since=since)
