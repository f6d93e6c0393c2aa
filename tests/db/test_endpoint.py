"""The endpoint's row: what is sealed in it, its shard, its revision."""

from collections import Counter

import pytest

from app import ids
from app.db.endpoint.model import LiveSecret, open_headers, open_secrets, seal_headers, seal_secrets
from app.db.shard.model import SHARDS, shard_of
from app.sealing import SealBroken, Sealer

SECRETS = [LiveSecret("whsec_new", None), LiveSecret("whsec_old", 1_800_000_000)]


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(["a main secret"])


def test_what_is_sealed_opens_again_in_its_row_only(sealer: Sealer) -> None:
    sealed = seal_secrets(sealer, "ep_1", SECRETS)
    assert open_secrets(sealer, "ep_1", sealed) == SECRETS
    with pytest.raises(SealBroken):
        open_secrets(sealer, "ep_2", sealed)
    headers = seal_headers(sealer, "ep_1", {"X-A": "1", "Authorization": "Basic é"})
    assert open_headers(sealer, "ep_1", headers) == {"X-A": "1", "Authorization": "Basic é"}
    with pytest.raises(SealBroken):
        open_headers(sealer, "ep_2", headers)


def test_no_headers_are_stored_as_nothing(sealer: Sealer) -> None:
    assert seal_headers(sealer, "ep_1", {}) is None
    assert open_headers(sealer, "ep_1", None) == {}


def test_what_was_sealed_before_a_rotation_of_the_main_secret_still_opens(sealer: Sealer) -> None:
    sealed = seal_secrets(sealer, "ep_1", SECRETS)
    assert open_secrets(Sealer(["a new main secret", "a main secret"]), "ep_1", sealed) == SECRETS


def test_a_secret_signs_until_the_second_it_expires() -> None:
    current, old = SECRETS
    assert current.is_live(4e9)
    assert old.is_live(1_799_999_999.9)
    assert not old.is_live(1_800_000_000)


def test_a_secret_does_not_show_in_its_repr() -> None:
    assert "whsec_" not in repr(SECRETS)


def test_the_shard_of_an_id_never_changes() -> None:
    assert [shard_of(f"ep_{n}") for n in range(4)] == [39, 14, 17, 45]


def test_shards_are_used_evenly() -> None:
    counts = Counter(shard_of(ids.new_id("ep")) for _ in range(64 * 200))
    assert set(counts) == set(range(SHARDS))
    assert min(counts.values()) > 100
