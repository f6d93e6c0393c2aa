"""Docusign, Acrobat Sign, PandaDoc and Dropbox: who sends documents' events, and what they are answered."""

import base64
from typing import Final
from urllib.parse import quote

import orjson
import pytest

from app.receiving.contract import Answer, Config, Event, Rejected, Request
from app.receiving.naming import event_type_of
from app.receiving.schemes import sample_id
from tests.receiving.mutations import NOW, URL, Trial, gaps, sample, table, tampered, try_out

_NO_TIMES: Final = dict.fromkeys(
    ("tampered timestamp", "too old", "too far in the future"), "nothing that is signed is a time of sending"
)
CLIENT: Final = Config((), {"clientId": "CBJCHBCAABAAtoXn3qkWm1dZ"})


def _without_signature(request: Request) -> Request:
    return Request(request.method, URL, request.headers, request.body)


def _signed_twice(request: Request) -> Request:
    return Request(request.method, f"{request.url}&{request.url.partition('?')[2]}", request.headers, request.body)


def _in_base64(request: Request) -> Request:
    signature = bytes.fromhex(request.query("signature") or "")
    url = f"{URL}?signature={quote(base64.b64encode(signature))}"
    return Request(request.method, url, request.headers, request.body)


TRIALS: Final = (
    Trial(
        "docusign",
        "envelope-completed",
        Config(("DfV+OtRSnsuy+8A8mDyMKRbD3LYuQTBk2XcTUoGXyHI=",)),
        Config(("c29tZWJvZHkgZWxzZSBzaWducyB3aXRoIHRoaXMgb25l",)),
        headers=("x-docusign-signature-1",),
        exempt=_NO_TIMES,
    ),
    Trial(
        "dropbox",
        "list_folder",
        Config(("s7k2m9q4w1x8z3v",)),
        Config(("v3z8x1w4q9m2k7s",)),
        headers=("x-dropbox-signature",),
        exempt=_NO_TIMES,
    ),
    Trial(
        "panda-doc",
        "document_state_changed",
        Config(("Bm4zpFcGtWfRqWvTeXyZkL",)),
        Config(("LkZyXeTvWqRfWtGcFpz4mB",)),
        headers=(),
        own={
            "missing header": _without_signature,
            "duplicated header": _signed_twice,
            "wrong encoding": _in_base64,
        },
        exempt=_NO_TIMES,
    ),
    Trial(
        "adobe-sign",
        "AGREEMENT_WORKFLOW_COMPLETED",
        CLIENT,
        Config((), {"clientId": "CBJCHBCAABAAsomebodyelse"}),
        headers=("x-adobesign-clientid",),
        exempt=_NO_TIMES
        | {
            "tampered body": "Acrobat Sign does not sign the body",
            "old secret while rotating": "an application has one client id, for as long as it lives",
        },
    ),
)
BY_NAME: Final = {trial.provider: trial for trial in TRIALS}


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_provider_sent_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_no_mutation_is_left_out_without_a_reason() -> None:
    assert gaps(TRIALS) == []


@pytest.mark.parametrize(
    ("provider", "event", "event_type", "delivery_id"),
    [
        ("docusign", "envelope-completed", "docusign.envelope-completed", None),
        ("docusign", "recipient-declined", "docusign.recipient-declined", None),
        ("dropbox", "list_folder", "dropbox.list_folder", None),
        *(
            ("panda-doc", event, f"panda-doc.{event}", sample_id(event, sample("panda-doc", event)))
            for event in ("document_state_changed", "recipient_completed")
        ),
        *(
            (
                "adobe-sign",
                event,
                f"adobe-sign.{event}",
                orjson.loads(sample("adobe-sign", event))["webhookNotificationId"],
            )
            for event in ("AGREEMENT_WORKFLOW_COMPLETED", "AGREEMENT_ACTION_COMPLETED")
        ),
    ],
)
def test_a_sample_is_known_by_its_event_and_its_id(
    provider: str, event: str, event_type: str, delivery_id: str | None
) -> None:
    trial = BY_NAME[provider]
    verdict = trial.judged(trial.rule.sign(event, sample(provider, event), trial.config, NOW, URL))
    assert isinstance(verdict, Event)
    assert event_type_of(trial.rule, verdict) == event_type
    assert verdict.delivery_id == delivery_id


# By `openssl dgst -sha256 -hmac key`: of the bodies {"a":1} and [].
_OBJECT: Final = "88a67f24bbcdaed0e6c997404bb79a743baf44c6bab2f4c27328e3009d22e342"
_ARRAY: Final = "8cf3d584bac42070e44f249a550910bd0077d18a9cc62a54c59c6758458bf01a"


@pytest.mark.parametrize(
    ("provider", "body", "url", "headers"),
    [
        ("docusign", b'{"a":1}', URL, (("x-docusign-signature-1", base64.b64encode(bytes.fromhex(_OBJECT)).decode()),)),
        ("dropbox", b'{"a":1}', URL, (("x-dropbox-signature", _OBJECT),)),
        ("panda-doc", b"[]", f"{URL}?signature={_ARRAY}", ()),
    ],
)
def test_signatures_are_those_that_openssl_computes(
    provider: str, body: bytes, url: str, headers: tuple[tuple[str, str], ...]
) -> None:
    trial, config = BY_NAME[provider], Config(("key",))
    assert trial.judged(Request("POST", url, headers, body), config) == Event()
    signed = trial.rule.sign("", body, config, NOW, URL)
    assert signed.url == url
    assert {*headers} <= {*signed.headers}


def test_docusign_signs_with_each_key_of_the_account_and_one_of_them_suffices() -> None:
    trial = BY_NAME["docusign"]
    keys = ("one", *trial.config.secrets, "three")
    signed = trial.signed(Config(keys))
    assert [name for name, _ in signed.headers if name.startswith("x-docusign")] == [
        f"x-docusign-signature-{number}" for number in (1, 2, 3)
    ]
    assert isinstance(trial.judged(signed), Event)
    second = tuple(pair for pair in signed.headers if pair[0] != "x-docusign-signature-1")
    assert isinstance(trial.judged(Request("POST", URL, second, signed.body)), Event)


def test_docusign_without_a_key_is_accepted_unverified() -> None:
    trial = BY_NAME["docusign"]
    unsigned = Request("POST", URL, (), trial.signed().body)
    assert trial.judged(unsigned, Config()) == Event("envelope-completed")
    assert isinstance(trial.judged(unsigned), Rejected)


def test_docusign_tells_the_envelope_s_status_in_xml() -> None:
    trial = BY_NAME["docusign"]
    body = b"<DocuSignEnvelopeInformation><EnvelopeStatus><EnvelopeID>1</EnvelopeID><Status>Voided</Status>"
    assert trial.judged(trial.rule.sign("", body, trial.config, NOW, URL)) == Event("envelope-voided")


def test_panda_doc_several_events_of_one_request_have_no_name_unless_it_is_the_same() -> None:
    trial = BY_NAME["panda-doc"]
    for events, name in ((("a", "a"), "a"), (("a", "b"), None)):
        body = orjson.dumps([{"event": event} for event in events])
        judged = trial.judged(trial.rule.sign("", body, trial.config, NOW, URL))
        assert isinstance(judged, Event)
        assert judged.name == name


def test_panda_doc_a_query_of_the_url_s_own_is_kept() -> None:
    trial = BY_NAME["panda-doc"]
    signed = trial.rule.sign("", b"[]", trial.config, NOW, f"{URL}?tenant=acme")
    assert signed.query("tenant") == "acme"
    assert isinstance(trial.judged(signed), Event)


def test_dropbox_gets_its_challenge_as_text_that_no_browser_runs() -> None:
    trial = BY_NAME["dropbox"]
    asked = Request("GET", f"{URL}?challenge=%3Cscript%3Ea+b", (), b"")
    verdict = trial.judged(asked)
    assert verdict == Answer(200, b"<script>a b", "text/plain", {"X-Content-Type-Options": "nosniff"})
    assert "GET" in trial.rule.methods
    for url in (URL, f"{URL}?challenge=", f"{URL}?challenge=a&challenge=b"):
        rejected = trial.judged(Request("GET", url, (), b""))
        assert isinstance(rejected, Rejected)
        assert rejected.status == 400


def test_adobe_sign_gets_its_client_id_back_at_the_registration_and_with_each_event() -> None:
    trial = BY_NAME["adobe-sign"]
    client_id = CLIENT.options["clientId"]
    registered = trial.judged(Request("GET", URL, (("x-adobesign-clientid", client_id),), b""))
    assert isinstance(registered, Answer)
    assert registered.headers == {"X-AdobeSign-ClientId": client_id}
    assert orjson.loads(registered.body) == {"xAdobeSignClientId": client_id}
    event = trial.judged(trial.signed())
    assert isinstance(event, Event)
    assert event.answer == registered
    for headers in ((("x-adobesign-clientid", "SOMEBODY"),), ()):
        assert isinstance(trial.judged(Request("GET", URL, headers, b"")), Rejected)


@pytest.mark.parametrize("text", ["two words", "line\nbreak", "ümlaut"])
def test_adobe_sign_refuses_a_client_id_that_cannot_be_a_header(text: str) -> None:
    [field] = BY_NAME["adobe-sign"].rule.fields
    assert field.check is not None
    assert field.check("UB7E5BXCXY") == "UB7E5BXCXY"
    with pytest.raises(ValueError, match="copy it"):
        field.check(text)


@pytest.mark.parametrize("provider", ["dropbox", "panda-doc"])
def test_what_is_signed_and_not_in_the_provider_s_form_is_a_400(provider: str) -> None:
    trial = BY_NAME[provider]
    for body in (b"", b"{", tampered(b"a=1")):
        verdict = trial.judged(trial.rule.sign("", body, trial.config, NOW, URL))
        assert isinstance(verdict, Rejected)
        assert verdict.status == 400
