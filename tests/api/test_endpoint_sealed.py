"""What is sealed in an endpoint, over HTTP: its custom headers and its signing secrets."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app import clock
from app.api.endpoint.secrets import MOST_OLD_SECRETS
from app.db.endpoint.model import LiveSecret, open_secrets
from app.db.session import Database
from app.delivery.signing import SigningKey
from app.settings import Settings
from tests import factories

GIVEN = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
async def path(client: httpx.AsyncClient, application: str) -> str:
    """The path of an endpoint of that application."""
    return f"/app/{application}/endpoint/{(await factories.create_endpoint(client, application))['id']}"


async def _secrets(app: FastAPI, database: Database, path: str) -> list[LiveSecret]:
    endpoint_id = path.rpartition("/")[2]
    sealed: bytes = await database.pool.fetchval("SELECT secrets FROM endpoints WHERE id = $1", endpoint_id)
    return open_secrets(app.state.sealer, endpoint_id, sealed)


async def _headers(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.get(f"{path}/headers")
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


async def test_headers_are_replaced_patched_and_removed_whatever_their_case(
    client: httpx.AsyncClient, path: str
) -> None:
    assert await _headers(client, path) == {"headers": {}, "sensitive": []}
    put = await client.put(f"{path}/headers", json={"headers": {"X-One": "1", "X-Two": "2", "X-Three": "3"}})
    assert (put.status_code, put.content) == (204, b"")
    changes = {"headers": {"x-one": "one", "x-TWO": None, "X-Four": "4"}, "deleteHeaders": ["x-three", "x-none"]}
    assert (await client.patch(f"{path}/headers", json=changes)).status_code == 204
    assert await _headers(client, path) == {"headers": {"x-one": "one", "X-Four": "4"}, "sensitive": []}
    assert (await client.put(f"{path}/headers", json={"headers": {}})).status_code == 204
    assert await _headers(client, path) == {"headers": {}, "sensitive": []}


async def test_credentials_in_headers_are_never_shown_again(client: httpx.AsyncClient, path: str) -> None:
    credentials = {"Authorization": "Basic canary", "X-API-Key": "canary", "x-auth-token": "canary"}
    assert (await client.put(f"{path}/headers", json={"headers": {**credentials, "X-A": "1"}})).status_code == 204
    answer = await _headers(client, path)
    assert answer["headers"] == {"X-A": "1"}
    assert sorted(answer["sensitive"]) == sorted(credentials)
    # What is not shown stays, also through a patch of something else.
    assert (await client.patch(f"{path}/headers", json={"headers": {"X-A": None}})).status_code == 204
    assert sorted((await _headers(client, path))["sensitive"]) == sorted(credentials)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "elsewhere"},
        {"content-type": "text/plain"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
        {"User-Agent": "me"},
        {"Proxy-Authorization": "Basic x"},
        {"Webhook-Id": "forged"},
        {"svix-signature": "forged"},
        {"X-Svix-Anything": "1"},
        {"X-Amzn-Trace-Id": "1"},
        {"": "1"},
        {"X A": "1"},
        {"X-A:": "1"},
        {"X-Ä": "1"},
        {"X-A\r\nX-B": "1"},
        {"x" * 257: "1"},
        {"X-A": "1", "x-a": "2"},
        {"X-A": "1\r\nX-B: 2"},
        {"X-A": "1\n"},
        {"X-A": "\0"},
        {"X-A": "\x7f"},
        {"X-A": "ä"},
        {"X-A": "x" * 4097},
        {"X-A": 1},
    ],
)
async def test_headers_that_must_not_be_sent_are_refused(
    client: httpx.AsyncClient, path: str, headers: dict[str, object]
) -> None:
    assert (await client.put(f"{path}/headers", json={"headers": {"X-Kept": "1"}})).status_code == 204
    for method in ("PUT", "PATCH"):
        response = await client.request(method, f"{path}/headers", json={"headers": headers})
        assert response.status_code == 422, response.text
        assert response.json()["detail"][0]["loc"][:2] == ["body", "headers"]
    assert await _headers(client, path) == {"headers": {"X-Kept": "1"}, "sensitive": []}


async def test_patches_of_headers_at_once_lose_nothing(client: httpx.AsyncClient, path: str) -> None:
    await asyncio.gather(*(client.patch(f"{path}/headers", json={"headers": {f"X-{n}": "1"}}) for n in range(8)))
    assert (await _headers(client, path))["headers"] == {f"X-{n}": "1" for n in range(8)}


async def test_secrets_and_headers_are_sealed_in_the_database(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    made = await factories.create_endpoint(client, application, secret=GIVEN, headers={"X-Canary": "canary-value"})
    row = await database.pool.fetchrow("SELECT secrets, headers FROM endpoints WHERE id = $1", made["id"])
    for sealed in row:
        assert sealed[:1] == b"\x01"
        assert not any(part in sealed for part in (b"whsec_", b"canary", b"C2FVsBQI", b"key"))


async def test_a_secret_is_made_or_taken(client: httpx.AsyncClient, application: str, path: str) -> None:
    made = (await client.get(f"{path}/secret")).json()["key"]
    assert SigningKey.parse(made).text == made
    for given in (GIVEN, GIVEN.removeprefix("whsec_")):
        endpoint = await factories.create_endpoint(client, application, secret=given)
        answer = await client.get(f"/app/{application}/endpoint/{endpoint['id']}/secret")
        assert (answer.status_code, answer.json()) == (200, {"key": GIVEN})


async def test_of_an_ed25519_key_only_the_public_half_is_shown(
    settings: Settings, client: httpx.AsyncClient, application: str, token: str, database: Database
) -> None:
    asymmetric = settings.model_copy(update={"default_signature_type": "ed25519"})
    async with factories.running(asymmetric) as app, factories.client_of(app, token) as other:
        made = await factories.create_endpoint(other, application)
        path = f"/app/{application}/endpoint/{made['id']}"
        shown = (await client.get(f"{path}/secret")).json()["key"]
        (stored,) = await _secrets(app, database, path)
    assert shown.startswith("whpk_")
    assert SigningKey.parse(stored.key).public_text == shown


@pytest.mark.parametrize(("body", "grace"), [({}, 86400), ({"key": GIVEN}, 86400), ({"gracePeriodSeconds": 60}, 60)])
async def test_after_a_rotation_the_earlier_secret_signs_for_a_while(
    client: httpx.AsyncClient, app: FastAPI, database: Database, path: str, body: dict[str, object], grace: int
) -> None:
    before = (await client.get(f"{path}/secret")).json()["key"]
    response = await client.post(f"{path}/secret/rotate", json=body)
    assert (response.status_code, response.content) == (204, b"")
    current, earlier = await _secrets(app, database, path)
    assert current == LiveSecret((await client.get(f"{path}/secret")).json()["key"], None)
    assert current.key == body.get("key", current.key) != before
    assert earlier.key == before
    assert earlier.expires_at is not None
    assert abs(earlier.expires_at - clock.unix() - grace) < 30


async def test_a_rotation_without_grace_ends_the_earlier_secret_at_once(
    client: httpx.AsyncClient, app: FastAPI, database: Database, path: str
) -> None:
    before = (await client.get(f"{path}/secret")).json()["key"]
    assert (await client.post(f"{path}/secret/rotate", json={"gracePeriodSeconds": 0})).status_code == 204
    (current,) = await _secrets(app, database, path)
    assert current.key != before


async def test_the_eleventh_rotation_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, app: FastAPI, database: Database, path: str
) -> None:
    for _ in range(MOST_OLD_SECRETS):
        assert (await client.post(f"{path}/secret/rotate", json={})).status_code == 204
    before = await _secrets(app, database, path)
    assert len(before) == 1 + MOST_OLD_SECRETS
    refused = await client.post(f"{path}/secret/rotate", json={})
    assert (refused.status_code, refused.json()["code"]) == (400, "limit_reached")
    assert await _secrets(app, database, path) == before
    # The way out that the error names.
    assert (await client.post(f"{path}/secret/rotate", json={"gracePeriodSeconds": 0})).status_code == 204


async def test_rotations_at_once_keep_every_secret(
    client: httpx.AsyncClient, app: FastAPI, database: Database, path: str
) -> None:
    await asyncio.gather(*(client.post(f"{path}/secret/rotate", json={}) for _ in range(5)))
    secrets = await _secrets(app, database, path)
    assert len({secret.key for secret in secrets}) == 6
    assert [secret.expires_at is None for secret in secrets] == [True, *[False] * 5]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"gracePeriodSeconds": -1}, "gracePeriodSeconds"),
        ({"gracePeriodSeconds": 604801}, "gracePeriodSeconds"),
        ({"gracePeriodSeconds": "60"}, "gracePeriodSeconds"),
        ({"key": "whsec_"}, "key"),
        ({"key": "whpk_" + "A" * 43 + "="}, "key"),
    ],
)
async def test_a_bad_rotation_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, app: FastAPI, database: Database, path: str, body: dict[str, object], field: str
) -> None:
    before = await _secrets(app, database, path)
    response = await client.post(f"{path}/secret/rotate", json=body)
    assert response.status_code == 422
    assert [fault["loc"] for fault in response.json()["detail"]] == [["body", field]]
    assert await _secrets(app, database, path) == before
