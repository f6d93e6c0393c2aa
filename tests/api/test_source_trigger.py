"""Triggers of sources: what is sent is what the provider would send, by the way that all takes."""

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from app import ids, tokens
from app.receiving.contract import CannotSign, Config, Provider
from app.receiving.registry import all_providers
from app.receiving.sample_types import sample_types
from app.receiving.samples import names_of, sample
from app.receiving.trigger import signed
from app.settings import Settings
from tests import factories
from tests.factories import Json

# These prove what they send by a key that only they have, of which a source knows the public half: a server that could
# sign for them would be no proof. `postrider trigger --to` signs for them with a key of one's own.
ASYMMETRIC: Final = frozenset(
    {
        *("aws-sns", "discord", "google-pubsub", "orum-io", "paypal", "plaid", "sendgrid", "telnyx"),
        # Of those notifications that hold the resource; the others are proved by a secret.
        "microsoft-graph",
    }
)
WITH_SAMPLES: Final = [name for name in all_providers() if names_of(name)]


@pytest.fixture(scope="module")
async def one_client(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Of one organization for all providers: each has its own source."""
    assert settings.jwt_secret is not None
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, ids.new_id("org"))
    async with factories.client_of(app, token) as opened:
        yield opened


def config_of(provider: Provider) -> Json:
    """What is required, as the fields' examples say it, and the secret."""
    asked = [field for field in provider.fields if field.required or field.name == "secret"]
    return {field.name: int(field.example) if field.kind == "integer" else field.example for field in asked}


def can_sign(provider: Provider, event: str) -> bool:
    """Whether a source of that config holds all that a signature needs."""
    config = config_of(provider)
    secrets = (config.pop("secret"),) if "secret" in config else ()
    options = {field.name: str(config[field.name]) for field in provider.fields if field.name in config}
    try:
        signed(provider, sample(provider.name, event), Config(secrets, options), 1_795_000_000.0, "https://x.example")
    except CannotSign:
        return False
    return True


async def trigger(client: httpx.AsyncClient, source: str, **body: object) -> Json:
    response = await client.post(factories.ingest(client, f"/source/{source}/trigger"), json=body)
    assert response.status_code == 200, response.text
    told: Json = response.json()
    return told


def test_who_cannot_be_signed_for_is_who_signs_with_a_private_key() -> None:
    providers = all_providers().values()
    found = {one.name for one in providers for event in names_of(one.name) if not can_sign(one, event)}
    assert found == ASYMMETRIC


@pytest.mark.parametrize("name", WITH_SAMPLES)
async def test_each_sample_arrives_and_is_another_event_each_time(one_client: httpx.AsyncClient, name: str) -> None:
    provider = all_providers()[name]
    events = [event for event in names_of(name) if can_sign(provider, event)]
    if not events:
        assert name in ASYMMETRIC
        return
    source = (await factories.create_source(one_client, name, config=config_of(provider)))["id"]
    arrived = [await trigger(one_client, source, eventType=event) for event in [*events, events[0]]]
    types = sample_types(provider)
    assert [told.get("eventType") for told in arrived] == [types[event] for event in [*events, events[0]]]
    for told in arrived:
        assert told.get("refusal") is None, told
        assert told["status"] == provider.accepted.status
        assert told["eventType"].startswith(f"{provider.prefix or name}")
        assert not told["duplicate"]
    assert len({told["messageId"] for told in arrived}) == len(arrived)
    assert (arrived[0].get("eventId") is None) == (arrived[-1].get("eventId") is None)


async def test_the_message_is_stored_and_delivered_like_any_other(client: httpx.AsyncClient) -> None:
    source = await factories.create_source(client)
    endpoint = await factories.create_endpoint(client, source["applicationId"])
    told = await trigger(client, source["id"])
    assert told["eventType"] == f"stripe.{names_of('stripe')[0]}"
    message = (await client.get(f"/app/{source['applicationId']}/msg/{told['messageId']}")).json()
    assert (message["eventId"], message["payload"]["object"]) == (told["eventId"], "event")
    due = await client.get(f"/app/{source['applicationId']}/msg/{told['messageId']}/endpoint")
    assert [one["id"] for one in due.json()["data"]] == [endpoint["id"]]


async def test_a_payload_of_ones_own_is_sent_as_it_is_and_comes_once(client: httpx.AsyncClient) -> None:
    source = await factories.create_source(client, uid=factories.unique("source"))
    payload = {"id": "evt_own", "type": "radar.early_fraud_warning.created", "n": 1}
    first = await trigger(client, source["uid"], payload=payload)
    assert first["eventType"] == "stripe.radar.early_fraud_warning.created"
    assert first["eventId"] == f"{source['id']}.evt_own"
    message = (await client.get(f"/app/{source['applicationId']}/msg/{first['messageId']}")).json()
    assert message["payload"] == payload
    again = await trigger(client, source["id"], payload=payload)
    assert (again["duplicate"], again.get("messageId"), again["status"]) == (True, None, 200)


async def test_a_duplicate_is_reported_as_the_message_that_is_stored(client: httpx.AsyncClient) -> None:
    source = (await factories.create_source(client))["id"]
    first = await trigger(client, source, payload={"id": "evt_1", "type": "invoice.paid"})
    again = await trigger(client, source, payload={"id": "evt_1", "type": "invoice.voided"})
    assert (again["duplicate"], again["eventType"]) == (True, first["eventType"])


async def test_the_event_that_is_named_goes_where_the_provider_names_it_and_else_the_payload_counts(
    client: httpx.AsyncClient,
) -> None:
    github = (await factories.create_source(client, "github", config={"secret": "s3cr3t"}))["id"]
    named = await trigger(client, github, eventType="issues", payload={"issue": {"id": 1}})
    assert (named["eventType"], "note" in named) == ("github.issues", False)
    stripe = (await factories.create_source(client))["id"]
    contradicting = await trigger(client, stripe, eventType="invoice.paid", payload={"id": "evt_1t"})
    assert contradicting["eventType"] == "stripe"
    assert contradicting["note"] == "The payload says what the event is: stripe, and not stripe.invoice.paid."
    for name in ("invoice.paid", "stripe.invoice.paid"):
        agreeing = await trigger(client, stripe, eventType=name, payload={"id": name, "type": "invoice.paid"})
        assert (agreeing["eventType"], "note" in agreeing) == ("stripe.invoice.paid", False)


async def test_a_text_is_sent_as_it_is_so_that_it_can_be_a_form(client: httpx.AsyncClient) -> None:
    source = await factories.create_source(client, "slack")
    told = await trigger(client, source["id"], payload="command=%2Fdeploy&text=now&trigger_id=1.2.a")
    assert told["eventType"] == "slack.command"
    assert told["eventId"] == f"{source['id']}.1.2.a"


async def test_what_the_source_refuses_is_told_and_recorded_as_for_the_provider(client: httpx.AsyncClient) -> None:
    source = (await factories.create_source(client, methods=["PUT"]))["id"]
    told = await trigger(client, source)
    assert (told["status"], told["refusal"]["code"]) == (405, "method_not_allowed")
    assert "messageId" not in told
    okta = all_providers()["okta"]
    source = (await factories.create_source(client, "okta", config=config_of(okta)))["id"]
    told = await trigger(client, source, payload={"eventType": 1})
    assert (told["status"], told["refusal"]["code"]) == (400, "malformed")
    logs = (await client.get(factories.ingest(client, f"/source/{source}/log"))).json()["data"]
    assert [log["error_text"] for log in logs] == [told["refusal"]["detail"]]


async def test_whoever_may_trigger_need_not_be_on_the_list_of_addresses(client: httpx.AsyncClient) -> None:
    source = (await factories.create_source(client, allowedIps=["203.0.113.0/24"]))["id"]
    assert (await trigger(client, source))["messageId"].startswith("msg_")


async def test_an_event_without_a_sample_is_refused_with_those_that_there_are(client: httpx.AsyncClient) -> None:
    source = (await factories.create_source(client))["id"]
    url = factories.ingest(client, f"/source/{source}/trigger")
    refused = await client.post(url, json={"eventType": "invoice.unpaid"})
    assert refused.status_code == 422
    (violation,) = refused.json()["detail"]
    assert violation["loc"] == ["body", "eventType"]
    assert all(name in violation["msg"] for name in names_of("stripe"))
    brex = (await factories.create_source(client, "brex"))["id"]
    refused = await client.post(f"{factories.INGEST}/source/{brex}/trigger", json={})
    assert refused.status_code == 422
    assert "none of brex" in refused.json()["detail"][0]["msg"]


async def test_what_cannot_be_signed_says_what_is_missing(client: httpx.AsyncClient) -> None:
    plaid = all_providers()["plaid"]
    config = {**config_of(plaid), "clientId": "5f1a2b3c4d5e6f7a8b9c0d1e"}
    source = (await factories.create_source(client, "plaid", config=config))["id"]
    refused = await client.post(factories.ingest(client, f"/source/{source}/trigger"), json={})
    assert refused.status_code == 422
    assert "private key" in refused.json()["detail"][0]["msg"]
    assert ".." not in refused.json()["detail"][0]["msg"]
    # Asana tells the secret in its handshake, which was not yet.
    source = (await factories.create_source(client, "asana", config={}))["id"]
    refused = await client.post(factories.ingest(client, f"/source/{source}/trigger"), json={})
    assert refused.status_code == 422
    assert "no secret" in refused.json()["detail"][0]["msg"]


async def test_a_schedule_has_nothing_to_trigger(client: httpx.AsyncClient) -> None:
    config = {"schedule": "0 0 1 1 *", "payload": "{}"}
    source = (await factories.create_source(client, "cron", config=config))["id"]
    refused = await client.post(factories.ingest(client, f"/source/{source}/trigger"), json={})
    assert (refused.status_code, "no URL" in refused.json()["detail"]) == (400, True)


async def test_the_same_request_with_its_key_is_one_event(client: httpx.AsyncClient) -> None:
    source = (await factories.create_source(client))["id"]
    headers = {"idempotency-key": factories.unique("key")}
    url = factories.ingest(client, f"/source/{source}/trigger")
    first, second = [await client.post(url, json={}, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    events = (await client.get(factories.ingest(client, f"/source/{source}/event"))).json()["data"]
    assert [event["id"] for event in events] == [first.json()["messageId"]]


async def test_only_the_organization_triggers(
    app: FastAPI, client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    source = (await factories.create_source(client))["id"]
    url = factories.ingest(client, f"/source/{source}/trigger")
    assert (await stranger.post(url, json={})).status_code == 404
    async with factories.client_of(app) as anonymous:
        assert (await anonymous.post(url, json={})).status_code == 401
    assert (await client.get(factories.ingest(client, f"/source/{source}/event"))).json()["data"] == []
