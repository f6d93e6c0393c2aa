"""URLs that attackers try are refused where they are saved, or accepted as text and judged when they are dialled."""

import httpx
import pytest
from pydantic import ValidationError

from app.api.endpoint.models import EndpointIn
from app.db.session import Database
from tests import factories
from tests.delivery.forbidden import DIALLED, REFUSED

OAUTH = {"grantType": "clientCredentials", "authMethod": "clientSecretBasic", "clientId": "c", "clientSecret": "s"}
SAID = ("url", "port", "url should have at least 1 character", "string should have at least 1 character")


def assert_refused(response: httpx.Response, field: str, url: str) -> None:
    assert response.status_code == 422, f"{url!r}: {response.text}"
    (fault,) = response.json()["detail"]
    assert fault["loc"] == ["body", field]
    assert any(word in fault["msg"].lower() for word in SAID), fault


async def test_no_url_that_reads_differently_elsewhere_is_saved_anywhere(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    created = await factories.create_endpoint(client, application)
    endpoints, one = f"/app/{application}/endpoint", f"/app/{application}/endpoint/{created['id']}"
    for text in REFUSED:
        with pytest.raises(ValidationError):
            EndpointIn.model_validate({"url": text.replace("{port}", "8080")})
    # They all read URLs alike.
    for text in REFUSED[::7]:
        url = text.replace("{port}", "8080")
        assert_refused(await client.post(endpoints, json={"url": url}), "url", url)
        assert_refused(await client.put(one, json={"url": url}), "url", url)
        assert_refused(await client.patch(one, json={"url": url}), "url", url)
        assert_refused(await client.put(f"{one}/oauth", json=OAUTH | {"tokenUrl": url}), "tokenUrl", url)
        assert_refused(await client.post("/operational-webhook/endpoint", json={"url": url}), "url", url)
    assert (await client.get(one)).json() == created
    assert (await client.get(f"{one}/oauth")).status_code == 404
    count = "SELECT count(*) FROM endpoints WHERE application_id = $1"
    assert await database.pool.fetchval(count, application) == 1


async def test_a_url_that_only_its_address_forbids_is_kept_as_it_was_given(
    client: httpx.AsyncClient, application: str
) -> None:
    """What a name leads to may change until it is dialled, and an operator may allow an address."""
    for text in DIALLED[::8]:
        url = text.replace("{port}", "8080")
        assert (await factories.create_endpoint(client, application, url))["url"] == url
