"""Sources of type `cron`: when they make a message, and which."""

from datetime import datetime
from typing import Final

from cronsim import CronSim, CronSimError

from app import clock, ids
from app.db.message.new import Arrival, NewMessage
from app.db.source.model import CRON
from app.db.source.schedule import Occurrence
from app.receiving.contract import Request
from app.receiving.record import Received, pack, payload_of

EVENT_TYPE: Final = CRON
_FIELDS: Final = 5
_JSON: Final = "application/json"
_NEVER: Final = "the schedule names a day that never comes: none of its months has so many days"
# What each field may hold, by the name that the package has for it, in the order of the fields.
_RANGES: Final = {
    "minute": "minute (the first field): 0 to 59",
    "hour": "hour (the second field): 0 to 23",
    "day-of-month": "day of the month (the third field): 1 to 31, L for the last, LW for the last working day",
    "month": "month (the fourth field): 1 to 12, or JAN to DEC",
    "day-of-week": "day of the week (the fifth field): 0 to 7, both of which are Sunday, or SUN to SAT",
}
_ANY: Final = "each may be *, a list (0,30), a range (9-17), or steps (*/5)"


def next_run(schedule: str, after: datetime) -> datetime:
    """The first time of a cron expression after a time; both in UTC. ValueError, with what to do, for a bad one."""
    if len(schedule.split()) != _FIELDS:
        raise ValueError(
            "the schedule has five fields: minute, hour, day of the month, month, day of the week, as in 0 4 * * *"
        )
    try:
        found: datetime = next(CronSim(schedule, after))
    except CronSimError as error:
        raise ValueError(_reason(schedule, str(error).rpartition(" ")[2])) from None
    except StopIteration:
        raise ValueError(_NEVER) from None
    except (AssertionError, ValueError):
        raise ValueError(f"the schedule cannot be read: {_ANY}") from None
    return found


def _reason(schedule: str, field: str) -> str:
    """Why an expression is refused for one of its fields."""
    minute, hour, day, _, weekday = schedule.split()
    if field == "day-of-month" and _is_readable(f"{minute} {hour} {day} * {weekday}"):
        return _NEVER
    return f"the schedule cannot be read: {_RANGES.get(field, field)}; {_ANY}"


def _is_readable(schedule: str) -> bool:
    try:
        CronSim(schedule, clock.now())
    except (CronSimError, AssertionError, ValueError):
        return False
    return True


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
