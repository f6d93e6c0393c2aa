"""The system on the wire."""

from typing import Literal

from pydantic import Field

from app.api.fields import Dto, Timestamp


class ServerOut(Dto):
    """A server that Postrider uses."""

    status: Literal["ok", "error"] = Field(examples=["ok"])
    milliseconds: float | None = Field(
        description="In which it answered a small question; null: it did not.", examples=[0.6]
    )


class WorkersOut(Dto):
    """The processes that deliver."""

    alive: int = Field(description="Seen within the last three seconds.", examples=[2])
    shards: int = Field(description="Into how many parts all endpoints are divided.", examples=[64])
    owned: int = Field(description="Parts that a worker drains now; those without work are given back.", examples=[12])
    neglected: int = Field(
        description="Parts that no worker drains, although something has been due in them for seconds: start a worker.",
        examples=[0],
    )


class ChoresOut(Dto):
    """What beat has workers do again and again."""

    ran_at: Timestamp | None = Field(
        description="When the most frequent one last ended; it comes every 20 seconds. null: never.",
        examples=["2026-01-31T23:59:41Z"],
    )
    counted_to: Timestamp = Field(
        description="Up to when messages and attempts have been counted for statistics.",
        examples=["2026-01-31T23:59:40Z"],
    )
    weeks_ahead: int = Field(description="Coming weeks for which there are partitions; four are usual.", examples=[4])


class MigrationsOut(Dto):
    """What has been made of the schema."""

    newest: str = Field(description="The last that was applied.", examples=["0037"])
    pending: list[str] = Field(description="Run `postrider migrate` if there are any.", examples=[[]])


class RetentionOut(Dto):
    """For how many days things are kept; 0: for ever."""

    history_days: int = Field(description="Messages, deliveries and attempts.", examples=[90])
    audit_log_days: int = Field(examples=[400])


class WorkerOut(Dto):
    """One process that delivers."""

    name: str = Field(examples=["worker@host:4711"])
    alive: bool = Field(description="It was seen within the last three seconds.", examples=[True])
    seen_at: Timestamp = Field(examples=["2026-01-31T23:59:58Z"])
    in_flight: int | None = Field(
        description="Deliveries that it had begun and not recorded then; null: it is of an older release.", examples=[3]
    )


class WholeQueueOut(Dto):
    """Everything that waits, as it was when it was last looked at."""

    taken_at: Timestamp = Field(examples=["2026-01-31T23:59:02Z"])
    pending: int = Field(examples=[15])
    due: int = Field(examples=[3])
    oldest_due_seconds: float = Field(examples=[0.4])
    late: int = Field(description="Due for more than a minute, although a worker holds their shard.", examples=[0])
    held_back: int = Field(
        description="Due for more than a minute because of their receiver, or by a rate limit.", examples=[0]
    )
    unowned: int = Field(description="Late, and no living worker holds their shard.", examples=[0])
    stuck: int = Field(description="Will not be sent unless somebody does something.", examples=[0])


class LastLedgerOut(Dto):
    """What was found when the books of the last day were last balanced."""

    taken_at: Timestamp = Field(examples=["2026-01-31T23:59:02Z"])
    accepted: int = Field(examples=[1500])
    missing: int = Field(description="Accepted, and found nowhere.", examples=[0])
    surplus: int = Field(description="Found, and never accepted.", examples=[0])


class InstallationOut(Dto):
    """What belongs to all organizations together. Names none of them."""

    database_version: str = Field(examples=["18.1"])
    database_bytes: int = Field(examples=[73400320])
    workers: list[WorkerOut] = Field(description="Those that were seen within the last minute.")
    queue: WholeQueueOut | None = Field(description="null: no worker has looked yet.")
    ledger: LastLedgerOut | None = Field(description="null: no worker has looked yet.")


class SystemOut(Dto):
    """Whether the installation is well."""

    version: str = Field(description="Of the API process that answers.", examples=["0.1.0"])
    database: ServerOut
    redis: ServerOut
    workers: WorkersOut
    chores: ChoresOut
    migrations: MigrationsOut
    retention: RetentionOut
    installation: InstallationOut | None = Field(
        description="null for a token of another organization than the first one, which is the operator's."
    )
