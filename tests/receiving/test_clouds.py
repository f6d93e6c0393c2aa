"""Salesforce, Okta, Auth0, Microsoft Graph: who sends a secret of its own with each request, and signs nothing."""

import base64
from dataclasses import replace
from typing import Final

import httpx
import jwt
import orjson
import pytest

from app.receiving.contract import Answer, Config, Event, Rejected, Request, Wanted
from app.receiving.naming import event_type_of
from tests.receiving.mutations import NOW, URL, Change, Trial, gaps, sample, table, try_out
from tests.receiving.signers import key_set, private_pem, rsa_key

_EXEMPT: Final = {
    **dict.fromkeys(("tampered timestamp", "too old", "too far in the future"), "the provider sends no signed time"),
    "tampered body": "the provider does not sign the body",
}


def _with_state(state: object) -> Change:
    def change(request: Request) -> Request:
        body = orjson.loads(request.body)
        body["value"][0]["clientState"] = state
        return Request(request.method, request.url, request.headers, orjson.dumps(body))

    return change


_STATE: Final = "9a1f0c5e-graph-state"
_APP: Final = "8e460676-ae3f-4b1e-8790-ee0fb5d6148f"
_KEYS: Final = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
_GRAPH: Final = {"appId": _APP, "privateKey": private_pem("microsoft")}

TRIALS: Final = (
    Trial(
        "salesforce",
        "OrderShipped",
        Config(("tr0ub4dor-and-three",), {"username": "salesforce"}),
        Config(("horse-battery-staple",), {"username": "salesforce"}),
        headers=("authorization",),
        exempt=_EXEMPT,
    ),
    Trial(
        "okta",
        "user.lifecycle.create",
        Config(("k7Yl2v0QeP4mZs8rT1nX",)),
        Config(("Xn1Tr8sZm4PeQ0v2lY7k",)),
        headers=("authorization",),
        exempt=_EXEMPT,
    ),
    Trial(
        "auth0",
        "s",
        Config(("c3RyZWFtLXRva2VuLTk4NzY1",)),
        Config(("NTY3ODktbmVrb3QtbWFlcnRz",)),
        headers=("authorization",),
        exempt=_EXEMPT,
    ),
    Trial(
        "microsoft-graph",
        "updated",
        Config((_STATE,), _GRAPH),
        Config(("5c0f1a9e-another-state",), _GRAPH),
        headers=(),
        fetched={_KEYS: key_set("microsoft")},
        own={
            "missing header": _with_state(None),
            "wrong encoding": _with_state(base64.b64encode(_STATE.encode()).decode()),
        },
        exempt=_EXEMPT | {"duplicated header": "the secret stands in the body, in each of its notifications"},
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
        ("salesforce", "OrderShipped", "salesforce.OrderShipped", "a0F8d00000LqzXKEAZ"),
        ("salesforce", "Opportunity", "salesforce.Opportunity", "04l8d00002nrC5BAAU,04l8d00002nrC5CAAU"),
        ("okta", "user.lifecycle.create", "okta.user.lifecycle.create", "5d0e7c52-c62a-11f0-9f3c-1d98632c66b8"),
        (
            *("okta", "group.user_membership.add", "okta.group.user_membership.add"),
            "7f1b9a30-c62a-11f0-9f3c-1d98632c66b8",
        ),
        ("auth0", "s", "auth0.s", "90020261120151233104715000000000000001223372036854775807"),
        ("auth0", "user.created", "auth0.user.created", "evt_1rQ8nYv2LkD5sWb9"),
        ("microsoft-graph", "updated", "microsoft-graph.updated", None),
        ("microsoft-graph", "created", "microsoft-graph.created", "lsgTZMr9KwAAA"),
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


@pytest.mark.parametrize(("user", "password"), [("salesforce", "tr0ub4dor"), ("sf.üser", "p:ass:wörd €")])
def test_salesforce_credentials_are_those_that_an_http_client_sends(user: str, password: str) -> None:
    config = Config((password,), {"username": user})
    theirs = next(httpx.BasicAuth(user, password).auth_flow(httpx.Request("POST", URL))).headers["authorization"]
    assert BY_NAME["salesforce"].signed(config).header("authorization") == theirs
    request = Request("POST", URL, (("authorization", theirs),), b"{}")
    assert BY_NAME["salesforce"].judged(request, config) == Event()


def test_salesforce_the_right_password_of_another_user_is_rejected() -> None:
    trial = BY_NAME["salesforce"]
    other = Config(trial.config.secrets, {"username": "somebody"})
    assert isinstance(trial.judged(trial.signed(other)), Rejected)


def test_salesforce_outbound_messages_are_answered_with_an_ack_and_nothing_else_is() -> None:
    trial = BY_NAME["salesforce"]
    message = trial.rule.sign("Opportunity", sample("salesforce", "Opportunity"), trial.config, NOW, URL)
    verdict = trial.judged(message)
    assert isinstance(verdict, Event)
    assert verdict.answer is not None
    assert b"<Ack>true</Ack>" in verdict.answer.body
    assert verdict.answer.content_type == "text/xml; charset=utf-8"
    json = trial.judged(trial.signed())
    assert isinstance(json, Event)
    assert json.answer is None


def test_okta_s_challenge_comes_back_as_json_for_whoever_knows_the_secret() -> None:
    trial = BY_NAME["okta"]
    # The request of https://support.okta.com/help/s/article/Unable-to-verify-event-hook-Hook-hook-name-execution-failed
    headers = (
        ("x-okta-verification-challenge", "Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg"),
        ("authorization", "my-shared-secret"),
    )
    config = Config(("my-shared-secret",))
    verdict = trial.judged(Request("GET", URL, headers, b""), config)
    body = b'{"verification":"Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg"}'
    assert verdict == Answer(200, body, "application/json")
    assert isinstance(trial.judged(Request("GET", URL, headers, b"")), Rejected)
    assert isinstance(trial.judged(Request("GET", URL, headers[1:], b""), config), Rejected)


def test_okta_several_events_of_one_request_have_no_name_unless_it_is_the_same() -> None:
    trial = BY_NAME["okta"]
    one, two = {"eventType": "a.b", "uuid": "1"}, {"eventType": "a.c", "uuid": "2"}
    for events, event in (
        ([one, {**one, "uuid": "2"}], Event("a.b", "1,2")),
        ([one, two], Event(None, "1,2")),
        ([one, {"eventType": "a.b"}], Event("a.b", None)),
        ([], Event()),
    ):
        body = orjson.dumps({"eventId": "1", "data": {"events": events}})
        assert trial.judged(trial.rule.sign("", body, trial.config, NOW, URL)) == event


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (b'[{"log_id":"1","data":{"type":"s"}},{"log_id":"2","data":{"type":"s"}}]', Event("s", "1,2")),
        (b'{"log_id":"1","data":{"type":"s"}}\n{"log_id":"2","data":{"type":"f"}}\n', Event(None, "1,2")),
        (b'{"log_id":"1","data":{"type":"s"}}\n{"data":{"type":"s"}}', Event("s", None)),
        (b"[]", Event()),
        (b"1", Event()),
    ],
)
def test_auth0_entries_come_as_an_array_or_as_lines(body: bytes, event: Event) -> None:
    trial = BY_NAME["auth0"]
    assert trial.judged(trial.rule.sign("", body, trial.config, NOW, URL)) == event


def test_auth0_an_event_stream_s_token_comes_after_bearer() -> None:
    trial = BY_NAME["auth0"]
    token = trial.config.secrets[0]
    request = Request("POST", URL, (("authorization", f"Bearer {token}"),), b"{}")
    assert trial.judged(request) == Event()
    assert trial.judged(request, Config((f"Bearer {token}",))) == Event()
    basic = Request("POST", URL, (("authorization", f"Basic {token}"),), b"{}")
    assert isinstance(trial.judged(basic), Rejected)


def test_microsoft_graph_gets_its_validation_token_as_text_that_no_browser_runs() -> None:
    verdict = BY_NAME["microsoft-graph"].judged(Request("POST", f"{URL}?validationToken=a%3Cb%3E+c%3A1", (), b""))
    assert verdict == Answer(200, b"a<b> c:1", "text/plain; charset=utf-8", {"X-Content-Type-Options": "nosniff"})
    assert BY_NAME["microsoft-graph"].rule.accepted == Answer(202)


def test_microsoft_graph_one_notification_of_somebody_else_is_enough_to_reject_all() -> None:
    trial = BY_NAME["microsoft-graph"]
    body = orjson.loads(trial.signed().body)
    body["value"].append({**body["value"][0], "clientState": "somebody else's"})
    assert isinstance(trial.judged(Request("POST", URL, (), orjson.dumps(body))), Rejected)


def test_microsoft_graph_a_lifecycle_event_goes_by_its_own_name() -> None:
    body = orjson.dumps({"value": [{"lifecycleEvent": "missed", "clientState": _STATE, "changeType": "updated"}]})
    assert BY_NAME["microsoft-graph"].judged(Request("POST", URL, (), body)) == Event("missed")


# --- notifications with resource data, which have tokens ---

_RICH: Final = replace(BY_NAME["microsoft-graph"], event="created")

# As Microsoft's documentation shows them, versions 1 and 2.
_TENANT: Final = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
_TOKEN: Final[dict[str, object]] = {
    "aud": _APP,
    "iss": f"https://sts.windows.net/{_TENANT}/",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 3600,
    "appid": "0bf30f3b-4a52-48df-9a82-234910c4a086",
}
_SECOND: Final[dict[str, object]] = {
    "iss": f"https://login.microsoftonline.com/{_TENANT}/v2.0",
    "azp": "0bf30f3b-4a52-48df-9a82-234910c4a086",
}


def rich(*tokens: object) -> Request:
    body = orjson.loads(_RICH.signed().body)
    body["validationTokens"] = list(tokens)
    return Request("POST", URL, (), orjson.dumps(body))


def token(claims: dict[str, object], key: str = "microsoft", kid: str | None = None) -> str:
    return jwt.encode(_TOKEN | claims, rsa_key(key), "RS256", {"kid": kid or key})


def test_microsoft_graph_asks_for_microsoft_s_keys_and_accepts_what_they_signed() -> None:
    assert replace(_RICH, fetched={}).judged(rich(token({}))) == Wanted(_KEYS)
    event = Event("created", "lsgTZMr9KwAAA")
    assert _RICH.judged(rich(token({}))) == event
    assert _RICH.judged(rich(token({}), token(_SECOND))) == event
    assert replace(_RICH, fetched={_KEYS: key_set("next", "microsoft")}).judged(rich(token({}))) == event


def test_microsoft_graph_pinned_keys_spare_asking() -> None:
    pinned = Config((_STATE,), {**_GRAPH, "keys": key_set("microsoft").decode()})
    assert isinstance(replace(_RICH, fetched={}).judged(_RICH.signed(), pinned), Event)


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param([], id="none"),
        pytest.param([1], id="no text"),
        pytest.param(["e30.e30.e30"], id="garbage"),
        pytest.param([token({}, "stranger", "microsoft")], id="wrong key"),
        pytest.param([token({}, "stranger")], id="unknown key"),
        pytest.param([token({"exp": NOW - 61})], id="expired"),
        pytest.param([token({"nbf": NOW + 61})], id="not yet"),
        pytest.param([token({"aud": "00000000-0000-0000-0000-000000000000"})], id="another app"),
        pytest.param([token({"iss": "https://sts.example.com/"})], id="another issuer"),
        pytest.param([token({"iss": f"https://sts.windows.net/{_TENANT}/../x"})], id="issuer with more"),
        pytest.param([token({"appid": _APP})], id="another publisher"),
        pytest.param([token({"azp": _APP})], id="two publishers"),
        pytest.param([token({}), token({"exp": NOW - 61})], id="one of two"),
        pytest.param([jwt.encode(_TOKEN, _STATE.ljust(32, "x"), "HS256", {"kid": "microsoft"})], id="HMAC"),
    ],
)
def test_microsoft_graph_resource_data_needs_a_token_of_graph_s_own_for_the_app(tokens: list[object]) -> None:
    assert isinstance(_RICH.judged(rich(*tokens)), Rejected)


def test_microsoft_graph_resource_data_for_a_source_without_app_is_rejected_with_what_to_do() -> None:
    verdict = _RICH.judged(rich(token({})), Config((_STATE,)))
    assert isinstance(verdict, Rejected)
    assert "appId" in verdict.reason
