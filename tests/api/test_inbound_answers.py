"""What a provider is answered where its events do not all get the same."""

import httpx

from app.receiving.registry import all_providers
from tests.api.api_server import both_ways
from tests.api.arriving import open_inlet
from tests.receiving.mutations import sample

CLIENT_ID = "CBJCHBCAABAAo7vXn3qkWm1d"


@both_ways
async def test_an_event_gets_the_answer_that_it_asks_for_each_time_that_it_is_sent(client: httpx.AsyncClient) -> None:
    inlet = await open_inlet(client, "adobe-sign", config={"clientId": CLIENT_ID})
    body = sample("adobe-sign", "AGREEMENT_WORKFLOW_COMPLETED")
    headers = [("content-type", "application/json"), ("x-adobesign-clientid", CLIENT_ID)]
    # The third is one that the first two have made known.
    for _ in range(3):
        answer = await inlet.post(body, headers)
        assert answer.status_code == 200
        assert answer.headers["x-adobesign-clientid"] == CLIENT_ID
        assert answer.json() == {"xAdobeSignClientId": CLIENT_ID}
    messages = (await client.get(f"/app/{inlet.source['applicationId']}/msg")).json()["data"]
    assert [message["eventType"] for message in messages] == ["adobe-sign.AGREEMENT_WORKFLOW_COMPLETED"]


@both_ways
async def test_an_event_is_answered_as_its_provider_wants_it(client: httpx.AsyncClient) -> None:
    inlet = await open_inlet(client, "microsoft-graph", config={"secret": "state"})
    body = sample("microsoft-graph", "updated").replace(b'"clientState": ""', b'"clientState": "state"')
    for _ in range(2):
        answer = await inlet.post(body, [("content-type", "application/json")])
        assert answer.status_code == all_providers()["microsoft-graph"].accepted.status == 202


async def test_a_handshake_of_one_who_signs_nothing_is_text_that_no_browser_runs(client: httpx.AsyncClient) -> None:
    inlet = await open_inlet(client, "dropbox", config={"secret": "s3cr3t"})
    answer = await client.get(f"{inlet.source['ingestUrl']}?challenge=%3Cb%3E")
    assert (answer.status_code, answer.text) == (200, "<b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
