"""What a provider would send, made here: signed, complete, and another event each time."""

import re
from dataclasses import replace

import pytest

from app.receiving.contract import CannotSign, Config, Event, Moment, Provider, Rejection, Request
from app.receiving.registry import all_providers, judge
from app.receiving.samples import Sample, names_of, sample
from app.receiving.trigger import fresh, signed, signed_anew
from tests.receiving.mutations import NOW, SAMPLES, URL

CONFIG = Config(("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",))
JSON = "application/json"


def ids_of(provider: str, body: bytes, *, keeps_body: bool = False) -> list[str | None]:
    """The delivery ids of three triggers, of which each must be the provider's."""
    found = []
    for _ in range(3):
        rule = all_providers()[provider]
        request = signed_anew(rule, Sample("push", body, JSON), CONFIG, NOW, URL, keeps_body=keeps_body)
        verdict = judge(rule, request, CONFIG, Moment(NOW))
        assert isinstance(verdict, Event), verdict
        found.append(verdict.delivery_id)
    return found


def test_each_trigger_is_another_event_wherever_its_id_stands() -> None:
    in_body = ids_of("stripe", b'{"id":"evt_1","type":"a"}')
    in_unsigned_header = ids_of("github", b'{"action":"a"}')
    of_body = ids_of("svix", b'{"type":"a","data":{"id":12}}')
    for found in (in_body, in_unsigned_header, of_body):
        assert None not in found
    assert len(set(in_unsigned_header)) == 3
    assert len({*ids_of("svix", b'{"type":"a","data":{"id":"in_4711a0c3"}}')}) == 3


def test_a_body_of_ones_own_is_not_touched_and_an_unsigned_header_is() -> None:
    assert set(ids_of("stripe", b'{"id":"evt_1","type":"a"}', keeps_body=True)) == {"evt_1"}
    assert len(set(ids_of("github", b'{"id":"evt_1"}', keeps_body=True))) == 3


def test_all_places_of_an_id_are_made_new_together_and_nothing_else() -> None:
    body = b'{"id":"evt_1NG8Du2eZvKYlo2C","type":"a","n":1.0,"link":"https://x.example/evt_1NG8Du2eZvKYlo2C?at=2026-01-31"}'
    changed = signed_anew(all_providers()["stripe"], Sample("a", body, JSON), CONFIG, NOW, URL).body
    other = Request("POST", URL, (), changed).text("id")
    assert other is not None
    assert other != "evt_1NG8Du2eZvKYlo2C"
    assert changed.replace(other.encode(), b"evt_1NG8Du2eZvKYlo2C") == body


@pytest.mark.parametrize(
    ("known", "form"),
    [
        ("evt_1NG8Du2e", r"evt_[1-9][A-Z]{2}\d[A-Z][a-z]\d[a-z]"),
        ("3d6a9f1c-0b2e-4c5d-8e7f-a1b2c3d4e5f6", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("8843270911", r"[1-9]\d{9}"),
    ],
)
def test_a_new_id_looks_like_the_old_one(known: str, form: str) -> None:
    made = fresh(known)
    assert re.fullmatch(form, made), made
    assert made != known


def test_what_lacks_a_secret_or_has_another_body_cannot_be_signed() -> None:
    stripe = all_providers()["stripe"]
    with pytest.raises(CannotSign, match="there is no secret"):
        signed(stripe, sample("stripe", "invoice.paid"), Config(), NOW, URL)
    with pytest.raises(CannotSign, match="form of its samples"):
        signed(_who_signs(stripe, TypeError()), sample("stripe", "invoice.paid"), CONFIG, NOW, URL)
    with pytest.raises(CannotSign, match="no username"):
        signed(_who_signs(stripe, Rejection("The source has no username")), Sample("a", b"", JSON), CONFIG, NOW, URL)


def _who_signs(provider: Provider, error: Exception) -> Provider:
    def sign(_event: str, _body: bytes, _config: Config, _now: float, _url: str) -> Request:
        raise error

    return replace(provider, sign=sign)


def test_samples_say_what_they_are() -> None:
    assert names_of("nobody") == ()
    assert "invoice.paid" in names_of("stripe")
    assert sample("twilio", "message.delivered").content_type == "application/x-www-form-urlencoded"
    known = all_providers()
    files = {path.name.partition(".")[0] for path in SAMPLES.iterdir() if path.suffix in {".json", ".form", ".xml"}}
    assert files <= known.keys()
    assert {name for name in known if names_of(name)} >= {"stripe", "github", "slack", "twilio"}
    with pytest.raises(KeyError):
        sample("stripe", "no.such")
