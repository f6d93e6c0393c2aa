"""Health on the wire."""

from typing import Literal

from app.api.fields import Dto


class PartOut(Dto):
    """One thing that Postrider uses."""

    status: Literal["ok", "error"]


class HealthOut(Dto):
    """Messages are accepted as long as the database is ok; without the others they are delivered a little later."""

    database: PartOut
    queue: PartOut
    cache: PartOut
