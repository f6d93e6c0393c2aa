"""An endpoint in a real browser: created, watched as it fails, its deliveries recovered, its secret rotated."""

import re

import httpx
from playwright.async_api import Page, expect

from tests import factories
from tests.receiver import Answer, Receiver
from worker.runtime import Runtime


async def test_what_failed_is_recovered_while_one_watches(
    dashboard: Page, client: httpx.AsyncClient, receiver: Receiver, worker: Runtime
) -> None:
    application = (await factories.create_application(client, uid=factories.unique("acme")))["id"]
    await factories.create_event_type(client, "invoice.paid")
    await dashboard.goto("/dashboard/app")
    await dashboard.get_by_role("link", name="Acme Inc.").click()
    await dashboard.get_by_role("link", name="New endpoint").click()
    await dashboard.get_by_label("URL").fill(receiver.url)
    # To choose one is to want these alone.
    await dashboard.get_by_label("invoice.paid").check()
    await expect(dashboard.get_by_label("Only these:")).to_be_checked()
    await dashboard.get_by_role("button", name="Create").click()
    await expect(dashboard.locator(".said")).to_contain_text("The endpoint is created")
    receiver.answer = lambda _arrival: Answer(500)
    message = (await factories.publish(client, application))["id"]
    worker.ring(range(64))
    # All three attempts of its schedule.
    await receiver.wait_for(3)
    failed = dashboard.locator("tr", has_text=message)
    for _ in range(20):
        await dashboard.reload()
        if await failed.count() == 3:
            break
        await dashboard.wait_for_timeout(200)
    await expect(failed.first).to_contain_text("500")
    receiver.answer = lambda _arrival: Answer(204)
    before = len(receiver.arrivals)
    await dashboard.get_by_role("link", name="Send again").click()
    await dashboard.get_by_label("Recover").check()
    await dashboard.get_by_role("button", name="Show how much it is").click()
    await expect(dashboard.get_by_role("heading", level=2)).to_have_text("1 message would be tried once more")
    await dashboard.get_by_role("button", name="Do it").click()
    # Nobody reloads it: htmx does.
    await expect(dashboard.locator("#progress")).to_contain_text("finished")
    await expect(dashboard.locator("#progress")).to_contain_text("Queued to be sent1")
    worker.ring(range(64))
    assert (await receiver.wait_for(before + 1))[-1].headers["webhook-id"] == message


async def test_a_secret_is_revealed_copied_and_rotated(dashboard: Page, client: httpx.AsyncClient) -> None:
    application = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, application))["id"]
    path = f"/app/{application}/endpoint/{endpoint}"
    secret = (await client.get(f"{path}/secret")).json()["key"]
    await dashboard.goto(f"/dashboard{path}/access")
    assert secret not in await dashboard.content()
    await dashboard.get_by_role("button", name="Show the secret").click()
    shown = dashboard.get_by_role("region", name="Signing secret")
    await expect(shown.locator("pre")).to_have_text(secret)
    await shown.get_by_role("button", name="Copy").click()
    # Where the clipboard may not be written, what is to be copied is selected.
    await expect(shown.get_by_role("button", name=re.compile("Copied|Selected"))).to_be_visible()
    await dashboard.get_by_role("link", name="Hide it").click()
    assert secret not in await dashboard.content()
    await dashboard.get_by_role("link", name="Rotate").click()
    await dashboard.get_by_role("button", name="Rotate").click()
    await expect(dashboard.locator(".said")).to_contain_text("signed with the new secret")
    assert (await client.get(f"{path}/secret")).json()["key"] != secret
