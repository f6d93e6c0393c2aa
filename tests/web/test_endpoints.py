"""The pages of endpoints: created, changed, watched, signed anew, on both sites."""

from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from app import clock
from app.db.session import Database
from tests import factories
from tests.factories import Json
from tests.web.browsing import Operator, read, signed_in
from tests.web.portals import visit

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
async def operator(app: FastAPI, token: str) -> Operator:
    return await signed_in(app, token)


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


@pytest.fixture
async def endpoint(client: httpx.AsyncClient, application: str) -> str:
    """Its path."""
    made = await factories.create_endpoint(client, application, secret=SECRET, description="Till")
    return f"/app/{application}/endpoint/{made['id']}"


async def kept(client: httpx.AsyncClient, path: str) -> Json:
    found: Json = (await client.get(path)).json()
    return found


async def test_an_endpoint_is_created_with_all_that_the_form_holds(
    operator: Operator, client: httpx.AsyncClient, application: str
) -> None:
    for name in ("invoice.paid", "invoice.created"):
        await factories.create_event_type(client, name, groupName="invoice")
    form = await operator.page(f"/app/{application}/endpoint-new")
    assert "invoice · invoice.created" in form
    fields: dict[str, str | list[str]] = {
        "url": factories.URL,
        "description": "Till",
        "uid": "till",
        "subscribed": "some",
        "event_type": ["invoice.paid", "invoice.created"],
        "channels": "a, b",
        "rate": "7",
        "timeout": "9",
        "ordered": "/customer/id",
        "metadata": '{"team": "x"}',
    }
    path = await operator.done(f"/app/{application}/endpoint-new", fields)
    made = await kept(client, path)
    assert {name: made[name] for name in ("url", "description", "uid", "throttleRate", "timeoutSeconds")} == {
        "url": factories.URL,
        "description": "Till",
        "uid": "till",
        "throttleRate": 7,
        "timeoutSeconds": 9,
    }
    assert set(made["eventTypes"]) == {"invoice.paid", "invoice.created"}
    assert (made["channels"], made["orderedBy"], made["metadata"]) == (["a", "b"], "/customer/id", {"team": "x"})
    assert "The endpoint is created" in await operator.page(path)
    # The form that is not changed changes nothing; with “all” it subscribes to all, whatever is checked.
    edit = (await operator.get(f"{path}/edit")).text
    for value in ("till", "a, b", "/customer/id", "invoice.paid"):
        assert f'value="{value}"' in edit
    assert await operator.done(f"{path}/edit", fields) == path
    assert {**await kept(client, path), "updatedAt": ""} == {**made, "updatedAt": ""}
    await operator.done(f"{path}/edit", {"url": factories.URL, "subscribed": "all", "event_type": ["invoice.paid"]})
    changed = await kept(client, path)
    assert [changed.get(name) for name in ("eventTypes", "channels", "uid", "throttleRate", "orderedBy")] == [None] * 5


async def test_a_url_that_is_none_is_refused_at_its_field(operator: Operator, application: str) -> None:
    answer = await operator.post(
        f"/app/{application}/endpoint-new", {"url": "ftp://x", "description": "Kept", "subscribed": "all"}
    )
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'value="Kept"' in answer.text


async def test_an_endpoint_is_disabled_enabled_and_deleted(
    operator: Operator, client: httpx.AsyncClient, endpoint: str
) -> None:
    await operator.done(f"{endpoint}/disable")
    assert (await kept(client, endpoint))["disabled"] is True
    assert "Nothing is sent to it. It was disabled by hand." in await operator.page(endpoint)
    await operator.done(f"{endpoint}/enable")
    assert (await kept(client, endpoint))["disabled"] is False
    assert "Delete the endpoint?" in await operator.page(f"{endpoint}/delete")
    assert (await client.get(endpoint)).status_code == 200
    await operator.done(f"{endpoint}/delete")
    assert (await client.get(endpoint)).status_code == 404


async def test_a_failing_endpoint_says_since_when_and_shows_its_attempts(
    operator: Operator, client: httpx.AsyncClient, database: Database, application: str, endpoint: str
) -> None:
    key = endpoint.rpartition("/")[2]
    message = await factories.record_message(database.pool, application)
    await factories.record_attempt(database.pool, application, message, key, code=503)
    await factories.record_delivery(database.pool, application, message, key, 2)
    await database.pool.execute(
        """INSERT INTO endpoint_health (endpoint_id, opened_at, first_failure_at, consecutive_failures, revision)
           SELECT id, now(), now() - interval '2 hours', 14, revision FROM endpoints WHERE id = $1""",
        key,
    )
    text = await operator.page(endpoint)
    assert "It is failing: 14 times in a row, first 2 h ago ; it last answered 503. The breaker is open" in text
    assert message in text
    assert "breaker open" in await operator.page(f"/app/{application}/endpoint")


async def test_an_endpoint_that_a_rate_holds_up_says_so(
    operator: Operator, database: Database, client: httpx.AsyncClient, application: str, endpoint: str
) -> None:
    key = endpoint.rpartition("/")[2]
    await client.patch(endpoint, json={"throttleRate": 1})
    message = await factories.record_message(database.pool, application)
    await factories.queue_delivery(database.pool, application, message, key, clock.now() - timedelta(seconds=9))
    assert "It gets less than is due to it" not in await operator.page(endpoint)
    await database.pool.execute(
        """INSERT INTO endpoint_health (endpoint_id, throttled_since, consecutive_failures, revision)
           SELECT id, now() - interval '8 seconds', 0, revision FROM endpoints WHERE id = $1""",
        key,
    )
    assert (
        "It gets less than is due to it, because of its rate or its application's. That began"
        in await operator.page(endpoint)
    )


async def test_the_secret_stands_only_in_the_answer_to_a_form(
    operator: Operator, client: httpx.AsyncClient, endpoint: str
) -> None:
    for page in ("", "/edit", "/access", "/rotate", "/test", "/transformation", "/replay"):
        assert SECRET not in (await operator.get(f"{endpoint}{page}")).text
    assert (await operator.get(f"{endpoint}/secret")).status_code == 404
    shown = await operator.post(f"{endpoint}/secret")
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    assert SECRET in shown.text


async def test_a_secret_is_rotated_to_one_of_ones_own_or_a_new_one(
    operator: Operator, client: httpx.AsyncClient, database: Database, endpoint: str
) -> None:
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert await operator.done(f"{endpoint}/rotate", {"grace": "0", "key": own}) == f"{endpoint}/access"
    assert (await kept(client, f"{endpoint}/secret"))["key"] == own
    await operator.done(f"{endpoint}/rotate", {"grace": "3600", "key": ""})
    assert (await kept(client, f"{endpoint}/secret"))["key"] not in {own, SECRET}
    refused = await operator.post(f"{endpoint}/rotate", {"grace": "0", "key": "whsec_short-and-wrong"})
    assert refused.status_code == 422
    assert "short-and-wrong" not in refused.text


async def test_headers_are_changed_and_those_that_are_not_shown_stay(
    operator: Operator, client: httpx.AsyncClient, endpoint: str
) -> None:
    await operator.done(f"{endpoint}/headers", {"headers": "X-One: 1\r\nX-Two: a: b\r\nAuthorization: Bearer hidden"})
    found = await kept(client, f"{endpoint}/headers")
    assert (found["headers"], found["sensitive"]) == ({"X-One": "1", "X-Two": "a: b"}, ["Authorization"])
    page = (await operator.get(f"{endpoint}/access")).text
    assert "X-Two: a: b" in page
    assert "hidden" not in page.replace('type="hidden"', "").replace("data-copy hidden", "")
    await operator.done(f"{endpoint}/headers", {"headers": "X-Two: c"})
    found = await kept(client, f"{endpoint}/headers")
    assert (found["headers"], found["sensitive"]) == ({"X-Two": "c"}, ["Authorization"])
    await operator.done(f"{endpoint}/headers", {"headers": "", "remove": "Authorization"})
    assert await kept(client, f"{endpoint}/headers") == {"headers": {}, "sensitive": []}
    refused = await operator.post(f"{endpoint}/headers", {"headers": "no colon"})
    assert (refused.status_code, "no colon" in refused.text) == (422, True)


async def test_authentication_is_set_shown_without_its_secret_and_removed(
    operator: Operator, client: httpx.AsyncClient, endpoint: str
) -> None:
    await operator.done(f"{endpoint}/authentication", {"type": "basic", "username": "ada", "password": "hunter22"})
    page = await operator.get(f"{endpoint}/access")
    assert ("ada" in page.text, "hunter22" in page.text) == (True, False)
    oauth = {"token_url": factories.URL, "client_id": "postrider", "client_secret": "hunter23", "scopes": "a b"}
    await operator.done(f"{endpoint}/oauth", {**oauth, "auth_method": "clientSecretPost"})
    page = await operator.get(f"{endpoint}/access")
    assert ("OAuth 2.0 client credentials" in page.text, "hunter23" in page.text) == (True, False)
    assert (await kept(client, f"{endpoint}/oauth"))["scopes"] == ["a", "b"]
    await operator.done(f"{endpoint}/authentication/delete")
    assert (await client.get(f"{endpoint}/authentication")).status_code == 404
    refused = await operator.post(f"{endpoint}/mtls", {"identity": "PRIVATE and wrong"})
    assert (refused.status_code, "PRIVATE and wrong" in refused.text) == (422, False)


async def test_an_example_is_sent_from_the_page(operator: Operator, client: httpx.AsyncClient, endpoint: str) -> None:
    schema = {"type": "object", "examples": [{"id": "in_1"}]}
    await factories.create_event_type(client, "invoice.paid", schemas={"1": schema})
    await factories.create_event_type(client, "invoice.bare")
    page = (await operator.get(f"{endpoint}/test")).text
    assert '<option value="invoice.paid"' in page
    path = await operator.done(f"{endpoint}/test/example", {"event_type": "invoice.paid"})
    assert (await kept(client, path))["payload"] == {"id": "in_1"}
    refused = await operator.post(f"{endpoint}/test/example", {"event_type": "invoice.bare"})
    assert (refused.status_code, "has no schema" in refused.text) == (400, True)


async def test_code_is_tried_without_being_kept_and_then_kept(
    operator: Operator, client: httpx.AsyncClient, endpoint: str
) -> None:
    code = "function handler(webhook) {\r\n  webhook.payload.more = webhook.env.A;\r\n  return webhook;\r\n}"
    form = {"code": code, "variables": '{"A": "yes"}', "event_type": "a.b", "payload": '{"id": 1}', "enabled": "on"}
    tried = await operator.post(f"{endpoint}/transformation/simulate", form)
    assert tried.status_code == 200
    assert '"more": "yes"' in read(tried)
    assert "code" not in await kept(client, f"{endpoint}/transformation")
    await operator.done(f"{endpoint}/transformation", form)
    found = await kept(client, f"{endpoint}/transformation")
    assert (found["code"], found["enabled"], found["variables"]) == (code.replace("\r\n", "\n"), True, {"A": "yes"})
    assert "webhook.env.A" in (await operator.get(f"{endpoint}/transformation")).text
    broken = await operator.post(f"{endpoint}/transformation", {**form, "code": "function handler( {"})
    assert broken.status_code in {400, 422}
    assert (await kept(client, f"{endpoint}/transformation"))["code"] == found["code"]


async def test_a_portal_sees_only_the_buttons_that_it_may_use(
    app: FastAPI, client: httpx.AsyncClient, application: str, endpoint: str
) -> None:
    looking = await visit(app, client, application, readOnly=True)
    for page, words in (
        ("", ("Disable", "Delete", "Edit", "Test", "Transformation")),
        ("/access", ("Show the secret", "Rotate", "Save")),
        ("/replay", ("Show how much it is",)),
    ):
        text = read(await looking.get(f"/portal{endpoint}{page}"))
        assert "Overview" in text
        assert [word for word in words if word in text] == []
    for form in ("disable", "enable", "delete", "edit", "secret", "rotate", "headers", "authentication", "replay"):
        fields = {"operation": "recover", "since": clock.now().isoformat(), "type": "basic", "url": factories.URL}
        answer = await looking.post(f"/portal{endpoint}/{form}", fields)
        assert (form, answer.status_code) == (form, 403)
    everything = await visit(app, client, application)
    text = read(await everything.get(f"/portal{endpoint}"))
    for word in ("Disable", "Delete…", "Edit", "Test", "Transformation"):
        assert word in text
    assert SECRET in (await everything.post(f"/portal{endpoint}/secret")).text
