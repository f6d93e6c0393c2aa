"""The pages of messages and attempts, as a browser without scripts sees them."""

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from app import ids
from app.db.session import Database
from tests import factories
from tests.api.arriving import open_inlet
from tests.api.shop import Shop
from tests.web.browsing import Operator, read, signed_in

HOSTILE: Final = "<script>alert(1)</script>"


@pytest.fixture
async def operator(app: FastAPI, token: str) -> AsyncIterator[Operator]:
    found = await signed_in(app, token)
    yield found
    await found.http.aclose()


@pytest.fixture
async def shop(client: httpx.AsyncClient, database: Database) -> Shop:
    application = str((await factories.create_application(client))["id"])
    endpoint = str((await factories.create_endpoint(client, application))["id"])
    return Shop(application, endpoint, database, await database.pool.fetchval("SELECT now()"))


async def test_messages_are_listed_and_searched_by_an_address_that_can_be_kept(operator: Operator, shop: Shop) -> None:
    paid = await shop.message(age=10, payload=b'{"id":"in_4711"}', channels=["eu"])
    made = await shop.message(age=20, event_type="order.made", tags=["vip"])
    path = f"/app/{shop.application}/msg"
    assert {paid, made} <= set((await operator.page(path)).split())
    for query, wanted, other in (
        ("text=in_4711", paid, made), ("event_types=order.made,none.such", made, paid), ("channel=eu", paid, made),
        ("tag=vip", made, paid), (f"after={(shop.now).isoformat()[:4]}-01-01T00:00&text=in_4711", paid, made),
    ):  # fmt: skip
        page = (await operator.page(f"{path}?{query}")).split()
        assert wanted in page, query
        assert other not in page, query
    assert "No message matches" in await operator.page(f"{path}?text=nobody-wrote-this")


async def test_a_search_that_is_wrong_says_at_which_field(operator: Operator, shop: Shop) -> None:
    page = await operator.page(f"/app/{shop.application}/msg?text=ab&after=yesterday")
    assert "3 characters" in page
    assert "after" in page


@pytest.mark.parametrize("name", ["id", "event id"])
async def test_a_name_leads_to_its_message_at_once(operator: Operator, shop: Shop, name: str) -> None:
    event_id = factories.unique("paid")
    message = await shop.message(event_id=event_id)
    answer = await operator.get(f"/app/{shop.application}/msg?reference={message if name == 'id' else event_id}")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/dashboard/app/{shop.application}/msg/{message}"
    missing = await operator.page(f"/app/{shop.application}/msg?reference={ids.new_id('msg')}")
    assert "no message of the name" in missing
    assert "no message of the name" in await operator.page(f"/app/{shop.application}/msg?reference=../../x")


async def test_a_page_that_did_not_look_at_all_says_how_far_it_looked(
    operator: Operator, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.message.table.EXAMINED", 250)
    monkeypatch.setattr("app.db.message.table._BITE", 2)
    monkeypatch.setattr("app.db.message.table._LOOKING_SECONDS", 0.0)
    wanted = await shop.message(age=100, payload=b'{"x":"needle"}')
    others = [await shop.message(age=age) for age in (10, 20)]
    answer = await operator.get(f"/app/{shop.application}/msg?text=needle")
    page = read(answer)
    assert "and no further" in page
    assert wanted not in page
    further = await operator.page(f"/app/{shop.application}/msg?text=needle&iterator={others[1]}")
    assert f"iterator={others[1]}" in answer.text
    assert wanted in further


async def test_a_message_is_shown_with_its_payload_and_what_became_of_it(operator: Operator, shop: Shop) -> None:
    payload = b'{"a":1.10,"a":12345678901234567890123,"x":"' + HOSTILE.encode() + b'"}'
    message = await shop.message(payload=payload, event_id=factories.unique("e"), channels=["eu"], tags=["vip"])
    await shop.delivery(message, 1)
    await shop.due(message, after=3600, tries=1)
    attempt = await shop.attempt(message, code=503)
    answer = await operator.get(f"/app/{shop.application}/msg/{message}")
    page = read(answer)
    assert '"a": 1.10, "a": 12345678901234567890123' in page
    assert payload.decode() in page
    assert HOSTILE not in answer.text
    assert "status 503" in page
    assert "Next attempt in 59 min" in page
    assert f"/dashboard/app/{shop.application}/msg/{message}/attempt/{attempt}" in answer.text
    assert f"/dashboard/app/{shop.application}/msg/{message}/explain" in answer.text


async def test_what_is_due_is_not_said_to_be_tried_next_in_the_past(operator: Operator, shop: Shop) -> None:
    message = await shop.message()
    await shop.delivery(message, 1)
    await shop.due(message, after=-30)
    page = await operator.page(f"/app/{shop.application}/msg/{message}")
    assert ("It is due: it is being sent, or waits" in page, "Next attempt" in page) == (True, False)


async def test_a_large_payload_is_cut_and_can_be_downloaded_byte_for_byte(operator: Operator, shop: Shop) -> None:
    payload = b'{"x":"' + b"a" * 200_000 + b'","end":1.10}'
    message = await shop.message(payload=payload)
    path = f"/app/{shop.application}/msg/{message}"
    answer = await operator.get(path)
    assert len(answer.text) < 300_000
    assert "this is the beginning" in read(answer)
    assert "1.10" not in answer.text
    download = await operator.get(f"{path}/payload")
    assert download.content == payload
    assert download.headers["content-disposition"].startswith("attachment")
    assert download.headers["content-type"] == "application/octet-stream"
    assert download.headers["x-content-type-options"] == "nosniff"


async def test_an_attempt_is_shown_with_request_answer_timings_and_command(operator: Operator, shop: Shop) -> None:
    message = await shop.message(payload=b'{"id":"it\'s"}')
    attempt = await shop.attempt(message, code=500, response=HOSTILE.encode())
    exchange = b"\x1e" + b"".join(value.to_bytes(4, "little") for value in (1000, 2000, 3000, 4000))
    await shop.database.pool.execute(
        "UPDATE attempts SET exchange = $1 WHERE id = $2", exchange + b"X-Reason: <b>", attempt
    )
    answer = await operator.get(f"/app/{shop.application}/msg/{message}/attempt/{attempt}")
    page = read(answer)
    for text in ("status 500", "DNS 1.0 ms", "Connect 2.0 ms", "TLS 3.0 ms", "First byte 4.0 ms", "x-reason <b>"):
        assert text in page, text
    assert '--data-binary \'{"id":"it\'"\'"\'s"}\'' in page
    assert HOSTILE in page
    assert HOSTILE not in answer.text
    assert "style=" not in answer.text


async def test_resending_sends_the_message_once_more(operator: Operator, shop: Shop) -> None:
    message = await shop.message()
    await shop.delivery(message, 2)
    path = f"/app/{shop.application}/msg/{message}"
    assert "Resend" in await operator.page(path)
    assert await operator.done(f"{path}/endpoint/{shop.endpoint}/resend") == path
    assert await shop.queued() == 1


async def test_a_message_is_sent_as_it_was_written_beginning_with_the_example_of_its_type(
    client: httpx.AsyncClient, operator: Operator, shop: Shop
) -> None:
    name = factories.unique("event.type")
    schemas = {"1": {"type": "object", "examples": [{"id": "in_example"}]}}
    await factories.create_event_type(client, name, schemas=schemas)
    path = f"/app/{shop.application}/msg-new"
    assert "in_example" in await operator.page(f"{path}?event_type={name}")
    fields = {"event_type": name, "payload": '{"a": 1.10,\r\n"a": 12345678901234567890123}', "tags": "x, y"}
    shown = await operator.done(path, fields)
    message = shown.rsplit("/", 1)[1]
    raw = (await client.get(f"/app/{shop.application}/msg/{message}/raw")).json()["payload"]
    assert raw == '{"a": 1.10,\n"a": 12345678901234567890123}'
    assert (await client.get(f"/app/{shop.application}/msg/{message}")).json()["tags"] == ["x", "y"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"event_type": "invoice.paid", "payload": "{"}, "This is not JSON"),
        ({"event_type": "invoice.paid", "payload": "[1]"}, "must be a JSON object"),
        ({"event_type": "not a name", "payload": "{}"}, "event"),
    ],
)
async def test_a_message_that_is_refused_is_shown_again_with_the_reason(
    operator: Operator, shop: Shop, fields: dict[str, str], text: str
) -> None:
    answer = await operator.post(f"/app/{shop.application}/msg-new", fields)
    assert answer.status_code == 422
    assert text in read(answer)
    assert fields["payload"] in read(answer)


async def test_the_live_page_has_first_what_ended_last(operator: Operator, shop: Shop) -> None:
    message = await shop.message()
    slow = await shop.attempt(message, age=40)
    quick = await shop.attempt(message, age=39)
    pool = shop.database.pool
    await pool.execute("UPDATE attempts SET created_at = created_at + interval '30 seconds' WHERE id = $1", slow)
    page = (await operator.get(f"/app/{shop.application}/live")).text
    assert page.index(slow) < page.index(quick)


async def test_what_is_live_is_sent_again_only_when_it_has_changed(operator: Operator, shop: Shop) -> None:
    message = await shop.message(age=5)
    await shop.attempt(message, age=4, code=500)
    path = f"/app/{shop.application}/live"
    page = await operator.get(path)
    assert "invoice.paid" in read(page)
    seen = page.text.partition('name="seen" value="')[2].partition('"')[0]
    assert (await operator.get(f"{path}/now?seen={seen}")).status_code == 204
    await shop.attempt(await shop.message(age=3, event_type="order.made"), age=2)
    changed = await operator.get(f"{path}/now?seen={seen}")
    assert changed.status_code == 200
    assert "order.made" in read(changed)
    failed = await operator.page(f"{path}/now?status=fail&event_types=order.made")
    assert "Nothing was tried" in failed


async def test_nothing_of_another_organization_is_shown(
    stranger: httpx.AsyncClient, operator: Operator, database: Database
) -> None:
    application = str((await factories.create_application(stranger))["id"])
    message = await factories.record_message(database.pool, application)
    for path in ("msg", f"msg/{message}", f"msg/{message}/payload", "live", "live/now", "msg?text=abc"):
        assert (await operator.get(f"/app/{application}/{path}")).status_code == 404, path


async def test_a_message_that_arrived_at_a_source_is_shown_with_its_headers(
    client: httpx.AsyncClient, operator: Operator
) -> None:
    inlet = await open_inlet(client, "generic-webhook", config={"idPath": "id", "eventPath": "type"})
    assert (await inlet.post(b'{"id":"one","type":"order.sent"}', [("X-Own", HOSTILE)])).is_success
    application = inlet.source["applicationId"]
    message = (await client.get(f"/app/{application}/msg")).json()["data"][0]["id"]
    answer = await operator.get(f"/app/{application}/msg/{message}")
    assert f"x-own {HOSTILE}" in read(answer)
    assert HOSTILE not in answer.text
