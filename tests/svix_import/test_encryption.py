"""Signing keys as a Svix server keeps them: the cipher against its specification, and every form of a key."""

import os
from base64 import b64encode

import pytest

from app.svix_import.encryption import Keyring, KeyUnreadable, MainSecretNeeded, hchacha20, is_encrypted, open_xchacha20
from tests.svix_import import svix_server
from tests.svix_import.svix_server import MAIN_SECRET, ed25519_key, encrypted, plain

KEY = os.urandom(24)
TEXT = f"whsec_{b64encode(KEY).decode()}"


def test_the_key_derivation_is_that_of_the_specification() -> None:
    """draft-irtf-cfrg-xchacha-03 §2.2.1."""
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    wanted = bytes.fromhex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")
    assert hchacha20(bytes(range(32)), nonce) == wanted
    assert svix_server.hchacha20(bytes(range(32)), nonce) == wanted


def test_the_cipher_is_that_of_the_specification() -> None:
    """draft-irtf-cfrg-xchacha-03 §A.3.1."""
    sealed = bytes.fromhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216"
        "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13"
        "b52ec0875924c1c7987947deafd8780acf49"
    )
    key, nonce, associated = (
        bytes(range(0x80, 0xA0)),
        bytes(range(0x40, 0x58)),
        bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
    )
    assert open_xchacha20(key, nonce, sealed, associated).startswith(b"Ladies and Gentlemen of the class of '99")


def test_any_key_is_derived_as_by_the_letter_of_the_specification() -> None:
    for _ in range(20):
        key, nonce = os.urandom(32), os.urandom(16)
        assert hchacha20(key, nonce) == svix_server.hchacha20(key, nonce)


ASYMMETRIC = ed25519_key()
FORMS = {
    "encrypted": (encrypted(KEY), TEXT),
    "plain": (plain(KEY), TEXT),
    "without a marker, as the first servers kept them": (KEY, TEXT),
    "long": (encrypted(b"x" * 75), f"whsec_{b64encode(b'x' * 75).decode()}"),
    "encrypted ed25519": (encrypted(ASYMMETRIC, 2), f"whsk_{b64encode(ASYMMETRIC).decode()}"),
    "plain ed25519": (plain(ASYMMETRIC, 2), f"whsk_{b64encode(ASYMMETRIC).decode()}"),
}


@pytest.mark.parametrize(("stored", "text"), FORMS.values(), ids=FORMS.keys())
def test_a_key_is_read(stored: bytes, text: str) -> None:
    assert Keyring(MAIN_SECRET).text_of(stored) == text
    assert Keyring(MAIN_SECRET).text_of_old(b64encode(stored).decode()) == text


def test_an_earlier_key_may_be_a_text() -> None:
    assert Keyring(None).text_of_old(TEXT) == TEXT


def test_a_plain_key_needs_no_main_secret() -> None:
    assert Keyring(None).text_of(plain(KEY)) == Keyring("another").text_of(plain(KEY)) == TEXT
    assert not is_encrypted(plain(KEY))
    assert not is_encrypted(bytes([0x81]) + KEY[1:])


@pytest.mark.parametrize("main_secret", [None, "", "another", MAIN_SECRET + " "])
def test_an_encrypted_key_needs_the_right_main_secret(main_secret: str | None) -> None:
    with pytest.raises(MainSecretNeeded):
        Keyring(main_secret).text_of(encrypted(KEY))


SEALED = encrypted(KEY)
BROKEN = {
    "changed": SEALED[:-1] + bytes([SEALED[-1] ^ 1]),
    "cut off": encrypted(KEY)[:30],
    "short": b"short",
    "of another kind": plain(KEY, 3),
}


@pytest.mark.parametrize("stored", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_key_is_refused_without_being_repeated(stored: bytes) -> None:
    with pytest.raises(KeyUnreadable) as refused:
        Keyring(MAIN_SECRET).text_of(stored)
    assert b64encode(stored).decode() not in str(refused.value)
    with pytest.raises(KeyUnreadable):
        Keyring(MAIN_SECRET).text_of_old("no base64 at all")
