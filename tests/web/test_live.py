"""The live page in a real browser: what is sent appears by itself, until it is paused."""

import asyncio

import httpx
from playwright.async_api import Page, expect

from tests import factories
from tests.receiver import Answer, Receiver
from worker.runtime import Runtime


async def test_what_is_sent_and_what_comes_of_it_appear_without_loading_the_page_again(
    dashboard: Page, client: httpx.AsyncClient, worker: Runtime, receiver: Receiver
) -> None:
    application = str((await factories.create_application(client))["id"])
    await factories.create_endpoint(client, application, receiver.url)
    receiver.answer = lambda _arrival: Answer(418)
    await dashboard.goto(f"/dashboard/app/{application}/live")
    await expect(dashboard.get_by_text("There are no messages yet.")).to_be_visible()
    name = factories.unique("live.event")
    message = (await factories.publish(client, application, name))["id"]
    worker.ring(range(64))
    await expect(dashboard.get_by_role("link", name=message)).to_be_visible()
    await expect(dashboard.get_by_text("418").first).to_be_visible()
    await dashboard.get_by_role("link", name="Pause").click()
    await expect(dashboard.get_by_text("paused")).to_be_visible()
    later = (await factories.publish(client, application, name))["id"]
    await asyncio.sleep(1.5)
    await expect(dashboard.get_by_role("link", name=later)).to_have_count(0)
    await dashboard.get_by_role("link", name="Go on").click()
    await expect(dashboard.get_by_role("link", name=later)).to_be_visible()


async def test_a_message_page_brings_the_reasons_and_its_payload_is_copied(
    dashboard: Page, client: httpx.AsyncClient
) -> None:
    application = str((await factories.create_application(client))["id"])
    await factories.create_endpoint(client, application, disabled=True)
    message = (await factories.publish(client, application, payload={"id": "in_4711"}))["id"]
    await dashboard.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await dashboard.goto(f"/dashboard/app/{application}/msg/{message}")
    await expect(dashboard.get_by_text("The endpoint is disabled.").first).to_be_visible()
    block = dashboard.locator(".block", has_text="in_4711").first
    await block.get_by_role("button", name="Copy").click()
    await expect(block.get_by_text("Copied")).to_be_visible()
    copied = await dashboard.evaluate("navigator.clipboard.readText()")
    assert copied == '{\n  "id": "in_4711"\n}'


async def test_a_message_page_shows_what_comes_of_it_until_nothing_more_is_about_to_happen(
    dashboard: Page, client: httpx.AsyncClient, worker: Runtime, receiver: Receiver
) -> None:
    application = str((await factories.create_application(client))["id"])
    await factories.create_endpoint(client, application, receiver.url)
    receiver.answer = lambda _arrival: Answer(418)
    message = (await factories.publish(client, application))["id"]
    await dashboard.goto(f"/dashboard/app/{application}/msg/{message}")
    await expect(dashboard.locator("#course[hx-get]")).to_have_count(1)
    worker.ring(range(64))
    await expect(dashboard.get_by_text("status 418").first).to_be_visible()
    await expect(dashboard.get_by_text("Resend or recover it.")).to_be_visible()
    await expect(dashboard.locator("#course[hx-get]")).to_have_count(0)
    receiver.answer = lambda _arrival: Answer(204)
    await dashboard.get_by_role("button", name="Resend").click()
    await expect(dashboard.get_by_text("status 204")).to_be_visible()
