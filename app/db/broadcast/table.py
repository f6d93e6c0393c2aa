"""The SQL of the API about broadcasts; the worker's is in bites.py."""

from app.db.base import BaseTable
from app.db.broadcast.model import BroadcastRow


class BroadcastsTable(BaseTable[BroadcastRow]):
    """The broadcasts of one organization."""

    row = BroadcastRow
    scope = "organization_id"
