"""What was sent with an attempt: worked out anew, exactly, without what its reader may not know."""

import httpx
from fastapi import FastAPI

from app import scopes, tokens
from app.settings import Settings
from tests import factories
from tests.api.shop import Shop
from tests.factories import Json


async def sent(client: httpx.AsyncClient, shop: Shop, message: str, attempt: str) -> Json:
    answer = await client.get(f"/app/{shop.application}/msg/{message}/attempt/{attempt}/request")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_secrets_of_headers_are_never_shown_and_the_signature_only_to_who_may_read_the_secret(
    app: FastAPI, client: httpx.AsyncClient, settings: Settings, organization_id: str, shop: Shop
) -> None:
    endpoint = f"/app/{shop.application}/endpoint/{shop.endpoint}"
    await client.put(f"{endpoint}/headers", json={"headers": {"X-Region": "eu", "X-Api-Key": "geheim"}})
    await client.put(f"{endpoint}/authentication", json={"type": "basic", "username": "ada", "password": "geheim"})
    message = await shop.message()
    attempt = await shop.attempt(message)
    full = await sent(client, shop, message, attempt)
    assert dict(full["headers"])["X-Region"] == "eu"
    assert dict(full["headers"])["webhook-signature"].startswith("v1,")
    assert (dict(full["headers"])["X-Api-Key"], full["sensitive"]) == ("***", ["Authorization", "X-Api-Key"])
    assert settings.jwt_secret is not None
    token = tokens.issue_portal(
        settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, organization_id, shop.application,
        allowed=scopes.of_portal([]),
    )  # fmt: skip
    async with factories.client_of(app, token) as reader:
        less = await sent(reader, shop, message, attempt)
    assert set(less["sensitive"]) == {"Authorization", "X-Api-Key", "webhook-signature", "svix-signature"}
    assert dict(less["headers"])["webhook-signature"] == "***"
    assert "v1," not in less["curl"]
    assert "geheim" not in str(full) + str(less)


async def test_what_is_no_text_is_shown_in_base64_and_what_is_gone_is_not(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    params = {"rawPayload": "<a/>", "headers": {"Content-Type": "text/xml"}}
    message = (await factories.publish(client, shop.application, transformationsParams=params))["id"]
    attempt = await shop.attempt(message)
    shown = await sent(client, shop, message, attempt)
    assert (shown["body"], dict(shown["headers"])["Content-Type"]) == ("<a/>", "text/xml")
    binary = await shop.message(payload=b"\xff\x00")
    bytes_shown = await sent(client, shop, binary, await shop.attempt(binary))
    assert (bytes_shown["body"], bytes_shown["bodyEncoding"]) == ("/wA=", "base64")
    assert "printf '\\377\\000' | curl" in bytes_shown["curl"]
    assert (await client.delete(f"/app/{shop.application}/msg/{message}/content")).status_code == 204
    gone = await sent(client, shop, message, attempt)
    assert not {"body", "curl"} & gone.keys()


async def test_that_a_transformation_may_have_changed_it_is_said(client: httpx.AsyncClient, shop: Shop) -> None:
    trusted = await client.patch("/management/environment-settings", json={"enableTransformations": True})
    assert trusted.is_success
    code = {"code": "function handler(webhook) { return webhook; }", "enabled": True}
    path = f"/app/{shop.application}/endpoint/{shop.endpoint}/transformation"
    assert (await client.patch(path, json=code)).is_success
    message = await shop.message()
    assert (await sent(client, shop, message, await shop.attempt(message)))["transformed"] is True


async def test_an_attempt_of_another_message_is_not_found(client: httpx.AsyncClient, shop: Shop) -> None:
    attempt = await shop.attempt(await shop.message())
    path = f"/app/{shop.application}/msg/{await shop.message()}/attempt/{attempt}/request"
    assert (await client.get(path)).status_code == 404
