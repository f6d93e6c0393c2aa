"""The made-up shop platform: its customers, their receivers, what happened in the last day, and what happens now."""

import asyncio
import math
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx

from app import clock
from tests import factories
from tests.receiver import Answer, Arrival, Receiver
from worker.rollups import keep_rollups
from worker.runtime import Runtime

MAIN: Final = "blue-kettle"
_APPLICATIONS: Final = {
    MAIN: "Blue Kettle Coffee",
    "harbor-bikes": "Harbor Bikes",
    "lumen-studio": "Lumen Studio",
    "northwind": "Northwind Logistics",
    "paper-and-pine": "Paper & Pine",
}
_EVENT_TYPES: Final = {
    "order.created": "A customer has placed an order.",
    "order.paid": "The payment of an order has arrived.",
    "order.shipped": "An order has left the warehouse.",
    "order.refunded": "An order was paid back, in full or in part.",
    "customer.created": "Somebody has opened an account.",
    "customer.updated": "A customer has changed their name or address.",
    "payout.sent": "What a shop has earned is on its way to its bank.",
}
_NAMES: Final = tuple(_EVENT_TYPES)
_PAYLOAD: Final = {
    "id": "ord_8241",
    "number": 8241,
    "customer": {"id": "cus_311", "name": "Ada Lindqvist", "email": "ada@example.com"},
    "lines": [
        {"sku": "KETTLE-08", "quantity": 1, "price": 6900},
        {"sku": "FILTER-100", "quantity": 2, "price": 450},
    ],
    "currency": "EUR",
    "total": 7800,
}
_DOWN: Final = "erp.bluekettle.example"
# Of a host: who listens, and what they want.
_ENDPOINTS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    (MAIN, "api.bluekettle.example/webhooks", {"description": "The shop"}),
    (MAIN, f"{_DOWN}/orders", {"description": "Stock and invoices", "filterTypes": list(_NAMES[:4])}),
    (MAIN, "crm.bluekettle.example/hooks/in", {"description": "Newsletter", "filterTypes": list(_NAMES[4:6])}),
    (MAIN, "staging.bluekettle.example/webhooks", {"description": "Staging", "channels": ["staging"]}),
    ("harbor-bikes", "hooks.harborbikes.example/orders", {"description": "Orders", "uid": "orders"}),
    ("lumen-studio", "lumen.example/api/events", {"description": "Production"}),
    ("northwind", "in.northwind.example/v2/webhooks", {"description": "Dispatch"}),
    ("paper-and-pine", "paperandpine.example/hooks", {}),
)
_A_DAY_OF_MESSAGES: Final = 24_000
# A worker tells after ten seconds how its endpoints do.
_LIVE_SECONDS: Final = 14.0
_EACH: Final = 0.07
_REFUSED: Final = "SELECT id FROM attempts WHERE message_id = $1 AND status = 2 ORDER BY id LIMIT 1"
_RENAME: Final = r"UPDATE {table} SET url = regexp_replace(url, '^http://127\.0\.0\.1:\d+/', 'https://')"
# As the history has it; revision 0 is what holds although the endpoint was changed.
_DOWN_SINCE: Final = """
UPDATE endpoint_health SET revision = 0, first_failure_at = now() - interval '26 minutes',
                           opened_at = now() - interval '25 minutes'
WHERE first_failure_at IS NOT NULL
"""
# For the same pictures each time, as far as time allows.
_CHANCE: Final = random.Random(8)


@dataclass
class World:
    """`ids` of what pictures are taken of, by the names in the paths of pages."""

    ids: dict[str, str] = field(default_factory=dict)


async def begin(client: httpx.AsyncClient, pool: asyncpg.Pool, receiver: Receiver, runtime: Runtime) -> World:
    """All that is delivered, in about twenty seconds. `client` speaks to the API below its address of version 1."""
    receiver.answer = _answer
    for name, description in _EVENT_TYPES.items():
        group = name.partition(".")[0]
        schema = {"type": "object", "required": ["id"], "properties": _properties(), "examples": [_PAYLOAD]}
        await factories.create_event_type(client, name, description=description, groupName=group, schemas={"1": schema})
    apps = {
        uid: (await factories.create_application(client, name=n, uid=uid))["id"] for uid, n in _APPLICATIONS.items()
    }
    endpoints = [
        (apps[uid], (await factories.create_endpoint(client, uid, f"{receiver.url}/{where}", **more))["id"], where)
        for uid, where, more in _ENDPOINTS
    ]
    await _a_day(pool, endpoints)
    message = await factories.publish(client, MAIN, "order.refunded", _PAYLOAD, eventId="refund-8241", tags=["eu"])
    await _now(client, list(apps), runtime)
    by_host = {where.partition("/")[0]: endpoint for _, endpoint, where in endpoints}
    refused = await pool.fetchval(_REFUSED, message["id"])
    return World(
        {
            "app_id": apps[MAIN],
            "endpoint_id": by_host["api.bluekettle.example"],
            "failing_id": by_host[_DOWN],
            "msg_id": message["id"],
            "attempt_id": refused,
            "name": "order.refunded",
        }
    )


async def pretend(client: httpx.AsyncClient, pool: asyncpg.Pool, world: World) -> World:
    """Show what was delivered to this machine as if it had gone to the customers' own; and what else there is."""
    for table in ("endpoints", "attempts"):
        await pool.execute(_RENAME.format(table=table))
    await pool.execute(_DOWN_SINCE)
    source = await factories.create_source(client, name="Stripe, live", uid="stripe-live")
    return World({**world.ids, "source_id": source["id"]})


def _properties() -> dict[str, object]:
    return {
        "id": {"type": "string", "description": "Of the order"},
        "number": {"type": "integer", "description": "As it stands on the invoice"},
        "currency": {"type": "string", "enum": ["EUR", "SEK", "USD"]},
        "total": {"type": "integer", "minimum": 0, "description": "In the currency's smallest unit"},
    }


def _answer(arrival: Arrival) -> Answer:
    if arrival.path.startswith(f"/{_DOWN}"):
        body = b'{"error": "maintenance", "message": "The ERP is updated until 11:30."}'
        headers = {"content-type": "application/json", "server": "nginx"}
        return Answer(503, headers, body, after=0.03)
    return Answer(200, {"content-type": "text/plain"}, b"ok", after=_CHANCE.uniform(0.004, 0.04))


async def _a_day(pool: asyncpg.Pool, endpoints: list[tuple[str, str, str]]) -> None:
    """What ended in the last day, as rows, and counted; more by day than by night."""
    now = clock.now()
    # Whoever looks at the numbers of now finds only what comes from now on.
    ends = now - timedelta(minutes=1)
    messages, deliveries, attempts = [], [], []
    for number in range(_A_DAY_OF_MESSAGES):
        at = ends - timedelta(days=1) * _share_of_day(ends, number / _A_DAY_OF_MESSAGES)
        app_id, endpoint_id, where = _CHANCE.choices(endpoints, (9, 3, 2, 1, 4, 5, 3, 2))[0]
        # The ERP has been down since a while ago; everybody else fails now and then.
        is_down = where.startswith(_DOWN) and ends - at < timedelta(minutes=26)
        failed = is_down or _CHANCE.random() < 0.006
        took = int(_CHANCE.lognormvariate(3.4, 0.45) * (2.2 if failed else 1))
        message_id = factories.id_at("msg", at)
        messages.append((message_id, app_id, _CHANCE.choice(_NAMES), b'{"id":"ord_1"}', at))
        deliveries.append((message_id, endpoint_id, app_id, 2 if failed else 0, 1, at))
        outcome = (2, 0, 503) if failed else (0, 0, 200)
        attempt_id = factories.id_at("atmpt", at)
        attempts.append((attempt_id, message_id, endpoint_id, app_id, f"https://{where}", *outcome, b"", took, at))
    rows = {
        "messages": (messages, "id application_id event_type payload created_at"),
        "deliveries": (deliveries, "message_id endpoint_id application_id state attempts updated_at"),
        "attempts": (
            attempts,
            "id message_id endpoint_id application_id url status trigger response_status_code response"
            " response_duration_ms created_at",
        ),
    }
    for table, (records, columns) in rows.items():
        await pool.copy_records_to_table(table, records=records, columns=columns.split())
    while await pool.fetchval("SELECT now() - rolled_to FROM rollup_progress") > timedelta(minutes=2):
        await keep_rollups(pool)


def _share_of_day(ends: datetime, share: float) -> float:
    """How long before its end something happened, as a share of the day: twice as likely at noon as at night."""
    while True:
        back = _CHANCE.random() if share else 0.0
        hour = (ends - timedelta(days=1) * back).hour
        if _CHANCE.random() < 0.66 - 0.34 * math.cos((hour - 2) / 24 * 2 * math.pi):
            return back


async def _now(client: httpx.AsyncClient, applications: list[str], runtime: Runtime) -> None:
    """Some seconds of messages that a worker delivers."""
    for number in range(int(_LIVE_SECONDS / _EACH)):
        uid = _CHANCE.choices(applications, (5, 3, 3, 2, 1))[0]
        payload = {**_PAYLOAD, "id": f"ord_{8242 + number}", "number": 8242 + number}
        await factories.publish(client, uid, _CHANCE.choice(_NAMES), payload, eventId=f"evt-{number}")
        runtime.ring(range(64))
        await asyncio.sleep(_EACH)
