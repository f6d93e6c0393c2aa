"""The one list of what is sealed. Whatever is missing here could not be read once a main secret was replaced."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SealedColumns:
    """The sealed columns of a table; `identity` is the SQL of what a row's values are bound to, its primary key."""

    table: str
    identity: str
    columns: tuple[str, ...]


SEALED: Final = (
    SealedColumns("api_tokens", "id", ("sealed",)),
    SealedColumns("endpoints", "id", ("secrets", "headers", "authentication", "client_identity")),
    SealedColumns("endpoint_transformations", "endpoint_id", ("sealed",)),
    SealedColumns("idempotent_responses", "id", ("body",)),
    SealedColumns("one_time_tokens", "id", ("sealed",)),
    SealedColumns("sources", "id", ("sealed",)),
    SealedColumns("source_tokens", "id", ("sealed",)),
    SealedColumns("web_sessions", "id", ("sealed",)),
    SealedColumns("installation", "'installation'", ("sealed",)),
)
