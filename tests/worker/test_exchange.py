"""What an attempt knows of its exchange with the receiver, from the worker that made it to the API that shows it."""

import asyncio

import httpx
import pytest
from standardwebhooks import Webhook

from tests import factories
from tests.api.shop import page_of
from tests.factories import Json
from tests.receiver import Answer, Receiver
from tests.worker.test_delivery import Ring, secret_of


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


async def attempted(client: httpx.AsyncClient, application: str, message: str) -> Json:
    """The first attempt of a message, as soon as it is recorded. TimeoutError if there never is one."""
    async with asyncio.timeout(10):
        while not (page := await page_of(client, f"/app/{application}/attempt/msg/{message}"))["data"]:
            await asyncio.sleep(0.01)
    return dict(page["data"][-1])


async def test_an_attempt_says_where_its_time_went_and_one_that_failed_what_headers_it_was_answered(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    cookies = {"X-Reason": "full", "Set-Cookie": "sid=geheim"}
    receiver.answer = lambda _arrival: Answer(503, cookies) if len(receiver.arrivals) == 1 else Answer(200, cookies)
    await factories.create_endpoint(client, application, receiver.url)
    first = await factories.publish(client, application)
    ring()
    refused = await attempted(client, application, first["id"])
    assert refused["responseHeaders"] == [["content-length", "0"], ["x-reason", "full"], ["set-cookie", "***"]]
    assert refused["timings"]["reused"] is False
    assert {"dnsMs", "connectMs", "firstByteMs"} < refused["timings"].keys()
    assert "tlsMs" not in refused["timings"]
    path = f"/app/{application}/msg/{first['id']}/attempt/{refused['id']}"
    headers = (await client.get(f"{path}/headers")).json()
    assert headers["responseHeaders"] == refused["responseHeaders"]
    second = await factories.publish(client, application)
    ring()
    delivered = await attempted(client, application, second["id"])
    assert delivered["timings"].keys() == {"reused", "firstByteMs"}
    assert delivered["timings"]["reused"] is True
    assert 0 < delivered["timings"]["firstByteMs"] <= delivered["responseDurationMs"] + 1
    assert "responseHeaders" not in delivered
    without = await page_of(client, f"/app/{application}/attempt/msg/{first['id']}", with_content=False)
    assert "responseHeaders" not in without["data"][-1]
    assert (await client.delete(f"{path}/content")).status_code == 204
    expunged = (await client.get(path)).json()
    assert expunged["response"] == "EXPUNGED"
    assert not {"timings", "responseHeaders"} & expunged.keys()


async def test_what_was_sent_is_shown_as_it_arrived_signature_included(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    endpoint = await factories.create_endpoint(client, application, f"{receiver.url}/in?a='b'")
    published = await factories.publish(client, application, payload={"ü": "it's"})
    ring()
    (arrival,) = await receiver.wait_for(1)
    attempt = await attempted(client, application, published["id"])
    shown = (await client.get(f"/app/{application}/msg/{published['id']}/attempt/{attempt['id']}/request")).json()
    assert shown["url"] == endpoint["url"]
    assert (shown["body"].encode(), shown["bodyEncoding"], shown["transformed"]) == (arrival.body, "utf-8", False)
    headers = dict(shown["headers"])
    assert headers.keys() == arrival.headers.keys() - {"host", "content-length"}
    Webhook(await secret_of(client, application, endpoint)).verify(shown["body"], headers)
    assert shown["sensitive"] == []
    assert shown["curl"].startswith("curl ")
