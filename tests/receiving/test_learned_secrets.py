"""Asana and Notion, who tell their secret in a first request: it is learned once, and from nobody after that."""

from typing import Final

from app.receiving.contract import Answer, Config, Event, Moment, Rejected, Request
from app.receiving.registry import all_providers, judge
from tests.receiving.mutations import NOW, URL, sample

SECRET: Final = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"
KNOWN: Final = Config((SECRET,))


def _judged(provider: str, request: Request, config: Config) -> object:
    return judge(all_providers()[provider], request, config, Moment(NOW))


def _shaken(secret: str) -> Request:
    return Request("POST", URL, (("x-hook-secret", secret),), b"{}")


def _token(token: str) -> Request:
    return Request(
        "POST", URL, (("content-type", "application/json"),), b'{"verification_token":"%b"}' % token.encode()
    )


def test_asanas_secret_is_sent_back_and_learned() -> None:
    expected = Answer(200, headers={"X-Hook-Secret": SECRET}, learned={"secret": SECRET})
    assert _judged("asana", _shaken(SECRET), Config()) == expected


def test_asanas_secret_is_learned_from_nobody_else_afterwards() -> None:
    assert isinstance(_judged("asana", _shaken("0" * 64), KNOWN), Rejected)
    again = _judged("asana", _shaken(SECRET), KNOWN)
    assert again == Answer(200, headers={"X-Hook-Secret": SECRET})
    assert isinstance(_judged("asana", _shaken(""), Config()), Rejected)


def test_asanas_events_need_the_handshake() -> None:
    signed = all_providers()["asana"].sign("task.changed", sample("asana", "task.changed"), KNOWN, NOW, URL)
    assert isinstance(_judged("asana", signed, Config()), Rejected)
    assert _judged("asana", signed, KNOWN) == Event("task.changed")


def test_asanas_sign_of_life_is_no_event() -> None:
    rule = all_providers()["asana"]
    assert _judged("asana", rule.sign("", b'{"events":[]}', KNOWN, NOW, URL), KNOWN) == Answer(200)
    unsigned = Request("POST", URL, (("x-hook-signature", "00"),), b'{"events":[]}')
    assert isinstance(_judged("asana", unsigned, KNOWN), Rejected)
    broken = _judged("asana", rule.sign("", b'{"events":1}', KNOWN, NOW, URL), KNOWN)
    assert broken == Rejected(400, "The body has no list of events.")


def test_asanas_events_of_several_kinds_have_no_name() -> None:
    body = (
        b'{"events":[{"action":"added","resource":{"resource_type":"task"}},'
        b'{"action":"added","resource":{"resource_type":"story"}}]}'
    )
    assert _judged("asana", all_providers()["asana"].sign("", body, KNOWN, NOW, URL), KNOWN) == Event()


def test_notions_token_is_learned_and_shown() -> None:
    verdict = _judged("notion", _token("secret_abc"), Config())
    assert verdict == Answer(200, learned={"secret": "secret_abc", "verificationToken": "secret_abc"})
    shown = {field.name: field.secret for field in all_providers()["notion"].fields}
    assert shown == {"secret": True, "verificationToken": False}


def test_notions_token_is_learned_from_nobody_else_afterwards() -> None:
    assert isinstance(_judged("notion", _token("secret_other"), KNOWN), Rejected)
    assert _judged("notion", _token(SECRET), KNOWN) == Answer(200)


def test_notions_events_need_the_token() -> None:
    signed = all_providers()["notion"].sign("page.created", b'{"id":"1","type":"page.created"}', KNOWN, NOW, URL)
    assert isinstance(_judged("notion", signed, Config()), Rejected)
    assert _judged("notion", signed, KNOWN) == Event("page.created", "1")
