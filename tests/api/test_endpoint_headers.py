"""No custom header can end its line early, frame the request, or grow beyond what receivers take; nor half be saved."""

import httpx
import pytest

from app.api.endpoint.headers import MOST_BYTES
from tests import factories

# A header, where the fault is, and a part of what is said of it.
BAD_VALUES = {
    "carriage return and line feed": "1\r\nX-Injected: 1",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "obsolete folding": "a\r\n b",
    "NUL": "a\0b",
    "escape": "a\x1b[2Jb",
    "delete": "a\x7f",
    "space before": " a",
    "space after": "a ",
    "tab after": "a\t",
    "only a space": " ",
    "not ASCII": "ü",
    "not Latin-1": "€",
    "line separator": "a\u2028b",
    "next line": "a\x85b",
    "fullwidth": "ａ",
    "4097 characters": "x" * 4097,
    "200 KB": "x" * 200_000,
}
BAD_NAMES = {
    "empty": "",
    "space": "X Y",
    "colon": "X:Y",
    "line feed": "X\nY",
    "ends in a line feed": "X-Y\n",
    "carriage return": "X\r\nHost",
    "NUL": "X\0",
    "not ASCII": "Xü",
    "257 characters": "X" * 257,
    "parenthesis": "X(Y)",
}
RESERVED_NAMES = """
    Host HOST Content-Length content-type Transfer-Encoding TRANSFER-ENCODING Content-Encoding Connection Keep-Alive
    TE Trailer Trailers Upgrade Expect Proxy-Authorization Proxy-Connection Accept-Encoding User-Agent Webhook-Id
    webhook-signature Webhook-Timestamp svix-id Svix-Signature X-Svix-Anything Cache-Control Expires Pragma
"""
RESERVED = RESERVED_NAMES.split()


async def refused(response: httpx.Response, said: str) -> None:
    assert response.status_code == 422, response.text
    faults = response.json()["detail"]
    assert faults[0]["loc"][0] == "body"
    assert said in faults[0]["msg"], faults


@pytest.fixture
async def endpoint(client: httpx.AsyncClient, application: str) -> str:
    made = await factories.create_endpoint(client, application, headers={"X-Kept": "as it was"})
    return f"/app/{application}/endpoint/{made['id']}"


async def refuse_everywhere(client: httpx.AsyncClient, endpoint: str, name: str, value: str, said: str) -> None:
    """A header beside a good one, wherever headers can be given; nothing of it is saved."""
    headers = {"X-Good": "new", name: value, "X-Also": "new"}
    applications = endpoint.rpartition("/")[0]
    await refused(await client.post(applications, json={"url": factories.URL, "headers": headers}), said)
    await refused(await client.put(f"{endpoint}/headers", json={"headers": headers}), said)
    await refused(await client.patch(f"{endpoint}/headers", json={"headers": headers}), said)
    credential = {"type": "header", "name": name, "value": value}
    await refused(await client.put(f"{endpoint}/authentication", json=credential), said)
    oauth = {"grantType": "clientCredentials", "authMethod": "clientSecretPost", "clientId": "c", "clientSecret": "s"}
    asked = oauth | {"tokenUrl": factories.URL, "extraHeaders": headers}
    await refused(await client.put(f"{endpoint}/oauth", json=asked), said)
    kept = (await client.get(f"{endpoint}/headers")).json()
    assert kept == {"headers": {"X-Kept": "as it was"}, "sensitive": []}
    assert (await client.get(f"{endpoint}/authentication")).status_code == 404


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES.keys())
async def test_a_value_that_is_not_one_line_of_ascii_is_refused(
    client: httpx.AsyncClient, endpoint: str, value: str
) -> None:
    said = "at most 4096" if len(value) > 4096 else "printable ASCII"
    await refuse_everywhere(client, endpoint, "X-Bad", value, said)


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
async def test_a_name_that_is_not_a_token_is_refused(client: httpx.AsyncClient, endpoint: str, name: str) -> None:
    await refuse_everywhere(client, endpoint, name, "1", "is not a header name")


async def test_what_frames_or_signs_a_request_is_ours_alone(client: httpx.AsyncClient, endpoint: str) -> None:
    for name in RESERVED:
        await refused(
            await client.patch(f"{endpoint}/headers", json={"headers": {"X-Good": "new", name: "1"}}), "is not allowed"
        )
    await refuse_everywhere(client, endpoint, RESERVED[4], "chunked", "is not allowed")


async def test_headers_are_bounded_together_also_when_they_come_one_by_one(
    client: httpx.AsyncClient, endpoint: str
) -> None:
    many = {f"X-{number}": "x" * 4000 for number in range(5)}
    await refused(await client.put(f"{endpoint}/headers", json={"headers": many}), f"at most {MOST_BYTES} bytes")
    for number in range(4):
        answer = await client.patch(f"{endpoint}/headers", json={"headers": {f"X-{number}": "x" * 4000}})
        assert answer.status_code == 204
    answer = await client.patch(f"{endpoint}/headers", json={"headers": {"X-4": "x" * 4000}})
    await refused(answer, f"at most {MOST_BYTES} bytes")
    names = (await client.get(f"{endpoint}/headers")).json()["headers"].keys()
    assert names == {"X-Kept", "X-0", "X-1", "X-2", "X-3"}
    # Another takes the place of one that is removed in the same request.
    change = {"headers": {"X-4": "x" * 4000}, "deleteHeaders": ["X-0"]}
    assert (await client.patch(f"{endpoint}/headers", json=change)).status_code == 204


async def test_credentials_among_the_headers_are_not_shown_again(client: httpx.AsyncClient, endpoint: str) -> None:
    secret = {"Authorization": "canary", "COOKIE": "canary", "x-api-key": "canary", "X-Auth-Token": "canary"}
    assert (await client.put(f"{endpoint}/headers", json={"headers": secret | {"X-Open": "1"}})).status_code == 204
    answer = await client.get(f"{endpoint}/headers")
    assert "canary" not in answer.text
    assert answer.json() == {"headers": {"X-Open": "1"}, "sensitive": [*secret]}
