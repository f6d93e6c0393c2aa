"""The diagnosis of a signature: every mistake is recognized as that mistake, and nothing else is called right."""

import base64
import hmac
import json
import time
from dataclasses import dataclass, replace

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.signing import SigningKey, sign
from app.receiving.contract import Config
from app.receiving.debugging.diagnosis import MOST_BODY, MOST_OF_SECRET, MOST_SECRETS, Question, diagnose
from app.receiving.debugging.findings import Code, Diagnosis
from app.receiving.debugging.headers_text import PastedHeaders
from app.receiving.debugging.key_readings import KnownSecret, Origin
from app.receiving.registry import all_providers

NOW = 1_795_000_000
ID = "msg_2abcDEF"
# With + and / in its base64, and padding.
SECRET = "whsec_" + base64.b64encode(b"\xfb\xef\xbe" * 8 + b"\xff\xee").decode()
KEY = SigningKey.parse(SECRET)
OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAIR = SigningKey("ed25519", bytes(range(32)))
BODY = '{"type": "a.b", "data": {"name": "Zoë & <co>", "url": "https://x.test/1", "price": 1.10, "n": [1, 2]}}'.encode()


@dataclass(frozen=True)
class Trial:
    """A request that a receiver has trouble with, and who asks about it."""

    body: bytes = BODY
    message_id: str | None = ID
    stamp: str | None = str(NOW)
    signature: str | None = ""
    family: str = "webhook"
    more: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, Origin], ...] = ((SECRET, "given"),)
    now: float = NOW
    now_is_given: bool = True
    line_ends_known: bool = True
    computed: str = ""

    def ask(self) -> Diagnosis:
        signature = signed(BODY) if self.signature == "" else self.signature
        parts = (("id", self.message_id), ("timestamp", self.stamp), ("signature", signature))
        own = tuple((f"{self.family}-{part}", value) for part, value in parts if value is not None)
        return diagnose(
            Question(
                PastedHeaders((*own, *self.more)),
                self.body,
                tuple(KnownSecret(text, origin) for text, origin in self.secrets),
                self.now,
                self.now_is_given,
                self.line_ends_known,
                self.computed,
            )
        )


def signed(body: bytes, key: SigningKey = KEY, message_id: str = ID, stamp: int = NOW) -> str:
    return sign(message_id, stamp, body, [key])


def made(key: bytes, content: bytes, digest: str = "sha256") -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, digest)).decode()


def given_secret(text: str) -> tuple[tuple[str, Origin], ...]:
    return ((text, "given"),)


def rewritten(**how: object) -> bytes:
    return json.dumps(json.loads(BODY), **how).encode()  # type: ignore[arg-type]


CONTENT = f"{ID}.{NOW}.".encode()
RAW_KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
HEX = hmac.digest(RAW_KEY, CONTENT + BODY, "sha256").hex()
OF_SVIX = (("svix-id", ID), ("svix-timestamp", str(NOW)), ("svix-signature", signed(BODY)))
COMPACT = json.dumps(json.loads(BODY.replace(b"1.10", b"1.5")), separators=(",", ":"), ensure_ascii=False).encode()
SORTED = {"sort_keys": True, "separators": (",", ":")}

# By name: the trial, the code of what is found, and a word of what is said.
MISTAKES: dict[str, tuple[Trial, Code, str]] = {
    "another secret": (Trial(secrets=given_secret(OTHER)), "not-found", "another endpoint's"),
    "the endpoint has another secret": (
        Trial(secrets=((OTHER, "given"), (SECRET, "endpoint"))),
        "secret",
        "not the endpoint's",
    ),
    "the secret before the rotation": (
        Trial(secrets=((OTHER, "given"), (SECRET, "former"))),
        "secret-other",
        "second secret",
    ),
    "no secret": (Trial(secrets=()), "secret", "no secret"),
    "spaces around the secret": (Trial(secrets=given_secret(f" {SECRET}\n")), "secret-form", "around the secret"),
    "quotes around the secret": (Trial(secrets=given_secret(f'"{SECRET}"')), "secret-form", "around the secret"),
    "padding lost": (Trial(secrets=given_secret(SECRET.rstrip("="))), "secret-form", "padding"),
    "secret for URLs": (
        Trial(secrets=given_secret("whsec_" + base64.urlsafe_b64encode(RAW_KEY).decode())),
        "secret-form",
        "for URLs",
    ),
    "secret from a form": (Trial(secrets=given_secret(SECRET.replace("+", " "))), "secret-form", "inside the secret"),
    "secret in base64 again": (
        Trial(secrets=given_secret(base64.b64encode(f"{SECRET}\n".encode()).decode())),
        "secret-form",
        "base64 once more",
    ),
    "secret as text": (Trial(signature=made(SECRET.encode(), CONTENT + BODY)), "secret-form", "letters as the key"),
    "secret as text without prefix": (
        Trial(signature=made(SECRET.removeprefix("whsec_").encode(), CONTENT + BODY)),
        "secret-form",
        "letters after whsec_",
    ),
    "JSON compacted": (
        Trial(
            body=rewritten(separators=(",", ":"), ensure_ascii=False), signature=signed(rewritten(ensure_ascii=False))
        ),
        "body-serialised",
        "with a space after",
    ),
    "JSON by JSON.stringify": (
        Trial(
            body=rewritten(ensure_ascii=False), signature=signed(rewritten(separators=(",", ":"), ensure_ascii=False))
        ),
        "body-serialised",
        "JSON.stringify",
    ),
    "JSON escaped": (
        Trial(body=rewritten(ensure_ascii=False), signature=signed(rewritten())),
        "body-serialised",
        "json.dumps",
    ),
    "JSON sorted": (Trial(body=BODY, signature=signed(rewritten(**SORTED))), "body-serialised", "sorted"),
    "JSON pretty, 2": (Trial(signature=signed(rewritten(indent=2))), "body-serialised", "indented by 2"),
    "JSON pretty, 4": (
        Trial(signature=signed(rewritten(indent=4, ensure_ascii=False))),
        "body-serialised",
        "indented by 4",
    ),
    "JSON pretty when it was copied": (
        Trial(body=json.dumps(json.loads(COMPACT), indent=2, ensure_ascii=False).encode(), signature=signed(COMPACT)),
        "body-serialised",
        "compact",
    ),
    "numbers keep their form": (
        Trial(signature=signed(BODY.replace(b": ", b":").replace(b", ", b","))),
        "body-serialised",
        "compact",
    ),
    "numbers of JavaScript": (
        Trial(body=b'{"a":1.0,"b":1E3,"c":-0.0}', signature=signed(b'{"a":1,"b":1000,"c":0}')),
        "body-serialised",
        "numbers as JavaScript",
    ),
    "JSON of Go, with a line end": (
        Trial(body=b'{"a":"<&>"}', signature=signed(b'{"a":"\\u003c\\u0026\\u003e"}\n')),
        "body-serialised",
        "as Go",
    ),
    "JSON of PHP": (
        Trial(body='{"a":"https://é"}'.encode(), signature=signed(b'{"a":"https:\\/\\/\\u00e9"}')),
        "body-serialised",
        "PHP",
    ),
    "JSON of .NET": (
        Trial(body='{"a":"\\"é+"}'.encode(), signature=signed(b'{"a":"\\u0022\\u00E9\\u002B"}')),
        "body-serialised",
        ".NET",
    ),
    "line end added": (Trial(body=BODY + b"\n"), "body-whitespace", "without the line end"),
    "line end lost": (Trial(signature=signed(BODY + b"\n")), "body-whitespace", "with a line end (LF)"),
    "blanks added": (Trial(body=b"  " + BODY + b" \t"), "body-whitespace", "without blanks"),
    "byte order mark added": (Trial(body=b"\xef\xbb\xbf" + BODY), "body-whitespace", "byte order mark"),
    "byte order mark lost": (Trial(signature=signed(b"\xef\xbb\xbf" + BODY)), "body-whitespace", "byte order mark"),
    "CRLF became LF": (Trial(body=b"a\nb", signature=signed(b"a\r\nb")), "body-whitespace", "CRLF"),
    "LF became CRLF": (Trial(body=b"a\r\nb", signature=signed(b"a\nb")), "body-whitespace", "LF as line end"),
    "body encoded twice": (Trial(body=json.dumps(BODY.decode()).encode()), "body-encoding", "inside the JSON text"),
    "body encoded once too little": (
        Trial(signature=signed(json.dumps(BODY.decode()).encode())),
        "body-encoding",
        "in quotes and escaped",
    ),
    "body in base64": (Trial(body=base64.b64encode(BODY)), "body-encoding", "decoded"),
    "body from a page": (
        Trial(body=BODY.replace(b"&", b"&amp;").replace(b'"', b"&quot;")),
        "body-encoding",
        "read as HTML",
    ),
    "body as Latin-1": (Trial(body=BODY.decode().encode().decode("latin-1").encode()), "body-encoding", "Latin-1"),
    "body was read before": (Trial(signature=signed(b"")), "body-encoding", "empty body"),
    "old": (Trial(now=NOW + 8_000), "clock", "2 h 13 min old"),
    "from the future": (Trial(now=NOW - 400), "clock", "6 min 40 s in the future"),
    "milliseconds": (
        Trial(stamp=f"{NOW}000", signature=made(RAW_KEY, f"{ID}.{NOW}000.".encode() + BODY)),
        "milliseconds",
        "13 digits",
    ),
    "milliseconds, signed as seconds": (Trial(stamp=f"{NOW}000"), "content", "in seconds"),
    "a date as timestamp": (
        Trial(stamp="2026-11-18", signature=made(RAW_KEY, f"{ID}.2026-11-18.".encode() + BODY)),
        "timestamp-form",
        "no number",
    ),
    "the id is missing": (Trial(message_id=None), "header-missing", "the id is missing"),
    "the timestamp is missing": (Trial(stamp=None), "header-missing", "the timestamp is missing"),
    "the signature is missing": (Trial(signature=None), "header-missing", "the signature is missing"),
    "a name is misspelled": (
        Trial(message_id=None, more=(("webhook-ids", ID),)),
        "header-missing",
        "webhook-ids looks like it",
    ),
    "no signature": (
        Trial(message_id=None, stamp=None, signature=None, more=(("host", "x"),)),
        "header-missing",
        "no signature",
    ),
    "families mixed": (
        Trial(message_id=None, more=(("svix-id", ID),)),
        "headers-mixed",
        "two families",
    ),
    "families of two requests": (
        Trial(message_id="msg_x", more=OF_SVIX),
        "headers-mixed",
        "different requests",
    ),
    "header twice": (Trial(more=(("webhook-id", "msg_y"),)), "header-twice", "2 times"),
    "the id is altered": (Trial(message_id=ID.removeprefix("msg_")), "content", "with msg_ before it"),
    "the id in quotes": (Trial(message_id=f'"{ID}"'), "content", "without what is around it"),
    "only the body": (Trial(signature=made(RAW_KEY, BODY)), "content", "body alone"),
    "timestamp and body": (Trial(signature=made(RAW_KEY, f"{NOW}.".encode() + BODY)), "content", "without the id"),
    "wrong order": (Trial(signature=made(RAW_KEY, f"{NOW}.{ID}.".encode() + BODY)), "content", "before the id"),
    "no full stops": (Trial(signature=made(RAW_KEY, f"{ID}{NOW}".encode() + BODY)), "content", "full stops"),
    "no version": (Trial(signature=signed(BODY).removeprefix("v1,")), "signature-form", "lacks its version"),
    "version with =": (Trial(signature=signed(BODY).replace("v1,", "v1=")), "signature-form", "not v1"),
    "hexadecimal": (
        Trial(signature=f"v1,{HEX}"),
        "signature-form",
        "digest(), not hexdigest()",
    ),
    "hexadecimal in base64": (
        Trial(signature="v1," + base64.b64encode(HEX.encode()).decode()),
        "signature-form",
        "inside the base64",
    ),
    "signature without padding": (Trial(signature=signed(BODY).rstrip("=")), "signature-form", "padding"),
    "signature escaped": (Trial(signature=signed(BODY).replace("=", "%3D")), "signature-form", "URL"),
    "divided by commas": (
        Trial(signature=f"{signed(BODY, SigningKey.parse(OTHER))},{signed(BODY)}"),
        "signature-form",
        "divided",
    ),
    "SHA-512": (Trial(signature=made(RAW_KEY, CONTENT + BODY, "sha512")), "signature-form", "SHA-512"),
    "signature cut off": (Trial(signature=signed(BODY)[:15]), "signature-form", "It has 9 bytes."),
    "no signature at all": (Trial(signature="v1,???"), "signature-form", "cannot be read"),
    "Ed25519, shared secret": (Trial(signature=signed(BODY, PAIR)), "key-kind", "Ed25519"),
    "shared secret, public key": (Trial(secrets=given_secret(PAIR.public_text)), "key-kind", "shared secret"),
    "another public key": (
        Trial(
            signature=signed(BODY, PAIR),
            secrets=given_secret(SigningKey("ed25519", bytes(32)).public_text),
        ),
        "not-found",
        "not this secret's",
    ),
    "another body": (Trial(body=BODY.replace(b"Zo", b"Bo")), "not-found", "compare them"),
    "two mistakes": (
        Trial(body=BODY + b"\n", secrets=given_secret(SECRET.rstrip("="))),
        "body-whitespace",
        "without the line end",
    ),
}


def said(diagnosis: Diagnosis) -> str:
    return " ".join(f"{each.title} {each.how} {each.advice}" for each in diagnosis.findings)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_and_named(name: str) -> None:
    trial, code, word = MISTAKES[name]
    diagnosis = trial.ask()
    assert not diagnosis.is_valid
    assert code in diagnosis.codes
    assert word in said(Diagnosis(tuple(each for each in diagnosis.findings if each.code == code)))
    assert all(each.advice for each in diagnosis.findings if each.level == "mistake")


def test_two_mistakes_are_both_named() -> None:
    diagnosis = MISTAKES["two mistakes"][0].ask()
    assert diagnosis.codes == {"body-whitespace", "secret-form"}
    for finding in diagnosis.findings:
        assert "the secret with = at its end" in finding.how
        assert "the body without the line end at its end" in finding.how


# Nothing of these is a mistake.
FINE: dict[str, tuple[Trial, set[Code]]] = {
    "as it is": (Trial(), {"right"}),
    "svix": (Trial(family="svix"), {"right"}),
    "both families": (
        Trial(more=OF_SVIX),
        {"right"},
    ),
    "names of one's own": (Trial(family="acme"), {"right", "headers-unknown"}),
    "without whsec_": (Trial(secrets=given_secret(SECRET.removeprefix("whsec_"))), {"right", "secret-form"}),
    "the second of two signatures": (
        Trial(signature=f"{signed(BODY, SigningKey.parse(OTHER))} {signed(BODY)}"),
        {"right", "one-of-several"},
    ),
    "public key": (Trial(signature=signed(BODY, PAIR), secrets=given_secret(PAIR.public_text)), {"right"}),
    "private key": (Trial(signature=signed(BODY, PAIR), secrets=given_secret(PAIR.text)), {"right", "key-kind"}),
    "Ed25519 beside HMAC": (
        Trial(signature=f"{signed(BODY)} {signed(BODY, PAIR)}", secrets=given_secret(PAIR.public_text)),
        {"right", "one-of-several"},
    ),
    "copied long ago": (Trial(now=NOW + 86_400 * 30, now_is_given=False), {"right", "clock"}),
    "at the edge": (Trial(now=NOW + 300), {"right"}),
    "line ends that a form has made": (
        Trial(body=b"a\nb", signature=signed(b"a\r\nb"), line_ends_known=False),
        {"right", "body-whitespace"},
    ),
    "the endpoint's secret": (Trial(secrets=((SECRET, "endpoint"),)), {"right"}),
    "no UTF-8": (Trial(body=b"\xff\xfe\0", signature=signed(b"\xff\xfe\0")), {"right"}),
}


@pytest.mark.parametrize("name", FINE)
def test_what_receivers_accept_is_valid(name: str) -> None:
    trial, codes = FINE[name]
    diagnosis = trial.ask()
    assert diagnosis.is_valid
    assert set(diagnosis.codes) == codes


COMPUTED: dict[str, tuple[str, Code, str]] = {
    "right": (signed(BODY), "computed", "computes the right signature"),
    "right, without version": (signed(BODY).removeprefix("v1,"), "computed", "computes the right signature"),
    "hexadecimal": (HEX, "signature-form", "hexdigest()"),
    "secret as text": (made(SECRET.encode(), CONTENT + BODY), "secret-form", "decoded from base64"),
    "body alone, as text, in hexadecimal": (
        hmac.digest(SECRET.encode(), BODY, "sha256").hex(),
        "content",
        "Only the body",
    ),
    "Python's bytes": (made(RAW_KEY, CONTENT + repr(BODY).encode()), "body-encoding", "b'…'"),
    "JavaScript's object": (made(RAW_KEY, CONTENT + b"[object Object]"), "body-encoding", "[object Object]"),
    "something else": ("v1," + base64.b64encode(bytes(32)).decode(), "computed", "was not found"),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_what_the_receivers_code_computed_is_explained(name: str) -> None:
    computed, code, word = COMPUTED[name]
    diagnosis = Trial(computed=computed).ask()
    assert "right" in diagnosis.codes
    assert code in diagnosis.codes
    assert word in said(diagnosis)


def of_provider(name: str, secret: str, body: bytes = b'{"type":"a.b","id":"e"}') -> tuple[PastedHeaders, bytes]:
    request = all_providers()[name].sign("a.b", body, Config((secret,)), NOW, "https://x.test/in")
    return PastedHeaders(request.headers), request.body


def test_who_sign_alike_are_all_named() -> None:
    headers, body = of_provider("meta", "a-secret-of-theirs")
    diagnosis = diagnose(Question(headers, body, (KnownSecret("a-secret-of-theirs"),), NOW))
    assert diagnosis.is_valid
    assert "GitHub or Meta" in diagnosis.findings[0].title


@pytest.mark.parametrize("name", ["stripe", "github", "slack", "shopify", "linear", "paddle", "typeform", "zoom"])
def test_headers_of_other_providers_are_recognized_and_verified_by_their_rule(name: str) -> None:
    headers, body = of_provider(name, "a-secret-of-theirs")
    title = all_providers()[name].title
    question = Question(headers, body, (KnownSecret("a-secret-of-theirs"),), NOW, now_is_given=True)
    assert diagnose(question).is_valid
    assert diagnose(question).codes == {"provider"}
    assert title in diagnose(question).findings[0].title
    changed = diagnose(replace(question, body=body + b"\n"))
    assert not changed.is_valid
    assert changed.codes == {"provider", "body-whitespace"}
    for wrong in (replace(question, secrets=(KnownSecret("another"),)), replace(question, secrets=())):
        diagnosis = diagnose(wrong)
        assert not diagnosis.is_valid
        assert title in said(diagnosis)


def test_what_stripes_own_library_signs_is_recognized() -> None:
    payload, secret = '{"id": "evt_1", "type": "invoice.paid"}', "whsec_5d41402abc4b2a76b9719d911017c592"
    value = stripe.WebhookSignature._compute_signature(f"{NOW}.{payload}", secret)
    headers = PastedHeaders((("stripe-signature", f"t={NOW},v1={value}"),))
    diagnosis = diagnose(Question(headers, payload.encode(), (KnownSecret(secret),), NOW))
    assert diagnosis.is_valid
    assert "Stripe" in diagnosis.findings[0].title


HEADERS = (
    *("webhook-id", "svix-id", "webhook-timestamp", "svix-signature", "x-signature", "signature", "stripe-signature"),
    *("x-hub-signature-256", "x-twilio-signature", "plaid-verification", "x-slack-signature", "x-hub-signature"),
)
SECRETS = st.binary(min_size=24, max_size=75)


@settings(deadline=None, max_examples=40)
@given(secret=SECRETS, body=st.binary(max_size=200) | st.text(max_size=60).map(str.encode), skew=st.integers(-300, 300))
def test_whatever_is_signed_as_the_standard_says_is_valid(secret: bytes, body: bytes, skew: int) -> None:
    key = SigningKey("hmac256", secret)
    trial = Trial(body=body, signature=signed(body, key), secrets=given_secret(key.text), now=NOW + skew)
    assert trial.ask().is_valid


@settings(deadline=None, max_examples=40)
@given(data=st.data(), body=st.binary(min_size=1, max_size=60))
def test_no_single_change_leaves_it_valid(data: st.DataObject, body: bytes) -> None:
    """Of a byte of the body, of the id, of the timestamp, of the key, or of the signature."""
    good = Trial(body=body, signature=signed(body))
    place, bit = data.draw(st.integers(0, len(body) - 1)), data.draw(st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]))
    changed = bytearray(body)
    changed[place] ^= bit
    value = bytearray(base64.b64decode(signed(body).removeprefix("v1,")))
    value[place % 32] ^= bit
    key = bytearray(RAW_KEY)
    key[place % len(key)] ^= bit
    for trial in (
        replace(good, body=bytes(changed)),
        replace(good, message_id=ID + "x"),
        replace(good, stamp=str(NOW + 1 + place)),
        replace(good, signature="v1," + base64.b64encode(value).decode()),
        replace(good, secrets=given_secret("whsec_" + base64.b64encode(key).decode())),
    ):
        diagnosis = trial.ask()
        assert not diagnosis.is_valid
        assert "right" not in diagnosis.codes


@settings(deadline=None, max_examples=40)
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(HEADERS),
            st.text(max_size=40) | st.just("v1,AAAA v1a,AAAA"),
        ),
        max_size=6,
    ),
    body=st.binary(max_size=40),
    secret=st.text(max_size=40),
    computed=st.text(max_size=20),
)
def test_nothing_that_is_pasted_breaks_it_or_is_valid(
    headers: list[tuple[str, str]], body: bytes, secret: str, computed: str
) -> None:
    question = Question(PastedHeaders(tuple(headers)), body, (KnownSecret(secret),), NOW, computed=computed)
    diagnosis = diagnose(question)
    assert diagnosis.findings
    assert not diagnosis.is_valid


def test_nothing_that_is_said_holds_a_secret_a_signature_or_the_body() -> None:
    right = signed(BODY).removeprefix("v1,")
    for trial, _, _ in MISTAKES.values():
        text = said(trial.ask()) + repr(trial.ask())
        assert right not in text
        assert "Zoë" not in text
        assert all(secret not in text for secret, _ in trial.secrets if len(secret) > 8)
    question = Question(PastedHeaders((("webhook-id", ID),)), BODY, (KnownSecret(SECRET),), NOW, computed=right)
    assert SECRET not in repr(question)
    assert "Zoë" not in repr(question)
    assert right not in repr(question)


def cpu_seconds(trial: Trial, runs: int) -> float:
    """Of the quickest run."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        trial.ask()
        found.append(time.process_time() - start)
    return min(found)


@pytest.mark.alone
def test_a_search_in_vain_takes_less_than_50_ms_for_20_kb_and_is_bounded_for_a_mebibyte() -> None:
    body = json.dumps({"a": [{"name": "Zoë", "price": 1.5, "text": "x" * 40} for _ in range(240)]}).encode()
    assert 18_000 < len(body) < 25_000
    assert cpu_seconds(Trial(body=body, secrets=given_secret(OTHER)), 5) < 0.05
    everything = tuple((name, f"{place}") for name in HEADERS for place in range(30))
    assert cpu_seconds(Trial(body=body, more=everything, secrets=given_secret(OTHER) * 8), 1) < 2
    marks = ("a" + "\u0301\u0316" * 24_000).encode()
    for hostile in (marks, b"[" * MOST_BODY, b"[" + b"1.5," * 250_000 + b"1]"):
        assert cpu_seconds(Trial(body=hostile, secrets=given_secret(OTHER)), 1) < 3


def test_what_is_too_much_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="smaller one"):
        Trial(body=b"x" * (MOST_BODY + 1)).ask()
    with pytest.raises(ValueError, match=f"up to {MOST_SECRETS} secrets"):
        Trial(secrets=((SECRET, "given"),) * (MOST_SECRETS + 1)).ask()
    with pytest.raises(ValueError, match="copy it alone"):
        Trial(secrets=given_secret("x" * (MOST_OF_SECRET + 1))).ask()


def test_the_trials_know_hmac_as_the_engine_does() -> None:
    assert made(RAW_KEY, CONTENT + BODY) == signed(BODY)
