"""Source pages: kinds, secrets that stay, what arrived, and what was rejected."""

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect

from app.api.source.configs import fields_of, kinds
from app.web.source.kinds import groups
from tests import factories
from tests.factories import Json
from tests.web.browsing import Operator, signed_in
from tests.web.reading import read

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
async def operator(app: FastAPI, token: str) -> Operator:
    return await signed_in(app, token)


async def sources(client: httpx.AsyncClient) -> list[Json]:
    listed: list[Json] = (await client.get(factories.ingest(client, "/source"))).json()["data"]
    return listed


def test_every_kind_is_in_one_group_that_says_what_it_does() -> None:
    names = [kind.name for _, found in groups() for kind in found]
    assert sorted(names) == sorted(kinds())
    assert "Others" not in dict(groups())
    assert [(group, [kind.name for kind in found]) for group, found in groups("STRI")] == [
        ("Payments and finance", ["stripe"])
    ]
    assert list(groups("nobody is called so")) == []


async def test_every_kind_has_a_form_for_all_that_it_asks(operator: Operator) -> None:
    for name in kinds():
        document = read((await operator.get(f"/source-new?kind={name}")).text)
        fields = {element.attributes.get("name"): element for element in document.elements}
        for asked in fields_of(name):
            element = fields[f"config_{asked.name}"]
            assert ("required" in element.attributes) == (asked.required and asked.kind != "boolean"), name
            assert not (asked.secret and element.name == "input") or element.attributes["type"] == "password", name


async def test_a_source_is_created_changed_paused_and_deleted_and_its_secret_is_never_shown(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    fields = {"kind": "stripe", "name": "Payments", "config_secret": SECRET, "keep_rejected": "on", "uid": "payments"}
    place = await operator.done("/source-new", fields)
    (made,) = await sources(client)
    assert (made["name"], made["uid"], made["type"], made["keepRejected"]) == ("Payments", "payments", "stripe", True)
    page = (await operator.get(place)).text
    assert made["ingestUrl"] in page
    assert "Stripe-Signature" in page
    assert f'href="/dashboard/app/{made["applicationId"]}/endpoint-new">Create an endpoint' in page
    await factories.create_endpoint(client, made["applicationId"])
    assert "nobody gets it yet" not in await operator.page(place)
    form = (await operator.get(f"{place}/edit")).text
    assert SECRET not in page + form
    # What was left empty stays; what was taken away is gone.
    await operator.done(f"{place}/edit", {"name": "Invoices", "allowed_ips": "203.0.113.0/24, 198.51.100.7"})
    (changed,) = await sources(client)
    assert (changed["name"], changed.get("uid"), changed["keepRejected"]) == ("Invoices", None, False)
    assert changed["allowedIps"] == ["203.0.113.0/24", "198.51.100.7"]
    assert changed["verifies"] is True
    await operator.done(f"{place}/pause")
    assert (await sources(client))[0]["paused"] is True
    await operator.done(f"{place}/resume")
    await operator.done(f"{place}/rotate-url")
    (rotated,) = await sources(client)
    assert (rotated["paused"], rotated["ingestUrl"] == made["ingestUrl"]) == (False, False)
    assert await operator.done(f"{place}/delete") == "/source"
    assert await sources(client) == []


async def test_what_is_wrong_is_told_at_its_field_and_no_secret_is_shown_again(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    fields = {"kind": "hmac", "name": "Shop", "config_secret": "a-secret-of-mine", "config_digest": "md4"}
    answer = await operator.post("/source-new", fields)
    assert answer.status_code == 422
    document = read(answer.text)
    inputs = {element.attributes.get("name"): element.attributes for element in document.named("input")}
    assert inputs["config_digest"]["value"] == "md4"
    assert inputs["config_digest"]["aria-invalid"] == "true"
    assert "a-secret-of-mine" not in answer.text
    assert await sources(client) == []


async def test_options_are_numbers_texts_and_can_be_taken_away(operator: Operator, client: httpx.AsyncClient) -> None:
    fields = {"kind": "hmac", "name": "Shop", "config_secret": "a-secret-of-mine", "config_tolerance": "60"}
    place = await operator.done(
        "/source-new", {**fields, "config_header": "x-shop", "config_timestampHeader": "x-time"}
    )
    assert (await sources(client))[0]["config"] == {"header": "x-shop", "timestampHeader": "x-time", "tolerance": 60}
    assert 'value="x-shop"' in (await operator.get(f"{place}/edit")).text
    await operator.done(f"{place}/edit", {"name": "Shop", "config_header": "x-till"})
    assert (await sources(client))[0]["config"] == {"header": "x-till"}


async def test_older_secrets_are_good_while_the_secret_is_rotated(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    place = await operator.done("/source-new", {"kind": "github", "name": "Code", "config_secret": "the-first"})
    rotated = {"name": "Code", "config_secret": "the-second", "config_otherSecrets": "the-first"}
    await operator.done(f"{place}/edit", rotated)
    assert "accepted as github." in await _sampled(operator, place)
    await operator.done(f"{place}/edit", {"name": "Code", "end_others": "on"})
    assert "accepted as github." in await _sampled(operator, place)


async def _sampled(operator: Operator, place: str) -> str:
    return await operator.page(await operator.done(f"{place}/trigger", {"event": "push"}))


async def test_a_sample_arrives_and_what_is_refused_is_shown_as_text(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    place = await operator.done(
        "/source-new", {"kind": "stripe", "name": "Payments", "config_secret": SECRET, "keep_rejected": "on"}
    )
    assert "accepted as stripe.invoice.paid" in await operator.page(
        await operator.done(f"{place}/trigger", {"event": "invoice.paid"})
    )
    assert "stripe.invoice.paid" in await operator.page(place)
    (source,) = await sources(client)
    arriving = client.base_url.copy_with(path=httpx.URL(source["ingestUrl"]).path)
    rejected = await client.post(arriving, content=b"<b>not signed</b>", headers={"x-note": "<i>it</i>"})
    assert rejected.status_code == 401
    for path in (place, f"{place}/log"):
        text = await operator.page(path)
        assert "<b>not signed</b>" in text
        assert "<i>it</i>" in text
        assert "The header stripe-signature is missing." in text


async def test_a_sample_that_is_no_event_says_what_it_was_answered(operator: Operator) -> None:
    place = await operator.done(
        "/source-new", {"kind": "cron", "name": "Clock", "config_schedule": "0 0 1 1 *", "config_payload": "{}"}
    )
    refused = await operator.post(f"{place}/trigger", {"event": ""})
    assert (refused.status_code, "nothing is posted to it" in refused.text) == (400, True)
    assert "Send a sample" not in await operator.page(place)


async def test_kinds_are_found_while_one_types(dashboard: Page) -> None:
    await dashboard.goto("/dashboard/source-new")
    assert await dashboard.locator("#kinds a").count() == len(kinds())
    await dashboard.get_by_label("Search a provider").press_sequentially("git")
    await expect(dashboard.locator("#kinds a")).to_have_text(["Bitbucket", "GitHub", "GitLab"][1:])
    await dashboard.get_by_role("link", name="GitHub").click()
    await expect(dashboard.get_by_role("heading", level=1)).to_have_text("New source: GitHub")


async def test_a_token_whose_scopes_hold_sources_alone_sees_a_source(
    app: FastAPI, operator: Operator, client: httpx.AsyncClient, organization_id: str
) -> None:
    place = await operator.done("/source-new", {"kind": "stripe", "name": "Payments", "config_secret": SECRET})
    path = f"/management/authentication/{organization_id}/api-token"
    made = await client.post(path, json={"name": "sources", "scopes": ["v1.ingest.source.*"]})
    assert made.status_code == 200, made.text
    page = await (await signed_in(app, made.json()["token"])).page(place)
    assert ("Stripe-Signature" in page, "nobody gets it yet" in page) == (True, False)
