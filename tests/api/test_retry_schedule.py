"""The retry schedule of an event type over HTTP."""

import httpx
import pytest

from tests import factories
from tests.factories import Json

PATH = "/event-type/invoice.paid/retry-schedule"
TWO = [{"secs": 5, "nanos": 0}, {"secs": 2_592_000, "nanos": 999_999_999}]


@pytest.mark.parametrize("schedule", [TWO, [], None])
async def test_a_schedule_is_answered_as_it_was_set(client: httpx.AsyncClient, schedule: list[Json] | None) -> None:
    """Where there is none it is left out: the specification knows no null here."""
    await factories.create_event_type(client)
    assert (await client.get(PATH)).json() == {}
    shown = {} if schedule is None else {"retrySchedule": schedule}
    put = await client.put(PATH, json={"retrySchedule": schedule})
    assert (put.status_code, put.json()) == (200, shown)
    found = await client.get(PATH)
    assert (found.status_code, found.json()) == (200, shown)


async def test_null_restores_the_installations_schedule(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client)
    for body in ({"retrySchedule": None}, {}):
        await client.put(PATH, json={"retrySchedule": TWO})
        assert (await client.put(PATH, json=body)).json() == {}


async def test_a_schedule_outlives_whatever_else_happens_to_its_event_type(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client)
    await client.put(PATH, json={"retrySchedule": TWO})
    await client.put("/event-type/invoice.paid", json={"description": "Other."})
    await client.patch("/event-type/invoice.paid", json={"description": "Third."})
    await client.delete("/event-type/invoice.paid")
    await factories.create_event_type(client)
    assert (await client.get(PATH)).json() == {"retrySchedule": TWO}


@pytest.mark.parametrize(
    ("schedule", "loc"),
    [
        ([{"secs": -1, "nanos": 0}], ["[0]", "secs"]),
        ([{"secs": 2_592_001, "nanos": 0}], ["[0]", "secs"]),
        ([{"secs": 1, "nanos": 0}, {"secs": 1, "nanos": 10**9}], ["[1]", "nanos"]),
        ([{"secs": 1}], ["[0]", "nanos"]),
        ([{"secs": "1", "nanos": 0}], ["[0]", "secs"]),
        ([5], ["[0]"]),
        ("5,300", []),
        ([{"secs": 1, "nanos": 0}] * 101, []),
    ],
)
async def test_a_schedule_that_cannot_be_kept_is_refused(
    client: httpx.AsyncClient, schedule: object, loc: list[str]
) -> None:
    await factories.create_event_type(client)
    await client.put(PATH, json={"retrySchedule": TWO})
    answer = await client.put(PATH, json={"retrySchedule": schedule})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "retrySchedule", *loc])
    assert (await client.get(PATH)).json() == {"retrySchedule": TWO}


async def test_a_schedule_belongs_to_its_organization(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    await factories.create_event_type(client)
    assert (await stranger.get(PATH)).status_code == 404
    assert (await stranger.put(PATH, json={"retrySchedule": TWO})).status_code == 404
    assert (await client.get(PATH)).json() == {}
