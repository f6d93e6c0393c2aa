"""Secrets at rest: they open with the right main secret, in their row, unchanged; otherwise they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sealing import SealBroken, Sealer

PLAIN = b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_is_sealed_opens_unchanged(plain: bytes, identity: str) -> None:
    sealer = Sealer(["main"])
    assert sealer.open(sealer.seal(plain, identity), identity) == plain


def test_a_sealed_value_shows_nothing_and_differs_each_time() -> None:
    sealer = Sealer(["main"])
    first, second = sealer.seal(PLAIN, "ep_1"), sealer.seal(PLAIN, "ep_1")
    assert first != second
    assert PLAIN[:8] not in first
    # Version, key id, nonce and tag.
    assert len(first) == 1 + 4 + 12 + len(PLAIN) + 16


def test_a_changed_byte_anywhere_is_noticed() -> None:
    sealer = Sealer(["main"])
    sealed = sealer.seal(PLAIN, "ep_1")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SealBroken, match="ep_1"):
            sealer.open(bytes(changed), "ep_1")


@pytest.mark.parametrize("length", [0, 1, 4, 5, 16, 17, 32])
def test_what_is_cut_off_does_not_open(length: int) -> None:
    sealer = Sealer(["main"])
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(PLAIN, "ep_1")[:length], "ep_1")


def test_a_value_of_another_row_does_not_open() -> None:
    sealer = Sealer(["main"])
    with pytest.raises(SealBroken, match="moved from another row"):
        sealer.open(sealer.seal(PLAIN, "ep_1"), "ep_2")


def test_a_rotation_opens_the_old_and_seals_with_the_new() -> None:
    old, new = Sealer(["old"]), Sealer(["new"])
    both = Sealer(["new", "old"])
    assert both.open(old.seal(PLAIN, "ep_1"), "ep_1") == PLAIN
    assert new.open(both.seal(PLAIN, "ep_1"), "ep_1") == PLAIN
    with pytest.raises(SealBroken, match="add it to POSTRIDER_MAIN_SECRET"):
        new.open(old.seal(PLAIN, "ep_1"), "ep_1")


@pytest.mark.parametrize("secrets", [[], [""], ["main", ""]])
def test_without_a_main_secret_nothing_is_sealed(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="POSTRIDER_MAIN_SECRET"):
        Sealer(secrets)
