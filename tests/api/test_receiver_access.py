"""How receivers are reached, over HTTP: kept, sealed, never shown again, refused when it could not work."""

from typing import Any

import httpx
import pytest
import trustme
from fastapi import FastAPI

from app.db.endpoint.access import OAuthAuthentication, open_authentication, open_identity
from app.db.session import Database
from app.settings import Settings
from tests import factories

CANARY = "canary-4711"
AUTHORITY = trustme.CA()
AUTHORITY_PEM = AUTHORITY.cert_pem.bytes().decode()
IDENTITY = AUTHORITY.issue_cert(common_name="acme").private_key_and_cert_chain_pem.bytes().decode()
BASIC = {"type": "basic", "username": "us er", "password": CANARY}
HEADER = {"type": "header", "name": "X-Api-Key", "value": CANARY}
OAUTH = {
    "grantType": "clientCredentials",
    "authMethod": "clientSecretPost",
    "clientId": "client",
    "clientSecret": CANARY,
    "tokenUrl": "https://login.example.com/token",
    "scopes": ["a", "b:c"],
    "extraParams": {"audience": "x"},
    "extraHeaders": {"X-Tenant": "1", "Authorization": CANARY},
}
SHOWN = {
    "grantType": "clientCredentials",
    "authMethod": "clientSecretPost",
    "clientId": "client",
    "tokenUrl": "https://login.example.com/token",
    "scopes": ["a", "b:c"],
    "extraParams": {"audience": "x"},
    "extraHeaders": {"X-Tenant": "1"},
}


@pytest.fixture
async def path(client: httpx.AsyncClient, application: str) -> str:
    """The path of an endpoint of that application."""
    return f"/app/{application}/endpoint/{(await factories.create_endpoint(client, application))['id']}"


async def _put(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    answer = await client.put(path, json=body)
    assert (answer.status_code, answer.content) == (204, b""), answer.text


async def _get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _is_missing(client: httpx.AsyncClient, path: str) -> bool:
    answer = await client.get(path)
    return (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "shown"),
    [(BASIC, {"type": "basic", "username": "us er"}), (HEADER, {"type": "header", "name": "X-Api-Key"})],
)
async def test_a_credential_is_set_shown_without_its_secret_and_removed(
    client: httpx.AsyncClient, path: str, body: dict[str, str], shown: dict[str, str]
) -> None:
    assert await _is_missing(client, f"{path}/authentication")
    await _put(client, f"{path}/authentication", body)
    assert await _get(client, f"{path}/authentication") == shown
    assert (await client.delete(f"{path}/authentication")).status_code == 204
    assert await _is_missing(client, f"{path}/authentication")


async def test_oauth_is_set_shown_without_its_secret_and_removed(client: httpx.AsyncClient, path: str) -> None:
    assert await _is_missing(client, f"{path}/oauth")
    assert await _get(client, f"{path}/oauth-config") == {"enabled": False}
    await _put(client, f"{path}/oauth", OAUTH)
    assert await _get(client, f"{path}/oauth") == SHOWN
    assert await _get(client, f"{path}/oauth-config") == {"enabled": True, "config": SHOWN}
    assert await _get(client, f"{path}/authentication") == {"type": "oauth2"}
    assert (await client.delete(f"{path}/oauth")).status_code == 204
    assert await _is_missing(client, f"{path}/oauth")


async def test_there_is_one_kind_of_authentication_at_a_time(client: httpx.AsyncClient, path: str) -> None:
    await _put(client, f"{path}/oauth", OAUTH)
    await _put(client, f"{path}/authentication", BASIC)
    assert await _is_missing(client, f"{path}/oauth")
    # Only that of its own kind is removed.
    assert (await client.delete(f"{path}/oauth")).status_code == 204
    assert (await _get(client, f"{path}/authentication"))["type"] == "basic"
    await _put(client, f"{path}/oauth", OAUTH)
    assert (await client.delete(f"{path}/authentication")).status_code == 204
    assert await _is_missing(client, f"{path}/oauth")


async def test_a_client_certificate_is_set_never_shown_and_removed(client: httpx.AsyncClient, path: str) -> None:
    assert await _is_missing(client, f"{path}/mtls")
    assert await _get(client, f"{path}/mtls-config") == {"enabled": False}
    await _put(client, f"{path}/mtls", {"identity": IDENTITY})
    assert await _get(client, f"{path}/mtls") == {}
    assert await _get(client, f"{path}/mtls-config") == {"enabled": True, "config": {}}
    assert (await client.delete(f"{path}/mtls")).status_code == 204
    assert await _get(client, f"{path}/mtls-config") == {"enabled": False}


async def test_authorities_are_set_shown_and_unset(client: httpx.AsyncClient, path: str) -> None:
    assert await _get(client, f"{path}/ca") == {"cert": None}
    await _put(client, f"{path}/ca", {"cert": AUTHORITY_PEM})
    assert await _get(client, f"{path}/ca") == {"cert": AUTHORITY_PEM}
    await _put(client, f"{path}/ca", {"cert": None})
    assert await _get(client, f"{path}/ca") == {"cert": None}


async def test_what_is_secret_is_sealed_in_the_database(
    client: httpx.AsyncClient, app: FastAPI, database: Database, path: str
) -> None:
    await _put(client, f"{path}/oauth", OAUTH)
    await _put(client, f"{path}/mtls", {"identity": IDENTITY})
    endpoint_id = path.rpartition("/")[2]
    query = "SELECT authentication, client_identity, revision FROM endpoints WHERE id = $1"
    row = await database.pool.fetchrow(query, endpoint_id)
    for sealed in (row["authentication"], row["client_identity"]):
        assert sealed[:1] == b"\x01"
        assert not any(part in sealed for part in (b"canary", b"client", b"PRIVATE", b"CERTIFICATE"))
    opened = open_authentication(app.state.sealer, endpoint_id, row["authentication"])
    assert isinstance(opened, OAuthAuthentication)
    assert opened.client_secret == CANARY
    assert CANARY not in repr(opened)
    assert "PRIVATE KEY" in (open_identity(app.state.sealer, endpoint_id, row["client_identity"]) or "")
    # Each change is one that workers notice.
    assert row["revision"] == 3


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("authentication", {"type": "digest", "username": "a", "password": "b"}, "type"),
    ("authentication", BASIC | {"username": "a:b"}, "username"),
    ("authentication", BASIC | {"username": ""}, "username"),
    ("authentication", BASIC | {"password": "a\nb"}, "password"),
    ("authentication", BASIC | {"password": "x" * 4097}, "password"),
    ("authentication", HEADER | {"name": "Host"}, "name"),
    ("authentication", HEADER | {"name": "webhook-signature"}, "name"),
    ("authentication", HEADER | {"name": "a b"}, "name"),
    ("authentication", HEADER | {"value": "a\r\nb: c"}, "value"),
    ("authentication", HEADER | {"value": ""}, "value"),
    ("oauth", OAUTH | {"grantType": "refreshToken"}, "grantType"),
    ("oauth", OAUTH | {"authMethod": "clientSecretJwt"}, "authMethod"),
    ("oauth", {name: value for name, value in OAUTH.items() if name != "clientSecret"}, "clientSecret"),
    ("oauth", OAUTH | {"clientId": ""}, "clientId"),
    ("oauth", OAUTH | {"tokenUrl": "ftp://login.example.com"}, "tokenUrl"),
    ("oauth", OAUTH | {"tokenUrl": "https://user:pass@login.example.com"}, "tokenUrl"),
    ("oauth", OAUTH | {"scopes": ["a b"]}, "scopes"),
    ("oauth", OAUTH | {"extraParams": {"grant_type": "password"}}, "extraParams"),
    ("oauth", OAUTH | {"extraHeaders": {"Content-Length": "1"}}, "extraHeaders"),
    ("mtls", {}, "identity"),
    ("mtls", {"identity": AUTHORITY_PEM}, "identity"),
    ("mtls", {"identity": IDENTITY.replace("\n", "")}, "identity"),
    ("mtls", {"identity": AUTHORITY_PEM + IDENTITY.partition("-----BEGIN CERTIFICATE")[0]}, "identity"),
    ("ca", {"cert": ""}, "cert"),
    ("ca", {"cert": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "cert"),
]


@pytest.mark.parametrize(("resource", "body", "field"), WRONG)
async def test_what_could_not_work_is_refused_and_not_repeated(
    client: httpx.AsyncClient, path: str, resource: str, body: dict[str, Any], field: str
) -> None:
    answer = await client.put(f"{path}/{resource}", json=body)
    assert answer.status_code == 422, answer.text
    (violation,) = answer.json()["detail"]
    assert field in violation["loc"] or (field == "type" and violation["loc"] == ["body"])
    assert CANARY not in answer.text
    assert "AAAA" not in answer.text
    assert "PRIVATE" not in answer.text


RESOURCES: dict[str, dict[str, Any]] = {
    "authentication": BASIC,
    "oauth": OAUTH,
    "mtls": {"identity": IDENTITY},
    "ca": {"cert": AUTHORITY_PEM},
}


@pytest.mark.parametrize("resource", [*RESOURCES, "oauth-config", "mtls-config"])
async def test_another_organization_sees_and_changes_nothing(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, path: str, resource: str
) -> None:
    own = resource.removesuffix("-config")
    await _put(client, f"{path}/{own}", RESOURCES[own])
    assert await _is_missing(stranger, f"{path}/{resource}")
    assert (await stranger.put(f"{path}/{own}", json=RESOURCES[own])).status_code == 404
    if own != "ca":
        assert (await stranger.delete(f"{path}/{own}")).status_code == 404
    assert (await client.get(f"{path}/{resource}")).status_code == 200


async def test_a_token_url_must_be_https_where_all_urls_must(
    settings: Settings, client: httpx.AsyncClient, path: str, token: str
) -> None:
    strict = settings.model_copy(update={"endpoint_https_only": True})
    async with factories.running(strict) as app, factories.client_of(app, token) as other:
        answer = await other.put(f"{path}/oauth", json=OAUTH | {"tokenUrl": "http://login.example.com/"})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "tokenUrl"])
        await _put(other, f"{path}/oauth", OAUTH)
    await _put(client, f"{path}/oauth", OAUTH | {"tokenUrl": "http://login.example.com/"})


async def test_a_timeout_of_its_own_is_set_kept_and_unset(client: httpx.AsyncClient, application: str) -> None:
    made = await factories.create_endpoint(client, application, timeoutSeconds=5)
    path = f"/app/{application}/endpoint/{made['id']}"
    assert made["timeoutSeconds"] == 5
    # A client that does not know the field replaces the endpoint without losing it.
    assert (await client.put(path, json={"url": factories.URL})).json()["timeoutSeconds"] == 5
    assert (await client.patch(path, json={"timeoutSeconds": 300})).json()["timeoutSeconds"] == 300
    assert "timeoutSeconds" not in (await client.patch(path, json={"timeoutSeconds": None})).json()
    assert "timeoutSeconds" not in await _get(client, path)


@pytest.mark.parametrize("seconds", [0, -1, 301, 1.5, "5", True])
async def test_a_timeout_must_be_whole_seconds_up_to_five_minutes(
    client: httpx.AsyncClient, application: str, seconds: object
) -> None:
    answer = await client.post(f"/app/{application}/endpoint", json={"url": factories.URL, "timeoutSeconds": seconds})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "timeoutSeconds"])
