"""`postrider trigger`: a sample arrives, at a source or wherever it is told to, signed as by its provider."""

import asyncio
import json
import shlex

import httpx
import pytest
import stripe
from typer.testing import CliRunner, Result

from app import tokens
from app.cli.main import command
from app.receiving.registry import all_providers
from app.receiving.samples import names_of
from app.settings import Settings
from tests import factories
from tests.api.api_server import ApiServer
from tests.receiver import Answer, receiving
from tests.receiving.signers import private_pem

SECRET = "whsec_5d41402abc4b2a76b9719d911017c592"


async def trigger(*options: str, **settings: str) -> Result:
    """In a thread, because the command brings its own event loop."""
    named = {f"POSTRIDER_{name}": value for name, value in settings.items()}
    return await asyncio.to_thread(lambda: CliRunner().invoke(command, ["trigger", *options], env=named))


async def test_it_arrives_at_the_only_source_of_its_provider(
    remote_client: httpx.AsyncClient, here: dict[str, str]
) -> None:
    source = await factories.create_source(remote_client)
    await factories.create_source(remote_client, "shopify")
    ran = await trigger("stripe", "invoice.paid", **here)
    assert ran.exit_code == 0, ran.output
    messages = (await remote_client.get(f"/app/{source['applicationId']}/msg")).json()["data"]
    assert ran.stdout == f"stripe.invoice.paid arrived: {messages[0]['id']} ({messages[0]['eventId']})\n"
    ran = await trigger("stripe", "--json", "--source", source["id"], **here)
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["messageId"] != messages[0]["id"]


async def test_what_is_refused_is_a_1_with_the_reason(remote_client: httpx.AsyncClient, here: dict[str, str]) -> None:
    await factories.create_source(remote_client, methods=["PUT"])
    ran = await trigger("stripe", **here)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "refused with 405: This URL does not take this method." in ran.stderr


async def test_a_source_must_be_named_if_there_are_several_and_says_which(
    remote_client: httpx.AsyncClient, here: dict[str, str]
) -> None:
    none = await trigger("stripe", **here)
    assert (none.exit_code, "no source is of type stripe" in none.stderr, "POST /ingest" in none.stderr) == (
        2,
        True,
        True,
    )
    uids = [factories.unique("source") for _ in range(2)]
    for uid in uids:
        await factories.create_source(remote_client, uid=uid)
    several = await trigger("stripe", **here)
    assert several.exit_code == 2
    assert all(uid in several.stderr for uid in uids)
    assert (await trigger("stripe", "--source", uids[1], **here)).exit_code == 0
    other = await trigger("github", "--source", uids[0], **here)
    assert (other.exit_code, "is of type stripe" in other.stderr) == (2, True)
    missing = await trigger("stripe", "--source", "nobody", **here)
    assert (missing.exit_code, "there is no source 'nobody'" in missing.stderr) == (2, True)


async def test_with_an_address_it_is_signed_and_posted_here() -> None:
    async with receiving() as receiver:
        ran = await trigger("stripe", "invoice.paid", "--to", f"{receiver.url}/hook?a=b", "--secret", SECRET)
        assert ran.exit_code == 0, ran.output
        (arrival,) = await receiver.wait_for(1)
        assert ran.stdout.startswith(f"{receiver.url}/hook?a=b answered with 204 in ")
        assert arrival.path == "/hook?a=b"
        event = stripe.Webhook.construct_event(arrival.body, arrival.headers["stripe-signature"], SECRET)
        assert event["type"] == "invoice.paid"
        assert arrival.headers["content-type"] == "application/json; charset=utf-8"
        receiver.answer = lambda _arrival: Answer(302, {"location": "/elsewhere"})
        ran = await trigger("stripe", "--to", receiver.url, "--secret", SECRET, "--json")
        assert (ran.exit_code, json.loads(ran.stdout)["status"], len(receiver.arrivals)) == (1, 302, 2)


async def test_printed_as_curl_it_is_the_same_request_and_nothing_is_sent() -> None:
    async with receiving() as receiver:
        ran = await trigger("twilio", "message.delivered", "--to", receiver.url, "--secret", SECRET, "--print")
        assert (ran.exit_code, receiver.arrivals) == (0, [])
        words = shlex.split(ran.stdout)
        assert words[:5] == ["curl", "-sS", "-X", "POST", receiver.url]
        headers = dict(word.split(": ", 1) for word in words if ": " in word)
        assert {"x-twilio-signature", "content-type"} <= headers.keys()
        body = words[words.index("--data-raw") + 1]
        sent = await trigger("slack", "--to", receiver.url, "--secret", SECRET, "--option", "privateKey=not needed")
        assert (sent.exit_code, "MessageStatus=delivered" in body) == (0, True)


async def test_who_signs_with_a_private_key_is_given_one() -> None:
    async with receiving() as receiver:
        key = private_pem("trigger")
        lacking = await trigger("plaid", "--to", receiver.url)
        assert (lacking.exit_code, "private key" in lacking.stderr, ".." in lacking.stderr) == (2, True, False)
        ran = await trigger("aws-sns", "--to", receiver.url, "--option", f"privateKey={key}")
        assert ran.exit_code == 0, ran.output
        (arrival,) = await receiver.wait_for(1)
        assert json.loads(arrival.body)["Signature"]


async def test_the_samples_are_listed() -> None:
    ran = await trigger("--list")
    assert ran.exit_code == 0
    lines = [line.split() for line in ran.stdout.splitlines() if line.startswith("stripe ")]
    assert lines == [["stripe", name, f"stripe.{name}"] for name in names_of("stripe")]
    assert ["shopify", "orders.create", "shopify.orders_create"] in [line.split() for line in ran.stdout.splitlines()]
    listed = json.loads((await trigger("--list", "--json")).stdout)
    assert listed["aws-sns"] == {"Notification": "aws-sns.Notification", "SubscriptionConfirmation": None}
    assert {name: tuple(events) for name, events in listed.items()} == {
        name: names_of(name) for name in all_providers() if names_of(name)
    }
    assert (await trigger("brex", "--list")).stdout == "brex  (no samples)\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say whose event"),
        (("strip",), "is stripe meant?"),
        (("cron",), "nothing is posted to such a source"),
        (("stripe", "--secret", "a"), "go with --to"),
        (("stripe", "--print"), "go with --to"),
        (("stripe", "--to", "localhost:3000"), "is no address"),
        (("stripe", "--to", "http://[::1"), "is no address"),
        (("stripe", "--to", "http://127.0.0.1:1", "--source", "a"), "exclude each other"),
        (("stripe", "--to", "http://127.0.0.1:1"), "there is no secret"),
        (("stripe", "no.such", "--to", "http://127.0.0.1:1"), "name one of"),
        (("brex", "--to", "http://127.0.0.1:1"), "there are no samples of brex"),
        (("stripe", "--to", "http://127.0.0.1:1", "--option", "colour=red"), "NAME is one of privateKey"),
        (("svix", "--to", "http://127.0.0.1:1", "--secret", "plain text"), "secret: the secret is whsec_"),
        (("stripe", "--server", "http://127.0.0.1:1"), "set POSTRIDER_TOKEN"),
        (("stripe", "--server", "nowhere", "--token", "a"), "is no address"),
    ],
)
async def test_what_cannot_be_meant_is_a_2(options: tuple[str, ...], words: str) -> None:
    ran = await trigger(*options)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert words in ran.stderr


async def test_whoever_does_not_answer_is_worth_another_try(closed_port: int) -> None:
    nobody = f"http://127.0.0.1:{closed_port}"
    for options in (("--to", nobody, "--secret", SECRET), ("--server", nobody, "--token", "a")):
        ran = await trigger("stripe", *options)
        assert ran.exit_code == 75, ran.output
        assert closed_port in [
            int(word) for word in ran.stderr.replace("/", " ").replace(":", " ").split() if word.isdigit()
        ]


async def test_a_token_of_another_server_is_a_1(here: dict[str, str]) -> None:
    ran = await trigger("stripe", SERVER_URL=here["SERVER_URL"], TOKEN="sk_of_elsewhere")
    assert (ran.exit_code, "does not take this token" in ran.stderr) == (1, True)


async def test_the_postrider_of_this_machine_is_found_without_a_word(api_server: ApiServer, settings: Settings) -> None:
    assert settings.jwt_secret is not None
    secret, uid = settings.jwt_secret.get_secret_value(), factories.unique("source")
    async with api_server.client(tokens.issue(secret, settings.jwt_algorithm)) as client:
        await factories.create_source(client, uid=uid)
    ran = await trigger("stripe", "--source", uid, JWT_SECRET=secret, LISTEN_ADDRESS=f"0.0.0.0:{api_server.port}")
    assert ran.exit_code == 0, ran.output
    nowhere = await trigger("stripe", DATA_DIR="/nonexistent")
    assert (nowhere.exit_code, "POSTRIDER_SERVER_URL" in nowhere.stderr) == (78, True)
