"""OAuth client credentials: tokens are asked for seldom, by one request for all, and failures are attempts."""

import asyncio
import base64
from urllib.parse import parse_qs

import pytest

from app.delivery import oauth
from app.delivery.client import DeliveryClient
from app.delivery.guard import NOWHERE
from app.delivery.oauth import Bearer, ClientAuthentication, token_request
from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable
from app.delivery.url import Target, parse_url
from tests.delivery.rudeserver import OK, Request, RudeServer, hang, on_each_loop, refusing_port

BODY = b'{"a":1}'


class Desk:
    """A token URL that gives a new token each time, and a receiver that takes those that it is told to take."""

    def __init__(self, rude: RudeServer, life: str = "3600") -> None:
        self.tokens = 0
        self.life = life
        self.refused: set[str] = set()
        self.now = 1000.0
        self.target = rude.does(self._receive)
        self.token_url = rude.does(self._grant)
        self.bearer = self.bearer_of(self.token_url)
        self.seen: list[str] = []

    def bearer_of(self, token_url: Target) -> Bearer:
        request = token_request(token_url, "id", "secret", method="clientSecretBasic")
        return Bearer(request, clock=lambda: self.now)

    async def post(self, client: DeliveryClient, seconds: float = 3.0) -> Outcome:
        return await self.bearer.post(client, self.target, b"x-a: 1\r\n", BODY, seconds)

    async def _grant(self, request: Request) -> None:
        self.tokens += 1
        life = f', "expires_in": {self.life}' if self.life else ""
        body = f'{{"access_token": "token-{self.tokens}", "token_type": "bearer"{life}}}'.encode()
        await asyncio.sleep(0.02)
        request.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    async def _receive(self, request: Request) -> None:
        (authorization,) = request.header("authorization")
        self.seen.append(authorization)
        refused = authorization.removeprefix("Bearer ") in self.refused
        request.writer.write(b"HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n" if refused else OK)


@on_each_loop
async def test_one_token_is_asked_for_once_and_used_until_shortly_before_it_expires(
    rude: RudeServer, client: DeliveryClient
) -> None:
    desk = Desk(rude)
    outcomes = await asyncio.gather(*(desk.post(client) for _ in range(20)))
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert all(outcome.milliseconds >= 20 for outcome in outcomes)
    desk.now += 3569
    assert isinstance(await desk.post(client), Delivered)
    assert (desk.tokens, set(desk.seen)) == (1, {"Bearer token-1"})
    desk.now += 2
    assert isinstance(await desk.post(client), Delivered)
    assert (desk.tokens, desk.seen[-1]) == (2, "Bearer token-2")


@pytest.mark.parametrize(("life", "seconds"), [("10", 8), ('"100"', 80), ("", 270), ("1e9", 86_370)])
@on_each_loop
async def test_a_tokens_life_is_what_its_server_says_within_reason(
    rude: RudeServer, client: DeliveryClient, life: str, seconds: int
) -> None:
    desk = Desk(rude, life)
    await desk.post(client)
    desk.now += seconds - 1
    await desk.post(client)
    assert desk.tokens == 1
    desk.now += 2
    await desk.post(client)
    assert desk.tokens == 2


@on_each_loop
async def test_after_a_401_the_next_attempt_asks_for_another_token_once(
    rude: RudeServer, client: DeliveryClient
) -> None:
    desk = Desk(rude)
    await desk.post(client)
    desk.refused = {"token-1"}
    refused = await asyncio.gather(*(desk.post(client) for _ in range(5)))
    assert [type(outcome) for outcome in refused] == [Refused] * 5
    assert desk.tokens == 1
    assert isinstance(await desk.post(client), Delivered)
    assert (desk.tokens, desk.seen[-1]) == (2, "Bearer token-2")


@on_each_loop
async def test_a_receiver_that_refuses_every_token_costs_one_a_minute(rude: RudeServer, client: DeliveryClient) -> None:
    desk = Desk(rude)
    desk.refused = {f"token-{number}" for number in range(100)}
    for _ in range(10):
        assert isinstance(await desk.post(client), Refused)
    assert desk.tokens == 2
    desk.now += 61
    for _ in range(10):
        await desk.post(client)
    assert desk.tokens == 3
    # A token that was taken in between makes the next refusal news again.
    desk.refused = set()
    await desk.post(client)
    desk.refused = {"token-3"}
    await desk.post(client)
    desk.refused = set()
    assert isinstance(await desk.post(client), Delivered)
    assert desk.tokens == 4


FAILURES = [
    (401, '{"error":"invalid_client"}', "answered 401 (invalid_client)"),
    (500, "{}", "answered 500. Check"),
    (400, '{"error":"\\n"}', "answered 400. Check"),
    (302, "", "answered 302"),
    (200, "ok!!", "not the JSON"),
    (200, '{"access_token": 1234}', "not the JSON"),
    (200, '{"access_token":"a","expires_in":"soon"}', "not the JSON"),
    (200, '{"access_token":"a\\r\\nx: 1"}', "not a bearer token"),
    (200, '{"access_token":"a","token_type":"mac"}', "not a bearer token"),
]


@pytest.mark.parametrize(("status", "body", "reason"), FAILURES)
@on_each_loop
async def test_a_token_url_that_gives_no_token_fails_the_attempt_and_is_asked_again(
    rude: RudeServer, client: DeliveryClient, status: int, body: str, reason: str
) -> None:
    desk = Desk(rude)
    asked = rude.says(f"HTTP/1.1 {status} x\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
    desk.bearer = desk.bearer_of(asked)
    outcomes = [await desk.post(client) for _ in range(2)]
    for outcome in outcomes:
        assert isinstance(outcome, Unreachable)
        assert (outcome.reason, reason in outcome.detail) == ("token", True), outcome.detail
    assert desk.seen == []
    assert len(rude.requests) == 2


@on_each_loop
async def test_a_token_url_that_cannot_be_reached_or_is_silent_is_the_reason(
    rude: RudeServer, client: DeliveryClient
) -> None:
    desk = Desk(rude)
    with refusing_port() as port:
        desk.bearer = desk.bearer_of(parse_url(f"http://127.0.0.1:{port}/"))
        outcome = await desk.post(client)
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, "could not be asked" in outcome.detail) == ("token", True)
    desk.bearer = desk.bearer_of(rude.does(hang))
    outcome = await desk.post(client, 0.1)
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, "in time" in outcome.detail) == ("token", True)
    assert 90 <= outcome.milliseconds < 600
    assert desk.seen == []


@on_each_loop
async def test_the_guard_refuses_a_token_url_that_leads_inside(rude: RudeServer, client: DeliveryClient) -> None:
    desk = Desk(rude)
    desk.bearer = desk.bearer_of(parse_url("http://10.0.0.1/token"))
    outcome = await desk.post(client)
    assert isinstance(outcome, Blocked)
    assert outcome.detail == f"No token, the token URL could not be asked: {NOWHERE}"
    assert rude.requests == []


@pytest.mark.parametrize("method", ["clientSecretBasic", "clientSecretPost"])
def test_a_request_proves_who_the_client_is_in_the_way_that_is_asked_for(method: ClientAuthentication) -> None:
    target = parse_url("https://login.example/token")
    request = token_request(
        target,
        "id:with colon",
        "sécret&",
        method=method,
        scopes=["a", "b:c"],
        parameters={"audience": "x y"},
        headers={"X-Tenant": "1", "Accept": "text/json"},
    )
    head = request.headers.decode().splitlines()
    form = parse_qs(request.body.decode(), strict_parsing=True)
    expected = {"grant_type": ["client_credentials"], "scope": ["a b:c"], "audience": ["x y"]}
    assert {"X-Tenant: 1", "Accept: text/json", "content-type: application/x-www-form-urlencoded"} <= set(head)
    assert "accept: application/json" not in head
    if method == "clientSecretBasic":
        pair = base64.b64encode(b"id%3Awith+colon:s%C3%A9cret%26").decode()
        assert f"authorization: Basic {pair}" in head
        assert form == expected
    else:
        assert not any(line.lower().startswith("authorization") for line in head)
        assert form == {**expected, "client_id": ["id:with colon"], "client_secret": ["sécret&"]}
    assert "secret" not in repr(request)
    assert oauth.LONGEST_FETCH >= 1
