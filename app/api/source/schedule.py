"""Sources of type `cron`: when they make a message, and which."""

from datetime import datetime
from typing import Final

from cronsim import CronSim, CronSimError

from app import ids
from app.db.message.new import Arrival, NewMessage
from app.db.source.model import CRON
from app.db.source.schedule import Occurrence
from app.receiving.contract import Request
from app.receiving.record import Received, pack, payload_of

EVENT_TYPE: Final = CRON
_FIELDS: Final = 5
_JSON: Final = "application/json"


def next_run(schedule: str, after: datetime) -> datetime:
    """The first time of a cron expression after a time; both in UTC. ValueError, with what to do, for a bad one."""
    if len(schedule.split()) != _FIELDS:
        raise ValueError("the schedule has five fields: minute, hour, day of the month, month, day of the week")
    try:
        found: datetime = next(CronSim(schedule, after))
    except CronSimError as error:
        raise ValueError(f"the schedule cannot be read: {error}. Write it as `*/5 * * * *`") from None
    except StopIteration:
        raise ValueError("the schedule names a day that never comes") from None
    except (AssertionError, ValueError):
        raise ValueError("the schedule cannot be read: write it as `*/5 * * * *`") from None
    return found


def run_after(occurrence: Occurrence, after: datetime) -> datetime | None:
    """When a source makes its next message; None: never again."""
    try:
        return next_run(occurrence.options.get("schedule", ""), after)
    except ValueError:
        # It was good once, and names one last day.
        return None


def message_of(occurrence: Occurrence) -> NewMessage:
    """The message of one occurrence, as if it had been posted to the source."""
    options = occurrence.options
    headers = (("content-type", options.get("contentType") or _JSON),)
    request = Request("POST", "", headers, options.get("payload", "").encode())
    payload = payload_of(request)
    received = Received(
        request.method, "", headers, None if payload is request.body else request.body, occurrence.forwards_original
    )
    return NewMessage(
        ids.new_id("msg"),
        occurrence.organization_id,
        occurrence.application_id,
        None,
        EVENT_TYPE,
        f"{occurrence.source_id}.{occurrence.at.timestamp():.0f}",
        None,
        payload,
        None,
        None,
        arrival=Arrival(occurrence.source_id, pack(received)),
    )
