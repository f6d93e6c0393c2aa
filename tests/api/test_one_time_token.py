"""What stands in a portal's link: good for one exchange, for a short while, by whichever process it is asked."""

import asyncio
import base64
import json

import httpx
import pytest
from fastapi import FastAPI

from app.api.auth.models import AppPortalCapability
from app.db.one_time_token.table import LIVE_SECONDS, forget_one_time_tokens
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.test_portal_tokens import statuses
from tests.factories import Json

EXCHANGE = "/auth/one-time-token"


async def access(client: httpx.AsyncClient, application: str, **fields: object) -> tuple[str, str]:
    """The token of a new access to the portal, and the one-time token in its link."""
    out = (await client.post(f"/auth/app-portal-access/{application}", json=fields)).json()
    one_time: str = json.loads(base64.b64decode(out["url"].partition("#key=")[2]))["oneTimeToken"]
    return out["token"], one_time


async def exchange(client: httpx.AsyncClient, one_time: object) -> httpx.Response:
    return await client.post(EXCHANGE, json={"oneTimeToken": one_time})


async def test_a_link_is_good_once_and_needs_no_token(
    app: FastAPI, client: httpx.AsyncClient, anonymous: httpx.AsyncClient, application: str
) -> None:
    token, one_time = await access(client, application)
    answer = await exchange(anonymous, one_time)
    assert answer.json() == {"token": token, "capabilities": [each.value for each in AppPortalCapability]}
    assert await statuses(app, application, token) == [200]
    # What stands in the link is no token.
    assert await statuses(app, application, one_time) == [401]
    again = await exchange(anonymous, one_time)
    assert (again.status_code, again.json()["code"]) == (401, "authentication_failed")


@pytest.mark.parametrize(
    ("fields", "capabilities"),
    [
        ({"capabilities": ["ViewBase", "ViewEndpointSecret"]}, ["ViewBase", "ViewEndpointSecret"]),
        ({"readOnly": True}, ["ViewBase"]),
    ],
)
async def test_a_portal_is_told_what_it_may_do(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, application: str, fields: Json, capabilities: list[str]
) -> None:
    _, one_time = await access(client, application, **fields)
    assert (await exchange(anonymous, one_time)).json()["capabilities"] == capabilities


async def test_of_many_who_follow_a_link_at_once_in_two_processes_one_is_let_in(
    settings: Settings, client: httpx.AsyncClient, anonymous: httpx.AsyncClient, application: str
) -> None:
    _, one_time = await access(client, application)
    async with factories.running(settings) as other, factories.client_of(other) as elsewhere:
        assert isinstance(elsewhere, httpx.AsyncClient)
        answers = await asyncio.gather(*(exchange(client, one_time) for client in [anonymous, elsewhere] * 4))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_a_link_that_nobody_followed_expires_and_is_forgotten(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, application: str, database: Database
) -> None:
    assert LIVE_SECONDS <= 600
    _, one_time = await access(client, application)
    left = "SELECT extract(epoch FROM expires_at - now()) FROM one_time_tokens WHERE application_id = $1"
    assert LIVE_SECONDS - 30 < await database.pool.fetchval(left, application) <= LIVE_SECONDS
    await forget_one_time_tokens(database.pool)
    assert await database.pool.fetchval(left, application) is not None
    past = "UPDATE one_time_tokens SET expires_at = now() - interval '1 second' WHERE application_id = $1"
    await database.pool.execute(past, application)
    assert (await exchange(anonymous, one_time)).status_code == 401
    await forget_one_time_tokens(database.pool)
    assert await database.pool.fetchval(left, application) is None


async def test_neither_the_one_time_token_nor_what_it_is_exchanged_for_is_stored(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    token, one_time = await access(client, application)
    row = await database.pool.fetchrow("SELECT * FROM one_time_tokens WHERE application_id = $1", application)
    assert row is not None
    stored = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())
    assert one_time.encode() not in stored
    assert token.encode() not in stored
    assert token.rpartition(".")[2].encode() not in stored


async def test_tokens_that_were_expired_are_not_brought_back_by_a_link(
    app: FastAPI, client: httpx.AsyncClient, anonymous: httpx.AsyncClient, application: str
) -> None:
    _, one_time = await access(client, application)
    assert (await client.post(f"/auth/app/{application}/expire-all", json={})).status_code == 204
    token = (await exchange(anonymous, one_time)).json()["token"]
    assert await statuses(app, application, token) == [401]


@pytest.mark.parametrize("one_time", ["ott_" + "A" * 43, "x", "\ud800", "ott_\0"])
async def test_what_is_no_one_time_token_gets_nothing(anonymous: httpx.AsyncClient, one_time: str) -> None:
    answer = await anonymous.post(EXCHANGE, content=json.dumps({"oneTimeToken": one_time}))
    assert answer.status_code in {401, 422}
    assert "token" not in answer.json()


@pytest.mark.parametrize("body", [{}, {"oneTimeToken": ""}, {"oneTimeToken": 1}, {"oneTimeToken": "x" * 257}])
async def test_a_wrong_exchange_is_refused(anonymous: httpx.AsyncClient, body: Json) -> None:
    answer = await anonymous.post(EXCHANGE, json=body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "oneTimeToken"])


async def test_an_exchange_is_in_the_audit_log(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, application: str
) -> None:
    _, one_time = await access(client, application)
    await exchange(anonymous, one_time)
    params = {"operation": "v1.authentication.exchange-one-time-token"}
    (entry,) = (await client.get("/audit-log", params=params)).json()["data"]
    assert (entry["actor"]["kind"], entry["appId"]) == ("portal", application)
    assert one_time not in json.dumps(entry)
