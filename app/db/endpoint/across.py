"""Endpoints by their names, in all applications of an organization."""

from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.application.across import LOOKED_IN, OF_ORGANIZATION, FoundPage, page_of

_SHOWN: Final = "e.id, e.uid, e.url, e.disabled, a.id AS app_id, a.uid AS app_uid, a.name AS app_name"
_BY_ID: Final = f"""
SELECT {_SHOWN} FROM endpoints e JOIN applications a ON a.id = e.application_id
WHERE e.id = :reference AND e.deleted_at IS NULL AND {OF_ORGANIZATION}
"""
# Uids are unique in an application, and indexed by it: so many applications are looked in for one page.
_BY_UID: Final = f"""
WITH {LOOKED_IN}
SELECT {_SHOWN}, e.id IS NOT NULL AS is_wanted, a.place = :looked_in AS is_last
FROM looked_in a
LEFT JOIN endpoints e ON e.application_id = a.id AND e.uid = :reference AND e.deleted_at IS NULL
WHERE e.id IS NOT NULL OR a.place = :looked_in
ORDER BY a.id LIMIT :most
"""


class Found(NamedTuple):
    """An endpoint that has the name, and its application."""

    id: str
    uid: str | None
    url: str
    disabled: bool
    app_id: str
    app_uid: str | None
    app_name: str


async def find_across_applications(
    session: AsyncSession, organization_id: str, reference: str, after: str | None, limit: int, looked_in: int
) -> FoundPage[Found]:
    """The endpoints that `reference` names, in the order of their applications, from the one after `after` on.

    Of an id there is one at most; of a uid one in each of `looked_in` applications.
    """
    named = {"organization_id": organization_id, "reference": reference}
    if reference.startswith("ep_"):
        return FoundPage([Found(*row) for row in await session.execute(text(_BY_ID), named)], True)
    values = {**named, "after": after or "", "most": limit + 1, "looked_in": looked_in}
    rows = (await session.execute(text(_BY_UID), values)).all()
    return page_of(rows, Found, limit)
