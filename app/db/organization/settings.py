"""What an organization has set that others must heed."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_SETTINGS: Final = text("SELECT settings FROM organizations WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Rules:
    """Of an organization's settings those with an effect; the defaults where nothing was set."""

    enforce_https: bool = False
    require_channel: bool = False
    require_event_types: bool = False
    most_endpoints: int | None = None
    read_only_portals: bool = False
    transformations_of_portals: bool = False


async def rules_of(session: AsyncSession, organization_id: str) -> Rules:
    """The organization's."""
    found = (await session.execute(_SETTINGS, {"id": organization_id})).scalar_one_or_none() or {}
    return Rules(
        enforce_https=found.get("enforceHttps", False),
        require_channel=found.get("requireEndpointChannel", False),
        require_event_types=found.get("requireEndpointFilterTypes", False),
        most_endpoints=found.get("endpointsPerAppLimit"),
        read_only_portals=found.get("readOnly", False),
        transformations_of_portals=found.get("enableTransformations", False),
    )
