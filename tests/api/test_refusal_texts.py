"""The words of refusals: they say what is wrong, of what, and what to do."""

import httpx
import pytest

from tests.api.shop import Shop
from tests.factories import Json

HEADERS = {"eventType": "a", "payload": {}, "transformationsParams": {"headers": {"X-Good": "a", "X-Count": 5}}}


@pytest.mark.parametrize(
    ("path", "body", "loc", "says"),
    [
        ("msg/search", {"text": "ab"}, ["text"], "Value should have at least 3 characters, not 2"),
        ("msg", {"eventType": "a", "payload": {}, "channels": []}, ["channels"], "leave this out"),
        ("msg", HEADERS, ["transformationsParams"], "the value of the header 'X-Count' must be a text"),
    ],
)
async def test_a_body_is_refused_in_words_of_what_it_holds(
    client: httpx.AsyncClient, shop: Shop, path: str, body: Json, loc: list[str], says: str
) -> None:
    answer = await client.post(f"/app/{shop.application}/{path}", json=body)
    (failure,) = answer.json()["detail"]
    assert (answer.status_code, failure["loc"]) == (422, ["body", *loc])
    assert says in failure["msg"]
    assert "item" not in failure["msg"]


async def test_code_that_is_too_long_is_counted_in_characters(client: httpx.AsyncClient, shop: Shop) -> None:
    path = f"/app/{shop.application}/endpoint/{shop.endpoint}/transformation"
    answer = await client.patch(path, json={"code": "x" * 51_201})
    (failure,) = answer.json()["detail"]
    assert (answer.status_code, failure["loc"]) == (422, ["body", "code"])
    assert failure["msg"] == "Value should have at most 51200 characters, not 51201"


@pytest.mark.parametrize("path", ["msg", "endpoint"])
@pytest.mark.parametrize("content", [b" ", b'{"eventType": "a", ', b""])
async def test_a_body_that_is_empty_or_broken_off_is_called_so(
    client: httpx.AsyncClient, shop: Shop, path: str, content: bytes
) -> None:
    answer = await client.post(f"/app/{shop.application}/{path}", content=content)
    (failure,) = answer.json()["detail"]
    assert (answer.status_code, failure["loc"]) == (422, ["body"])
    if content or path == "msg":
        assert "it is empty, or ends before the JSON does" in failure["msg"]


@pytest.mark.parametrize(
    "time", ["2026-01-31T23:59:59+00:00", "2026-01-31T23:59:59.123+0100", "2026-01-31 23:59+02:00"]
)
async def test_a_plus_that_was_not_encoded_is_explained(client: httpx.AsyncClient, shop: Shop, time: str) -> None:
    path = f"/app/{shop.application}/msg"
    answer = await client.get(f"{path}?after={time}")
    assert (answer.status_code, answer.json()["code"]) == (400, "generic_error")
    assert "write Z, or %2B in place of +" in answer.json()["detail"]
    assert (await client.get(path, params={"after": time})).status_code == 200


async def test_a_time_with_a_space_between_its_parts_is_one(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.get(f"/app/{shop.application}/msg", params={"after": "2026-01-31 23:59"})
    assert answer.status_code == 200
