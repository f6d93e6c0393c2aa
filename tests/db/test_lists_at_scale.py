"""Every list, in a database of a million rows of each kind: the plans read what leads to the page, and no more."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any, Final

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app import clock, ids, tokens
from app.settings import Settings
from benchmarks.filling import Filling
from tests import factories
from tests.api.operations import Operation, operations
from tests.servers import Servers
from worker.rollups import keep_rollups

pytestmark = pytest.mark.chaos

_ROWS: Final = 1_000_000
_BACKLOG: Final = 100_000
# Of what is not history, a tenth is the organization's.
_FILL: Final = {
    "applications": "INSERT INTO applications (id, organization_id, name, created_at, updated_at)"
    " SELECT 'app_' || lpad(i::text, 27, '0'), CASE WHEN i % 10 = 0 THEN $2 ELSE $3 END, 'x', now(), now()"
    " FROM generate_series(1, $1::integer) i",
    "endpoints": "INSERT INTO endpoints (id, application_id, url, secrets, shard, created_at, updated_at)"
    " SELECT 'ep_' || lpad(i::text, 27, '0'), CASE WHEN i % 10 = 0 THEN $2 ELSE $3 END, 'http://r', '', 0, now(), now()"
    " FROM generate_series(1, $1::integer) i",
    "event_types": "INSERT INTO event_types (id, organization_id, name, description, created_at, updated_at)"
    " SELECT 'evtype_' || lpad(i::text, 27, '0'), CASE WHEN i % 10 = 0 THEN $2 ELSE $3 END, 'bulk.' || i, '', now(),"
    " now() FROM generate_series(1, $1::integer) i",
    "audit_entries": "INSERT INTO audit_entries (id, organization_id, actor_kind, actor_id, operation, target)"
    " SELECT 'audit_' || lpad(i::text, 27, '0'), CASE WHEN i % 10 = 0 THEN $2 ELSE $3 END, 'organization',"
    " 'a' || i % 7, 'v1.endpoint.create', 'ep_' || i FROM generate_series(1, $1::integer) i",
    "background_tasks": "INSERT INTO background_tasks (id, organization_id, kind, status, arguments, data)"
    " SELECT 'qtask_' || lpad(i::text, 27, '0'), CASE WHEN i % 10 = 0 THEN $2 ELSE $3 END, 'endpoint.replay',"
    " 'finished', '{}', '{}' FROM generate_series(1, $1::integer) i",
}
# Of one of those endpoints, far behind what waits for others.
_FEW_WAIT: Final = (
    "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at)"
    " SELECT id, $1, application_id, 0, now() + interval '1 hour' FROM ("
    " SELECT id, application_id FROM messages WHERE application_id = $2 ORDER BY id DESC OFFSET 200000 LIMIT 30) m"
)


@dataclass(frozen=True)
class Scale:
    """Where there is much of everything, and how to ask for it."""

    app: FastAPI
    client: httpx.AsyncClient
    connection: asyncpg.Connection
    sent: list[tuple[str, tuple[object, ...]]]
    names: Mapping[str, str]

    async def plans(self, method: str, url: str, **more: Any) -> list[Any]:
        """The plans of all statements that a request sends, as they are for its values and as they are for any."""
        self.sent.clear()
        answer = await self.client.request(method, url, **more)
        assert answer.status_code == 200, answer.text
        found = []
        for mode in ("force_custom_plan", "force_generic_plan"):
            await self.connection.execute(f"SET plan_cache_mode = {mode}")
            for statement, values in list(self.sent):
                explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                plan = json.loads(await self.connection.fetchval(explain, *values, timeout=60))[0]["Plan"]
                found.append({"Mode": mode, "Statement": statement, **plan})
        return found


@pytest.fixture(scope="module")
async def scale(servers: Servers, settings: Settings) -> AsyncIterator[Scale]:
    dsn = await servers.clone("postrider_scale")
    own = settings.model_copy(update={"db_dsn": dsn})
    assert settings.jwt_secret is not None
    organization, other = ids.new_id("org"), ids.new_id("org")
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, organization)
    async with factories.running(own) as app, factories.client_of(app, token) as client:
        names = await _fill(client, dsn, organization, other)
        sent: list[tuple[str, tuple[object, ...]]] = []
        event.listen(
            app.state.database.engine.sync_engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, values, *_rest: sent.append((statement, values)),
        )
        connection = await asyncpg.connect(dsn)
        yield Scale(app, client, connection, sent, names)
        await connection.close()
    await servers.drop("postrider_scale")


async def _fill(client: httpx.AsyncClient, dsn: str, organization: str, other: str) -> dict[str, str]:
    applications = [(await factories.create_application(client))["id"] for _ in range(3)]
    for application in applications:
        for _ in range(2):
            await factories.create_endpoint(client, application)
    filling = Filling(dsn)
    await filling.begin(applications)
    await filling.add_history(_ROWS, lambda _done: None)
    await filling.add_backlog(_BACKLOG, lambda _done: None)
    connection = await asyncpg.connect(dsn)
    busy = await connection.fetchrow("SELECT application_id, endpoint_id FROM bench_owners WHERE number = 0")
    assert busy is not None
    stranger = (await factories.create_application(client))["id"]
    await connection.execute("INSERT INTO organizations (id) VALUES ($1)", other)
    for table, statement in _FILL.items():
        ours, theirs = (busy["application_id"], stranger) if table == "endpoints" else (organization, other)
        await connection.execute(statement, _ROWS, ours, theirs, timeout=600)
    for table in (*_FILL, "pending_deliveries"):
        await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=600)
    quiet = "ep_" + str(_ROWS // 2).zfill(27)
    await connection.execute(_FEW_WAIT, quiet, busy["application_id"])
    message = await connection.fetchval(
        "SELECT message_id FROM attempts WHERE endpoint_id = $1 ORDER BY id DESC OFFSET 1000 LIMIT 1",
        busy["endpoint_id"],
    )
    await connection.close()
    return {
        "app_id": busy["application_id"],
        "endpoint_id": busy["endpoint_id"],
        "msg_id": message,
        "env_id": organization,
        "quiet_id": quiet,
    }


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _offences(plan: Any, most_buffers: int) -> list[str]:
    found = []
    for node in _nodes(plan):
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        if node["Node Type"] == "Seq Scan" and rows * node["Actual Loops"] > 1000:
            found.append(f"a sequential scan of {node['Relation Name']}, {rows} rows")
        if "Sort" in node["Node Type"] and node["Actual Rows"] * node["Actual Loops"] > _MOST_SORTED:
            found.append(f"a sort of {node['Actual Rows']} rows by {node.get('Sort Key')}")
    buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if buffers > most_buffers:
        found.append(f"{buffers} buffers")
    return [f"{offence} ({plan['Mode']}) in {plan['Statement'][:2000]}" for offence in found]


# A page and one row more, of two tables.
_MOST_SORTED: Final = 2 * 251
_A_PAGE: Final = 3_000
# Seconds, of a request that looks at the present or the past of everything.
_MOMENT: Final = 0.05
# Where each of 10,000 rows is looked at, and its message too.
_LOOKED_AT: Final = 100_000


def _is_list(app: FastAPI, operation: Operation) -> bool:
    document = app.openapi()
    said = document["paths"][operation.document_path][operation.method.lower()]
    schema = said["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return "iterator" in document["components"]["schemas"].get(name, {}).get("properties", {})


async def test_the_first_page_of_every_list_is_found_by_an_index(scale: Scale) -> None:
    lists = [found for found in operations(scale.app) if found.method == "GET" and _is_list(scale.app, found)]
    assert len(lists) >= 9
    offences = []
    for operation in lists:
        if not set(operation.path_parameters) <= scale.names.keys() or operation.tag == "Environment":
            continue  # Environments are few, and listed with a token of another kind.
        # An event id is looked for in 10,000 applications, one by one.
        most_buffers = _LOOKED_AT if operation.name == "v1.message.find" else _A_PAGE
        for plan in await scale.plans("GET", operation.url(scale.names), params=operation.required_query):
            offences += [f"{operation}: {offence}" for offence in _offences(plan, most_buffers)]
    assert not offences, "\n\n".join(offences)


@pytest.mark.parametrize("limit", [1, 250])
async def test_lists_of_what_is_not_history_are_paged_by_an_index_in_both_directions(scale: Scale, limit: int) -> None:
    app, org = scale.names["app_id"], scale.names["env_id"]
    offences = []
    for path, prefix in (
        ("/app", "app_"),
        (f"/app/{app}/endpoint", "ep_"),
        ("/background-task", "qtask_"),
        (f"/management/authentication/{org}/api-token", "key_"),
    ):
        middle = prefix + str(_ROWS // 2).zfill(27)
        for iterator in (middle, f"-{middle}"):
            for order in ("ascending", "descending"):
                params = {"limit": limit, "iterator": iterator, "order": order}
                for plan in await scale.plans("GET", path, params=params):
                    offences += [f"{path}: {offence}" for offence in _offences(plan, _A_PAGE)]
    for iterator in ("bulk.500000", "-bulk.500000"):
        for plan in await scale.plans("GET", "/event-type", params={"limit": limit, "iterator": iterator}):
            offences += [f"event types: {offence}" for offence in _offences(plan, _A_PAGE)]
    assert not offences, "\n\n".join(offences)


@pytest.mark.parametrize(
    ("params", "most_buffers"),
    [
        ({}, _A_PAGE),
        ({"limit": 250}, _A_PAGE),
        ({"back": "20"}, _A_PAGE),
        ({"iterator": "20"}, _A_PAGE),
        ({"after": "20"}, _A_PAGE),
        ({"before": "20"}, _A_PAGE),
        ({"status": 2}, _A_PAGE),
        ({"status": 0}, _A_PAGE),
        ({"status": 1}, 8 * _A_PAGE),
        ({"status": 4}, _LOOKED_AT),
        ({"status_code_class": 500}, _A_PAGE),
        ({"status_code_class": 400}, _LOOKED_AT),
        ({"event_types": "type.1"}, _LOOKED_AT),
        ({"event_types": "never.came"}, _LOOKED_AT),
        ({"event_types": "never.came,type.2", "status": 2}, _LOOKED_AT),
        ({"channel": "none"}, _LOOKED_AT),
        ({"tag": "none"}, _LOOKED_AT),
        ({"tag": "none", "after": "20"}, _LOOKED_AT),
    ],
    ids=str,
)
async def test_lists_of_history_read_what_leads_to_the_page(scale: Scale, params: Any, most_buffers: int) -> None:
    app, endpoint, message = (scale.names[name] for name in ("app_id", "endpoint_id", "msg_id"))
    offences = []
    for path, prefix in (
        (f"/app/{app}/msg", "msg"),
        (f"/app/{app}/attempt/endpoint/{endpoint}", "atmpt"),
        (f"/app/{app}/attempt/endpoint/{endpoint}/count", "atmpt"),
        (f"/app/{app}/attempt/msg/{message}", "atmpt"),
        (f"/app/{app}/endpoint/{endpoint}/msg", "msg"),
    ):
        most = 10 * _A_PAGE if "/count" in path and most_buffers == _A_PAGE else most_buffers
        for plan in await scale.plans("GET", path, params=_given(params, prefix)):
            offences += [f"{path}: {each}" for each in _offences(plan, most)]
    assert not offences, "\n\n".join(offences)


@pytest.mark.parametrize("params", [{}, {"limit": 250}, {"status": 1}, {"tag": "none"}], ids=str)
async def test_what_waits_for_a_quiet_endpoint_is_found_behind_what_waits_for_others(scale: Scale, params: Any) -> None:
    path = f"/app/{scale.names['app_id']}/endpoint/{scale.names['quiet_id']}/msg"
    plans = await scale.plans("GET", path, params=params)
    offences = [offence for plan in plans for offence in _offences(plan, _A_PAGE // 4)]
    assert not offences, "\n\n".join(offences)
    listed = (await scale.client.get(path, params=params)).json()
    assert (len(listed["data"]), listed["done"]) == (0 if "tag" in params else 30, True)


def _given(params: Mapping[str, Any], prefix: Any) -> dict[str, Any]:
    """What stands for so many days ago is a time, or an iterator of that time."""
    at = clock.now() - timedelta(days=20)
    some = ids.floor_id(prefix, at)
    means = {"back": ("iterator", f"-{some}"), "iterator": ("iterator", some)}
    given: dict[str, Any] = dict(means.get(name, (name, value)) for name, value in params.items())
    return {name: at.isoformat() if name in {"after", "before"} else value for name, value in given.items()}


@pytest.mark.parametrize(
    "body",
    [{}, {"tag": "none"}, {"event_types": ["never.came"]}, {"text": "nowhere"}, {"text": '"seq":', "channel": "none"}],
    ids=str,
)
async def test_a_search_is_bounded_whatever_is_looked_for(scale: Scale, body: Any) -> None:
    path = f"/app/{scale.names['app_id']}/msg/search"
    plans = await scale.plans("POST", path, json=body)
    offences = [offence for plan in plans for offence in _offences(plan, _LOOKED_AT)]
    assert not offences, "\n\n".join(offences)


@pytest.mark.parametrize("params", [{"limit": 100}, {"limit": 250, "order": "descending"}], ids=str)
async def test_an_explanation_reads_what_leads_to_its_page(scale: Scale, params: Any) -> None:
    """The application has a tenth of a million endpoints, and the message is one of a million."""
    path = f"/app/{scale.names['app_id']}/msg/{scale.names['msg_id']}/explain"
    plans = await scale.plans("GET", path, params=params)
    offences = [offence for plan in plans for offence in _offences(plan, _A_PAGE)]
    assert not offences, "\n\n".join(offences)
    page = (await scale.client.get(path, params=params)).json()
    assert (len(page["data"]), page["done"]) == (params["limit"], False)
    # Most of them are younger than the message.
    assert {"created_later"} < {one["reasons"][0]["code"] for one in page["data"]} | {"delivered"}


async def test_the_feed_is_bounded(scale: Scale) -> None:
    path, iterator = f"/app/{scale.names['app_id']}/events", None
    asked: tuple[dict[str, Any], ...] = ({}, {"limit": 250}, {"event_types": "never.came"}, {"channels": "none"})
    for params in asked:
        plans = await scale.plans("GET", path, params=params | ({"iterator": iterator} if iterator else {}))
        offences = [offence for plan in plans for offence in _offences(plan, _LOOKED_AT // 2)]
        assert not offences, "\n\n".join(offences)
        iterator = (await scale.client.get(path, params=params)).json()["iterator"]


async def test_overviews_take_a_moment_however_much_there_is(scale: Scale) -> None:
    pool = scale.app.state.database.pool
    # A million rows of each kind are counted in bites of four seconds.
    for _ in range(60):
        await keep_rollups(pool)
        if await pool.fetchval("SELECT now() - rolled_to FROM rollup_progress") < timedelta(seconds=30):
            break
    app, endpoint = scale.names["app_id"], scale.names["endpoint_id"]
    attempts, slow = 0, []
    # To compare answers with the document takes longer than to give them.
    headers = {"authorization": scale.client.headers["authorization"]}
    unchecked = httpx.AsyncClient(transport=httpx.ASGITransport(scale.app), base_url=factories.API, headers=headers)
    for of in ({}, {"app_id": app}, {"app_id": app, "endpoint_id": endpoint}):
        asked = [("/stats/now", of)]
        asked += [("/stats/series", {**of, "period": period}) for period in ("1h", "24h", "7d", "28d")]
        for path, params in asked:
            took = []
            for _ in range(7):
                began = perf_counter()
                answer = await unchecked.get(path, params=params)
                took.append(perf_counter() - began)
                assert answer.status_code == 200, answer.text
            if min(took) > _MOMENT:
                slow.append(f"{path} {params}: {min(took) * 1000:.0f} ms")
            attempts = max(attempts, answer.json().get("total", {}).get("attempts", 0))
    assert not slow, slow
    assert attempts > _ROWS // 2, "of four weeks"
