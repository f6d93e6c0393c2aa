"""Signatures are those of Standard Webhooks and of Svix: their own libraries are the judges."""

import base64
import time
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.signing import SigningKey, headers, sign

# RFC 8032 §7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
RFC_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def encoded(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


@settings(deadline=None)
@given(
    secret=st.binary(min_size=24, max_size=75),
    body=st.text().map(str.encode),
    timestamp=st.integers(0, 4_000_000_000),
)
def test_our_hmac_is_the_standards(secret: bytes, body: bytes, timestamp: int) -> None:
    text = "whsec_" + encoded(secret)
    theirs = standardwebhooks.Webhook(text).sign("msg_1", datetime.fromtimestamp(timestamp, UTC), body.decode())
    assert sign("msg_1", timestamp, body, [SigningKey.parse(text)]) == theirs


@pytest.mark.parametrize("whitelabel", [True, False])
def test_receivers_of_both_libraries_accept_what_is_sent(whitelabel: bool) -> None:
    key, old, asymmetric = (
        SigningKey.generate("hmac256"),
        SigningKey.generate("hmac256"),
        SigningKey.generate("ed25519"),
    )
    now, body = int(time.time()), '{"name": "Zoë"}'.encode()
    lines = headers("msg_2abc", now, sign("msg_2abc", now, body, [key, asymmetric, old]), whitelabel=whitelabel)
    sent = dict(line.decode().removesuffix("\r\n").split(": ", 1) for line in lines)
    families = {"webhook"} if whitelabel else {"webhook", "svix"}
    assert sent.keys() == {f"{family}-{part}" for family in families for part in ("id", "timestamp", "signature")}
    for one in (key, old):
        assert standardwebhooks.Webhook(one.text).verify(body, sent) == {"name": "Zoë"}
        svix.webhooks.Webhook(one.text).verify(body, sent)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SigningKey.generate("hmac256").text).verify(body, sent)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(key.text).verify(body + b" ", sent)


def test_each_live_key_signs_in_its_order() -> None:
    keys = [SigningKey.generate(kind) for kind in ("hmac256", "ed25519", "hmac256")]
    signature = sign("msg_1", 1_700_000_000, b"{}", keys)
    assert signature.split(" ") == [sign("msg_1", 1_700_000_000, b"{}", [key]) for key in keys]
    assert [part.partition(",")[0] for part in signature.split(" ")] == ["v1", "v1a", "v1"]


def test_ed25519_signs_as_the_rfc_says_and_its_public_key_verifies() -> None:
    key = SigningKey.parse("whsk_" + encoded(SEED + PUBLIC))
    assert key.sign(b"\x72") == "v1a," + encoded(RFC_SIGNATURE)
    assert key.public_text == "whpk_" + encoded(PUBLIC)
    assert key.text == "whsk_" + encoded(SEED + PUBLIC)
    version, _, signature = sign("msg_1", 1_700_000_000, b"\x00\xff", [key]).partition(",")
    assert version == "v1a"
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public_text.removeprefix("whpk_")))
    public.verify(base64.b64decode(signature), b"msg_1.1700000000.\x00\xff")
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature), b"msg_1.1700000001.\x00\xff")


def test_generated_keys_are_new_and_read_back_as_themselves() -> None:
    for kind, size in (("hmac256", 24), ("ed25519", 64)):
        texts = {SigningKey.generate(kind).text for _ in range(20)}  # type: ignore[arg-type]
        assert len(texts) == 20
        for text in texts:
            key = SigningKey.parse(text)
            assert (key.text, key.kind) == (text, kind)
            assert len(base64.b64decode(text.partition("_")[2])) == size


def test_an_hmac_secret_may_come_without_its_prefix_and_is_its_own_public_text() -> None:
    secret = encoded(bytes(24))
    key = SigningKey.parse(secret)
    assert key.text == key.public_text == "whsec_" + secret


@pytest.mark.parametrize("size", [24, 32, 64, 65, 75])
def test_hmac_secrets_from_24_to_75_bytes_are_accepted(size: int) -> None:
    assert SigningKey.parse("whsec_" + encoded(bytes(range(size)))).kind == "hmac256"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "24 to 75 bytes, not 0"),
        ("whsec_", "24 to 75 bytes, not 0"),
        ("whsec_" + encoded(bytes(23)), "24 to 75 bytes, not 23"),
        ("whsec_" + encoded(bytes(76)), "24 to 75 bytes, not 76"),
        ("whsec_" + encoded(bytes(25)).rstrip("="), "base64"),
        ("whsec_" + encoded(bytes(24)) + "\n", "base64"),
        ("whsec_ " + encoded(bytes(24)), "base64"),
        ("whsec_" + "é" * 32, "base64"),
        ("whsec_" + "-_" * 16, "base64"),
        ("whpk_" + encoded(PUBLIC), "public and cannot sign"),
        ("whsk_" + encoded(SEED), "64 bytes"),
        ("whsk_" + encoded(SEED + bytes(32)), "do not belong together"),
        ("whsk_" + encoded(SEED + PUBLIC + b"x"), "64 bytes"),
        ("whsk_!", "base64"),
    ],
)
def test_other_secrets_are_refused_with_a_reason_that_does_not_repeat_them(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        SigningKey.parse(text)
    secret = text.partition("_")[2]
    assert len(secret) < 4 or secret not in str(refusal.value)


def test_a_key_does_not_show_its_secret() -> None:
    for key in (SigningKey.generate("hmac256"), SigningKey.generate("ed25519")):
        assert key.text.partition("_")[2] not in f"{key!r} {key}"
