"""Senders without a module of their own: nothing, a password, a key, an HMAC, as the source's owner says."""

import base64
import time
from typing import Final
from urllib.parse import quote

import httpx
import pytest
import standardwebhooks

from app.receiving.contract import Config, Event, Moment, Rejected, Request
from app.receiving.naming import event_type_of
from app.receiving.record import query_without_credentials
from app.receiving.registry import all_providers, judge
from tests.receiving.mutations import NOW, UNTIMED, URL, Trial, changed, gaps, sample, table, try_out

SECRET: Final = "t2vK9xQ4mZ7wLb1NcR8yHs5dGf3jTa6e"
OTHER: Final = "e6aT3jfG5dsH8yRcN1bLw7Zm4Qx9Kv2t"
NAMED: Final = {"eventPath": "type", "idPath": "data.id"}
BODY: Final = sample("hmac", "order.created")
USER: Final = {"username": "acme", **NAMED}
UNCOVERED: Final = UNTIMED | {"tampered body": "what is sent does not cover the body"}
STAMPED: Final = {"timestampHeader": "x-timestamp", **NAMED}


def _in_query(request: Request, *keys: str) -> Request:
    query = "&".join(f"key={quote(key, safe='')}" for key in keys)
    return Request(request.method, f"{URL}?{query}" if query else URL, request.headers, request.body)


def _other_basic(request: Request) -> Request:
    return changed(request, "authorization", lambda value: f"Basic {base64.b64decode(value[6:]).hex()}")


TRIALS: Final = (
    Trial(
        "generic-webhook",
        "order.created",
        Config((), NAMED),
        Config(),
        headers=(),
        exempt=dict.fromkeys(
            (
                *("old secret while rotating", "wrong secret", "tampered body", "tampered timestamp", "too old"),
                *("too far in the future", "missing header", "duplicated header", "wrong encoding"),
            ),
            "nothing is verified",
        ),
    ),
    Trial(
        "basic",
        "order.created",
        Config((SECRET,), USER),
        Config((OTHER,), USER),
        headers=("authorization",),
        own={"wrong encoding": _other_basic},
        exempt=UNCOVERED,
    ),
    Trial(
        "api-key",
        "order.created",
        Config((SECRET,), NAMED),
        Config((OTHER,), NAMED),
        headers=("x-api-key",),
        exempt=UNCOVERED,
        label="header",
    ),
    Trial(
        "api-key",
        "order.created",
        Config((SECRET,), NAMED | {"query": "key"}),
        Config((OTHER,), NAMED | {"query": "key"}),
        headers=(),
        own={
            "missing header": _in_query,
            "duplicated header": lambda request: _in_query(request, SECRET, SECRET),
            "wrong encoding": lambda request: _in_query(request, SECRET.encode().hex()),
        },
        exempt=UNCOVERED,
        label="query",
    ),
    *(
        Trial(
            "hmac",
            "order.created",
            Config((secret,), options),
            Config((other,), options),
            headers=(options.get("header", "x-signature"), "x-timestamp"),
            stamp="x-timestamp",
            tolerance=float(options.get("tolerance", "300")),
            label=label,
        )
        for label, secret, other, options in (
            ("as it is", SECRET, OTHER, STAMPED),
            ("base64", SECRET, OTHER, STAMPED | {"encoding": "base64", "digest": "sha1", "tolerance": "60"}),
            ("base64url", SECRET, OTHER, STAMPED | {"encoding": "base64url", "digest": "sha512", "header": "x-mac"}),
            ("key in hex", "0a" * 32, "0b" * 32, STAMPED | {"secretEncoding": "hex", "prefix": "v1="}),
            ("content", SECRET, OTHER, STAMPED | {"content": "{method}\n{url}\n{timestamp}\n{body}"}),
        )
    ),
)


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_sender_proved_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_the_table_leaves_nothing_out() -> None:
    assert gaps(TRIALS) == []


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial.provider}-{trial.label}")
def test_a_sample_is_named_as_the_source_says(trial: Trial) -> None:
    verdict = trial.judged(trial.signed())
    assert verdict == Event("order.created", "ord_8Qm2xK9vTz4Lb")
    assert event_type_of(trial.rule, verdict) == "webhook.order.created"


def test_names_and_ids_may_stand_in_headers() -> None:
    rule, config = all_providers()["generic-webhook"], Config((), {"eventHeader": "x-event", "idHeader": "x-id"})
    request = rule.sign("order.paid", b"\x00", config, NOW, URL)
    assert judge(rule, request, config, Moment(NOW)) == Event("order.paid", request.header("x-id"))
    # All events with an empty id would be one.
    empty = changed(request, "x-id", lambda _: "")
    assert judge(rule, empty, config, Moment(NOW)) == Event("order.paid", None)
    assert judge(rule, Request("POST", URL, (), b""), config, Moment(NOW)) == Event()


def test_paths_lead_into_lists() -> None:
    config = Config((), {"eventPath": "events.0.type", "idPath": "missing"})
    request = Request("POST", URL, (), b'{"events":[{"type":"order.paid"}]}')
    assert judge(all_providers()["generic-webhook"], request, config, Moment(NOW)) == Event("order.paid", None)


def test_httpx_authenticates_as_basic_has_it() -> None:
    sent = next(httpx.BasicAuth("acme", "pass:wörd").auth_flow(httpx.Request("POST", URL)))
    request = Request("POST", URL, (("authorization", sent.headers["authorization"]),), BODY)
    rule = all_providers()["basic"]
    assert isinstance(judge(rule, request, Config(("pass:wörd",), USER), Moment(NOW)), Event)
    other = judge(rule, request, Config(("pass:wörd",), {"username": "else"}), Moment(NOW))
    assert other == Rejected(401, "The user or the password is not this source's.")


def test_a_key_in_the_query_is_not_kept() -> None:
    query = f"a=1&key={SECRET}&k%65y=%74&keys=2&b"
    assert query_without_credentials(query, {"?key", "a"}) == "a=1&key=%28not%20kept%29&k%65y=%28not%20kept%29&keys=2&b"
    assert query_without_credentials(query, {"x-api-key"}) == query
    assert query_without_credentials("", {"?key"}) == ""


def test_the_places_of_keys_are_known() -> None:
    for name, options, expected in (
        ("api-key", {}, {"x-api-key"}),
        ("api-key", {"header": "x-key"}, {"x-key"}),
        ("api-key", {"query": "key"}, {"?key"}),
        ("jwt", {"header": "x-token"}, {"x-token"}),
    ):
        places = all_providers()[name].credentials_of
        assert places is not None
        assert places(Config((SECRET,), options)) == expected


@pytest.mark.parametrize(
    ("digest", "signature"),
    [
        ("sha256", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            "sha384",
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            "sha512",
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4"
            "be9d914eeb61f1702e696c203a126854",
        ),
    ],
)
def test_the_rfcs_first_test_case_is_accepted(digest: str, signature: str) -> None:
    """RFC 4231, section 4.2."""
    config = Config(("0b" * 20,), {"digest": digest, "secretEncoding": "hex"})
    request = Request("POST", URL, (("x-signature", signature),), b"Hi There")
    assert judge(all_providers()["hmac"], request, config, Moment(NOW)) == Event()


def test_an_hmac_can_be_told_the_rule_of_standard_webhooks() -> None:
    key, rule = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", all_providers()["hmac"]
    options = {"header": "webhook-signature", "prefix": "v1,", "encoding": "base64", "secretEncoding": "base64"}
    options |= {"timestampHeader": "webhook-timestamp", "idHeader": "webhook-id", "content": "{id}.{timestamp}.{body}"}
    config, now = Config((key,), options), time.time()
    request = rule.sign("order.created", BODY, config, now, URL)
    standardwebhooks.Webhook(key).verify(request.body, dict(request.headers))
    assert judge(rule, request, config, Moment(now)) == Event(None, request.header("webhook-id"))


@pytest.mark.parametrize("stamp", ["1795000000", "1795000000.25", "1795000000000", "2026-11-18T09:06:40+00:00"])
def test_times_may_be_written_in_three_ways(stamp: str) -> None:
    rule, config = all_providers()["hmac"], Config((SECRET,), {"timestampHeader": "x-timestamp"})
    signed = rule.sign("", stamp.encode() + b"." + BODY, Config((SECRET,)), NOW, URL)
    request = Request("POST", URL, (*signed.headers, ("x-timestamp", stamp)), BODY)
    at = 1_794_992_800.0 if "T" in stamp else NOW
    assert judge(rule, request, config, Moment(at)) == Event()
    assert isinstance(judge(rule, request, config, Moment(at + 302)), Rejected)


@pytest.mark.parametrize(
    ("provider", "name", "value"),
    [
        ("hmac", "header", "X Signature"),
        ("hmac", "digest", "md5"),
        ("hmac", "encoding", "hexadecimal"),
        ("hmac", "content", "{timestamp}"),
        ("hmac", "content", "{body}.{secret}"),
        ("hmac", "tolerance", "0"),
        ("hmac", "tolerance", "1e3"),
        ("hmac", "idPath", "data..id"),
        ("hmac", "prefix", "é"),
        ("api-key", "query", "a&b"),
    ],
)
def test_what_can_never_work_is_refused_when_it_is_said(provider: str, name: str, value: str) -> None:
    [field] = [field for field in all_providers()[provider].fields if field.name == name]
    assert field.check is not None
    with pytest.raises(ValueError, match=r"give|must have|is a number|is at most|base64"):
        field.check(value)
