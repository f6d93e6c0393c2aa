"""The payload store: what was put in comes out byte for byte, from a folder as over the S3 protocol, or not at all."""

import asyncio
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from app import clock, ids, weeks
from app.payload_store.bucket import Bucket, BucketAddress
from app.payload_store.folder import Folder
from app.payload_store.store import PayloadMissing, PayloadStore, StoreAway, open_store
from app.payload_store.stored import StoredPayload, key_of
from app.settings import SettingsError, load
from tests import factories
from tests.payload_store.s3 import make_bucket, s3_server

PAYLOADS = [b"{}", b'{"a": 1.10, "a": "\\u0000"}', bytes(range(256)) * 4096]


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The setting of a new payload store."""
    if request.param == "folder":
        return f"file://{tmp_path / 'deep' / 'payloads'}"
    return make_bucket(request.getfixturevalue("s3"), factories.unique("bucket").lower())


@pytest.fixture
def store(url: str) -> PayloadStore:
    return _open(url)


def _open(url: str) -> PayloadStore:
    opened = open_store(load(_env_file=None, payload_store=url))
    assert opened is not None
    return opened


def _id_at(year: int, month: int, day: int) -> str:
    return factories.id_at("msg", datetime(year, month, day, 12, tzinfo=UTC))


async def test_what_was_put_in_comes_out_byte_for_byte(store: PayloadStore) -> None:
    for payload in PAYLOADS:
        message = ids.new_id("msg")
        stored = await store.put(message, payload)
        assert stored == StoredPayload.of(message, payload)
        assert await store.get(stored) == payload


async def test_what_is_missing_or_another_is_not_given_out(store: PayloadStore) -> None:
    message = ids.new_id("msg")
    with pytest.raises(PayloadMissing):
        await store.get(StoredPayload.of(message, b"{}"))
    await store.put(message, b'{"a": 1}')
    for expected in (b'{"a": 2}', b'{"a": 1} ', b'{"a": 1'):
        with pytest.raises(PayloadMissing):
            await store.get(StoredPayload.of(message, expected))
    # None of this means that the store is away.
    assert await store.get(StoredPayload.of(message, b'{"a": 1}')) == b'{"a": 1}'


async def test_a_payload_is_forgotten_and_forgetting_it_again_does_no_harm(store: PayloadStore) -> None:
    kept, gone = ids.new_id("msg"), ids.new_id("msg")
    stored = [await store.put(message, b"{}") for message in (kept, gone)]
    await store.delete([gone, ids.new_id("msg")])
    await store.delete([gone])
    assert await store.get(stored[0]) == b"{}"
    with pytest.raises(PayloadMissing):
        await store.get(stored[1])


async def test_a_week_is_forgotten_as_a_whole_but_for_what_is_kept(store: PayloadStore) -> None:
    assert await store.groups() == []
    old = [_id_at(2026, 1, 5 + day) for day in range(4)]
    new = _id_at(2026, 1, 12)
    for message in (*old, new):
        await store.put(message, b"{}" * 10)
    assert await store.groups() == ["20260105", "20260112"]
    assert [part async for part in store.sizes("20260112")] == [[(new, 20)]]
    assert await store.forget_group("20260105", {old[0]}) == 3
    assert await store.get(StoredPayload.of(old[0], b"{}" * 10))
    assert await store.forget_group("20260105", ()) == 1
    assert await store.groups() == ["20260112"]


async def test_while_the_store_is_away_one_call_in_two_seconds_finds_out(closed_port: int, tmp_path: Path) -> None:
    url = f"s3://key:secret@bucket?endpoint=http://127.0.0.1:{closed_port}"
    for store in (_open(url), _open(f"file://{_not_a_folder(tmp_path)}")):
        with pytest.raises(StoreAway):
            await store.put(ids.new_id("msg"), b"{}")
        began = monotonic()
        for _ in range(1000):
            with pytest.raises(StoreAway):
                await store.put(ids.new_id("msg"), b"{}")
        assert monotonic() - began < 1


async def test_a_store_that_comes_back_is_used_again(tmp_path: Path) -> None:
    place = _not_a_folder(tmp_path)
    store = _open(f"file://{place}")
    with pytest.raises(StoreAway):
        await store.put(ids.new_id("msg"), b"{}")
    place.unlink()
    async with asyncio.timeout(5):
        while True:
            try:
                stored = await store.put(ids.new_id("msg"), b"{}")
                break
            except StoreAway:
                await asyncio.sleep(0.1)
    assert await store.get(stored) == b"{}"


async def test_a_store_that_hangs_keeps_nobody_for_longer_than_its_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        bucket = Bucket(BucketAddress("bucket", "", endpoint, None, "key", "secret"))
        store = PayloadStore(bucket, 8192, seconds=0.3)
        began = monotonic()
        calls = [store.get(StoredPayload.of(ids.new_id("msg"), b"{}")) for _ in range(300)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {StoreAway}
        assert monotonic() - began < 2


def _not_a_folder(tmp_path: Path) -> Path:
    place = tmp_path / "a file"
    place.write_text("")
    return place


async def test_a_folder_is_for_its_owner_alone_and_holds_whole_objects_only(tmp_path: Path) -> None:
    place = tmp_path / "payloads"
    message = ids.new_id("msg")
    folder = Folder(place)
    await folder.put(key_of(message), b"old")
    await asyncio.gather(*(folder.put(key_of(message), b"new") for _ in range(20)))
    (week,) = place.iterdir()
    (file,) = week.iterdir()
    assert (week.name, file.name, file.read_bytes()) == (f"{weeks.week_of(clock.now()):%Y%m%d}", message, b"new")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place, week, file)] == [0o700, 0o700, 0o600]


@pytest.mark.parametrize("key", ["../x/msg_1", "20260105/../../x", "20260105/..", "/etc/passwd", "20260105/a/b", "x"])
async def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(ValueError, match="key of a payload"):
        await folder.put(key, b"")
    with pytest.raises(ValueError, match="key of a payload"):
        await folder.get(key, 1)


async def test_a_full_disk_leaves_no_half_of_an_object(tmp_path: Path) -> None:
    """A folder that goes away while it is written to stands for it."""
    folder = Folder(tmp_path / "payloads")
    message = ids.new_id("msg")
    await folder.put(key_of(message), b"{}")
    shutil.rmtree(tmp_path / "payloads")
    os.mkfifo(tmp_path / "payloads")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        await folder.put(key_of(message), b"{}")


def test_the_object_of_a_message_is_in_the_week_of_its_id() -> None:
    sunday = datetime.fromisoformat("2026-11-22T23:59:59.990+00:00")
    assert key_of(factories.id_at("msg", sunday)).startswith("20261116/msg_")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"payload_store": "/var/payloads"}, "it must be file"),
    ({"payload_store": "file://payloads"}, "from the root on"),
    ({"payload_store": "file:///"}, "from the root on"),
    ({"payload_store": "s3:///prefix"}, "s3://bucket"),
    ({"payload_store": "s3://key@bucket"}, "both key and secret"),
    ({"payload_store": "s3://bucket?endpoint=minio:9000"}, "endpoint=https"),
    ({"payload_store": "s3://bucket?acl=public"}, "nothing else"),
    ({"payload_store_min_bytes": 100}, "8192"),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG)
def test_what_is_no_payload_store_is_refused_without_repeating_it(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text) as refused:
        load(_env_file=None, **wrong)
    assert "payloads" not in str(refused.value).partition("as in")[0]


def test_without_a_setting_there_is_none() -> None:
    assert open_store(load(_env_file=None, payload_store="")) is None
