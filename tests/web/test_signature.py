"""The signature debugger's pages: they say what is wrong, and never show a secret again."""

import base64
import html
import time

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from fastapi import FastAPI
from playwright.async_api import Page, expect

from app.delivery.signing import SigningKey, sign
from app.web.receiver_code import receiver_codes
from tests import factories
from tests.web.portals import Visitor, visit

BODY = '{"a": "Zoë & <b>"}\n'
KEY = SigningKey("hmac256", b"\xfe" * 32)
OTHER = SigningKey("hmac256", b"\x01" * 32)


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    application_id: str = (await factories.create_application(client))["id"]
    return application_id


@pytest.fixture
async def visitor(app: FastAPI, client: httpx.AsyncClient, application: str) -> Visitor:
    return await visit(app, client, application)


def headers(key: SigningKey, body: str = BODY, at: float | None = None) -> str:
    stamp = int(time.time() if at is None else at)
    signature = sign("msg_1", stamp, body.encode(), [key])
    return f"webhook-id: msg_1\nwebhook-timestamp: {stamp}\nwebhook-signature: {signature}"


def crlf(text: str) -> str:
    """As browsers send the text of a form."""
    return text.replace("\n", "\r\n")


async def asked(visitor: Visitor, status: int = 200, **fields: str) -> str:
    answer = await visitor.post("/portal/signature", fields)
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    for name in ("secret", "former"):
        if len(fields.get(name, "")) > 8:
            assert fields[name] not in answer.text
    return html.unescape(answer.text)


async def test_a_right_request_is_valid_although_a_form_changes_its_line_ends(visitor: Visitor) -> None:
    text = await asked(visitor, headers=headers(KEY), body=crlf(BODY), secret=KEY.text)
    assert "Valid." in text
    assert "The signature is right." in text


async def test_what_was_pasted_is_shown_again_and_the_secret_is_not(visitor: Visitor) -> None:
    pasted = headers(OTHER)
    text = await asked(visitor, headers=pasted, body=crlf(BODY), secret=KEY.text, former=OTHER.text, computed="v1,AAAA")
    assert pasted in text
    assert BODY in text
    assert "It was signed with the other secret that you gave." in text
    assert KEY.text not in text
    assert OTHER.text not in text


async def test_what_is_around_a_secret_is_not_stripped_before_it_is_looked_at(visitor: Visitor) -> None:
    text = await asked(visitor, headers=headers(KEY), body=BODY, secret=f" {KEY.text}")
    assert "around the secret" in text


async def test_the_endpoints_own_secret_is_tried_and_never_shown(
    client: httpx.AsyncClient, application: str, visitor: Visitor
) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    secret = (await client.get(f"/app/{application}/endpoint/{endpoint}/secret")).json()["key"]
    pasted = headers(SigningKey.parse(secret))
    text = await asked(visitor, headers=pasted, body=BODY, endpoint_id=endpoint)
    assert "by the endpoint's secret" in text
    assert secret not in text
    text = await asked(visitor, headers=pasted, body=BODY, endpoint_id=endpoint, secret=KEY.text)
    assert "The secret that you gave is not the endpoint's." in text
    assert secret not in text


async def test_a_portal_cannot_try_the_secret_of_another_applications_endpoint(
    client: httpx.AsyncClient, visitor: Visitor
) -> None:
    foreign = (await factories.create_application(client, name="Neighbour"))["id"]
    endpoint = (await factories.create_endpoint(client, foreign))["id"]
    for fields in ({"app_id": foreign}, {"app_id": f"../{foreign}"}, {}):
        text = await asked(visitor, 422, headers=headers(KEY), body=BODY, endpoint_id=endpoint, **fields)
        assert "cannot be read" in text
    await asked(visitor, 422, headers=headers(KEY), body=BODY, endpoint_id=f"../../{foreign}/endpoint/{endpoint}")


async def test_a_portal_that_may_not_see_secrets_is_not_offered_any(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    reader = await visit(app, client, application, capabilities=["ViewBase"])
    assert endpoint not in (await reader.get("/portal/signature")).text
    text = await asked(reader, 422, headers=headers(KEY), body=BODY, endpoint_id=endpoint)
    assert "cannot be read" in text
    assert "Valid." in await asked(reader, headers=headers(KEY), body=BODY, secret=KEY.text)


async def test_bytes_that_no_form_keeps_are_given_as_base64(visitor: Visitor) -> None:
    raw = b"\xff\r\n\x00"
    stamp = int(time.time())
    pasted = f"svix-id: m\nsvix-timestamp: {stamp}\nsvix-signature: {sign('m', stamp, raw, [KEY])}"
    encoded = base64.b64encode(raw).decode()
    assert "Valid." in await asked(visitor, headers=pasted, body=encoded, body_form="base64", secret=KEY.text)
    assert "This is not base64" in await asked(visitor, 422, headers=pasted, body="%", body_form="base64")


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ("2026-11-22T10:20:00Z", "Valid."),
        ("2026-11-22T10:20:00", "Valid."),
        ("1795342800", "Valid."),
        ("1795342800000", "Valid."),
        ("2026-11-22T12:20:00+02:00", "Valid."),
        ("2026-11-22T10:21:00", "The timestamp is 6 min old."),
        ("2026-11-22T09:15:00Z", "The timestamp is 1 h in the future."),
    ],
)
async def test_the_time_of_arrival_may_be_said(visitor: Visitor, now: str, found: str) -> None:
    text = await asked(visitor, headers=headers(KEY, at=1795342500), body=BODY, secret=KEY.text, now=now)
    assert found in text


@pytest.mark.parametrize("now", ["yesterday", "99999999999999", "99999-01-01"])
async def test_a_time_that_is_none_is_refused_at_its_field(visitor: Visitor, now: str) -> None:
    assert "Write a time as" in await asked(visitor, 422, headers=headers(KEY), body=BODY, secret=KEY.text, now=now)


@pytest.mark.parametrize("fields", [{"headers": "x" * 70_000}, {}])
async def test_what_is_too_much_or_nothing_at_all_is_answered_with_what_to_do(
    visitor: Visitor, fields: dict[str, str]
) -> None:
    assert "Diagnosis" in await asked(visitor, 422 if fields else 200, **fields)


async def test_who_is_not_signed_in_sees_no_debugger(app: FastAPI) -> None:
    for site in ("/portal", "/dashboard"):
        assert (await Visitor(app).get(f"{site}/signature")).status_code == 303
        assert (await Visitor(app).post(f"{site}/signature", {"headers": headers(KEY)})).status_code in {303, 403}


async def test_a_form_of_another_site_is_refused(visitor: Visitor) -> None:
    answer = await visitor.http.post("/portal/signature", data={"headers": headers(KEY), "csrf": "0" * 64})
    assert answer.status_code == 403


async def test_the_page_shows_all_receivers_as_they_are(visitor: Visitor) -> None:
    text = html.unescape((await visitor.get("/portal/signature")).text)
    assert all(each.text in text for each in receiver_codes())


async def test_an_endpoints_secret_is_shown_with_the_receivers_that_verify_with_it(
    client: httpx.AsyncClient, application: str, visitor: Visitor
) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    path = f"/portal/app/{application}/endpoint/{endpoint}"
    assert f"/portal/signature?app_id={application}&endpoint_id={endpoint}" in html.unescape(
        (await visitor.get(f"{path}/access")).text
    )
    shown = html.unescape((await visitor.post(f"{path}/secret")).text)
    assert all(each.text in shown for each in receiver_codes())


async def test_on_the_dashboard_an_application_is_said_first(
    client: httpx.AsyncClient, application: str, dashboard: Page
) -> None:
    """In a browser, with its scripts: the diagnosis appears beside the form, in which the secret stays."""
    endpoint = await factories.create_endpoint(client, application)
    secret = (await client.get(f"/app/{application}/endpoint/{endpoint['id']}/secret")).json()["key"]
    await dashboard.goto("/dashboard/signature")
    await dashboard.get_by_label("Headers").fill(headers(SigningKey.parse(secret)))
    await dashboard.get_by_label("Body", exact=False).first.fill(BODY)
    await dashboard.get_by_label("Application").fill(application)
    await dashboard.get_by_label("Endpoint", exact=False).fill(endpoint["id"])
    await dashboard.get_by_role("button", name="Check the signature").click()
    await expect(dashboard.get_by_text("The signature is right.")).to_be_visible()
    await dashboard.goto(f"/dashboard/signature?app_id={application}&endpoint_id={endpoint['id']}")
    await expect(dashboard.get_by_label("Endpoint")).to_have_value(endpoint["id"])
    await dashboard.get_by_label("Headers").fill(headers(SigningKey.parse(secret)))
    await dashboard.get_by_label("Body", exact=False).first.fill(BODY.strip())
    await dashboard.get_by_label("Secret of the receiver").fill(KEY.text)
    await dashboard.get_by_role("button", name="Check the signature").click()
    await expect(dashboard.get_by_text("The body's blanks at its ends were changed.")).to_be_visible()
    await expect(dashboard.get_by_text("The secret that you gave is not the endpoint's.")).to_be_visible()
    await expect(dashboard.get_by_label("Secret of the receiver")).to_have_value(KEY.text)
    await dashboard.get_by_text("Go", exact=True).click()
    await expect(dashboard.get_by_text("func verify(")).to_be_visible()
    found = await Axe().run(dashboard)
    assert [each["id"] for each in found.response["violations"] if each["impact"] in {"serious", "critical"}] == []
