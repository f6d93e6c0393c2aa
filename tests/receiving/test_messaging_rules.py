"""Slack, Twilio, SendGrid, … : handshakes, and what is particular to one of them."""

from dataclasses import replace

import orjson
import pytest

from app.receiving.contract import Answer, CannotSign, Config, Event, Rejected, Request
from app.receiving.registry import all_providers
from app.receiving.schemes import mac
from tests.receiving.messaging_trials import MAILGUN, OTHER, SECRET, TRIALS, trial_of, with_signature
from tests.receiving.mutations import NOW, URL, Trial, tampered


def posted(provider: str, told: object) -> tuple[Trial, Request]:
    """A trial, and a request of it with another body."""
    trial = replace(trial_of(provider), body=orjson.dumps(told))
    return trial, trial.signed()


def test_slack_is_answered_its_challenge() -> None:
    trial, request = posted("slack", {"type": "url_verification", "token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV"})
    assert trial.judged(request) == Answer(200, b"3eZbrw1aBm2rZgRNFdxV", "text/plain")
    assert isinstance(trial.judged(request, OTHER), Rejected)


def test_a_slack_interaction_is_named_by_its_payload() -> None:
    trial = replace(
        trial_of("slack"), body=b"payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%221.2%22%7D"
    )
    assert trial.judged(trial.signed()) == Event("block_actions", "1.2")


def test_zoom_is_answered_its_token_and_the_proof_that_its_secret_is_known() -> None:
    told = {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}, "event_ts": 1}
    trial, request = posted("zoom", told)
    proof = mac(SECRET.secrets[0], b"qgg8vlvZRS6UYooatFL8Aw").hex()
    body = b'{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"%s"}' % proof.encode()
    for config in (SECRET, Config(OTHER.secrets + SECRET.secrets)):
        # The secret that Zoom signed with, not the newest: Zoom may not know that one yet.
        assert trial.judged(request, config) == Answer(200, body, "application/json")
    assert isinstance(trial.judged(request, OTHER), Rejected)
    _, without = posted("zoom", {"event": "endpoint.url_validation", "payload": {}})
    assert isinstance(trial.judged(without), Rejected)


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ({"version": 1, "application_id": "1", "type": 0}, Answer(204, b"", "application/json")),
        ({"application_id": "1", "type": 1, "id": "2", "token": "x"}, Answer(200, b'{"type":1}', "application/json")),
    ],
    ids=["events", "interactions"],
)
def test_discord_is_answered_its_ping_if_it_has_signed_it(told: dict[str, object], answer: Answer) -> None:
    trial, request = posted("discord", told)
    assert trial.judged(request) == answer
    forged = Request("POST", URL, request.headers, tampered(request.body))
    assert isinstance(trial.judged(forged), Rejected)


def test_a_discord_interaction_is_an_event_with_its_own_id() -> None:
    trial, request = posted("discord", {"application_id": "1", "type": 2, "id": "846462639134605312", "data": {}})
    assert trial.judged(request) == Event("interaction", "846462639134605312")


META = Config(SECRET.secrets, {"verifyToken": "meatyhamhock"})


def test_meta_is_answered_its_challenge_if_it_knows_the_verify_token() -> None:
    trial = trial_of("meta")
    query = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    right = Request("GET", f"{URL}{query}meatyhamhock", (), b"")
    assert trial.judged(right, META) == Answer(200, b"1158201444", "text/plain")
    for url in (
        f"{URL}{query}meatyhamhoc",
        f"{URL}{query}",
        f"{URL}{query}meatyhamhock&hub.verify_token=meatyhamhock",
        f"{URL}?hub.challenge=1158201444&hub.verify_token=meatyhamhock",
        f"{URL}?hub.mode=subscribe&hub.verify_token=meatyhamhock",
    ):
        assert isinstance(trial.judged(Request("GET", url, (), b""), META), Rejected), url
    assert isinstance(trial.judged(right), Rejected)


def test_meta_events_of_several_kinds_or_messages_are_not_taken_for_one() -> None:
    def changes(*names: str) -> list[object]:
        return [{"field": name, "value": {"messages": [{"id": f"wamid.{name}"}]}} for name in names]

    trial, request = posted("meta", {"object": "page", "entry": [{"id": "1", "changes": changes("feed", "messages")}]})
    assert trial.judged(request) == Event("page", None)
    _, request = posted(
        "meta", {"object": "page", "entry": [{"changes": changes("feed")}, {"changes": changes("feed")}]}
    )
    assert trial.judged(request) == Event("page.feed", None)
    _, request = posted("meta", {"object": "instagram", "entry": "none"})
    assert trial.judged(request) == Event("instagram", None)


def test_x_is_answered_its_crc_token() -> None:
    trial = trial_of("twitter")
    request = Request("GET", f"{URL}?crc_token=9b4507b3-9040-4669-9ca3-6b94edb50553&nonce=1", (), b"")
    config = Config(("z3ZX4v7mAAUGykl3EcmkqbartmuW8VFOOzCloLx9Q45P0hLrFu",))
    answer = trial.judged(request, config)
    # printf %s <token> | openssl dgst -sha256 -hmac <secret> -binary | base64
    assert answer == Answer(
        200, b'{"response_token":"sha256=Cytd4Sq+NvEcV3MMrXxWJGJx5A+y/lXzzU2Maartkx8="}', "application/json"
    )


@pytest.mark.parametrize("token", ["%7B%22tweet_create_events%22%3A[]%7D", "{}", "", "a" * 513])
def test_the_answer_to_a_crc_token_is_good_for_no_event(token: str) -> None:
    assert isinstance(trial_of("twitter").judged(Request("GET", f"{URL}?crc_token={token}", (), b"")), Rejected)


@pytest.mark.parametrize("body", [b"9b4507b3-9040", b"[]", b'"a"', b"1"])
def test_x_tells_of_events_in_objects_only(body: bytes) -> None:
    trial = replace(trial_of("twitter"), body=body)
    assert isinstance(trial.judged(trial.signed()), Rejected)


def test_line_may_ask_without_an_event() -> None:
    trial, request = posted("line", {"destination": "Uc0ffee", "events": []})
    assert trial.judged(request) == Answer(200)
    assert isinstance(trial.judged(request, OTHER), Rejected)


@pytest.mark.parametrize("provider", ["discord", "sendgrid"])
def test_who_has_no_private_key_is_told_what_is_needed(provider: str) -> None:
    trial = trial_of(provider)
    public = Config((), {"publicKey": trial.config.options["publicKey"]})
    with pytest.raises(CannotSign, match="privateKey"):
        trial.signed(public)


def test_another_event_under_a_mailgun_signature_is_the_one_that_came_before() -> None:
    request = MAILGUN.signed()
    body = orjson.loads(request.body)
    forged = Request("POST", URL, request.headers, orjson.dumps({**body, "event-data": {"event": "failed", "id": "x"}}))
    first, second = MAILGUN.judged(request), MAILGUN.judged(forged)
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert first.delivery_id == second.delivery_id


def test_the_main_account_of_a_mailgun_subaccount_may_have_signed() -> None:
    request = with_signature(
        lambda told: told.update({"parent-signature": told["signature"], "signature": "0" * 64}), MAILGUN.signed()
    )
    assert isinstance(MAILGUN.judged(request), Event)
    assert isinstance(MAILGUN.judged(request, OTHER), Rejected)


def test_a_batch_is_known_by_all_of_its_events_so_that_none_is_lost_with_another() -> None:
    trial = trial_of("sendgrid")
    events = orjson.loads(trial.signed().body)
    verdicts = [trial.judged(replace(trial, body=orjson.dumps(batch)).signed()) for batch in (events, events[:1])]
    assert all(isinstance(verdict, Event) for verdict in verdicts)
    assert len({verdict.delivery_id for verdict in verdicts if isinstance(verdict, Event)}) == 2
    mixed = trial.judged(replace(trial, body=orjson.dumps([events[0], {**events[1], "event": "open"}])).signed())
    assert isinstance(mixed, Event)
    assert mixed.name is None


def test_a_twilio_body_that_bodysha256_does_not_tell_of_is_not_signed() -> None:
    trial = next(trial for trial in TRIALS if trial.event.startswith("com.twilio"))
    request = trial.signed()
    for body in (tampered(request.body), b"", b"MessageStatus=delivered"):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            headers = (("content-type", kind), ("x-twilio-signature", request.header("x-twilio-signature")))
            verdict = trial.judged(Request("POST", request.url, headers, body))
            assert isinstance(verdict, Rejected), f"{kind} {body!r}"


def test_twilio_is_answered_that_there_is_nothing_to_say() -> None:
    accepted = trial_of("twilio").rule.accepted
    assert accepted.content_type == "text/xml"
    # An empty document: a call ends with an error if it gets no TwiML.
    assert accepted.body.endswith(b"<Response></Response>")


def test_hubspot_without_a_secret_is_accepted_unverified() -> None:
    trial = trial_of("hubspot")
    bare = Request("POST", URL, (), trial.signed().body)
    assert isinstance(trial.judged(bare, Config()), Event)
    assert isinstance(trial.judged(bare), Rejected)
    with pytest.raises(CannotSign, match="client secret"):
        trial.signed(Config())


def test_hubspot_signs_the_url_with_some_of_its_characters_decoded() -> None:
    trial = trial_of("hubspot")
    body = trial.signed().body
    encoded, decoded = f"{URL}?a=%2Fb%3a%41", f"{URL}?a=/b:%41"
    signed = trial.rule.sign("", body, SECRET, NOW, decoded)
    assert isinstance(trial.judged(Request("POST", encoded, signed.headers, body)), Event)
    assert isinstance(trial.judged(Request("POST", f"{URL}?a=/b:A", signed.headers, body)), Rejected)


@pytest.mark.parametrize("header", ["x-openclaw-token", "authorization"])
def test_openclaw_takes_its_token_in_two_headers_and_not_in_the_query(header: str) -> None:
    trial = trial_of("openclaw")
    [token] = SECRET.secrets
    value = token if header.startswith("x-") else f"bearer {token}"
    assert isinstance(trial.judged(Request("POST", URL, ((header, value),), b"{}")), Event)
    refused = trial.judged(Request("POST", f"{URL}?token={token}", ((header, value),), b"{}"))
    assert isinstance(refused, Rejected)
    assert token not in refused.reason


def test_vapi_may_send_the_secret_itself() -> None:
    trial = trial_of("vapi")
    [secret] = SECRET.secrets
    assert isinstance(trial.judged(Request("POST", URL, (("x-vapi-secret", secret),), b"{}")), Event)
    assert isinstance(trial.judged(Request("POST", URL, (("x-vapi-secret", secret[:-1]),), b"{}")), Rejected)
    # Who has captured the secret's header does not get in with a signature that is wrong.
    both = (("x-vapi-secret", secret), ("x-vapi-signature", "00" * 32))
    assert isinstance(trial.judged(Request("POST", URL, both, b"{}")), Rejected)


@pytest.mark.parametrize("bad", ["with blanks in it", "", "ä" * 8, "a" * 257])
def test_a_telegram_secret_that_can_never_be_is_refused(bad: str) -> None:
    [field] = all_providers()["telegram"].fields
    assert field.check is not None
    assert field.check("Right_one-1") == "Right_one-1"
    with pytest.raises(ValueError, match="letters, digits"):
        field.check(bad)
