"""A payload store in a bucket of S3, or of a server that speaks its protocol."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app import weeks

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_ONE_TRY_SECONDS: Final = 4.0
_CONNECT_SECONDS: Final = 2.0
_LISTED: Final = 1000  # as many as one request of S3 lists and deletes


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """Where a bucket is. Without keys they come from where programs of AWS find them (AWS_ACCESS_KEY_ID, a role, …)."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None
    access_key: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)


class Bucket:
    """Objects under a prefix. Raises OSError; FileNotFoundError for what is not there, also the bucket."""

    def __init__(self, address: BucketAddress) -> None:
        config: S3Config = {"virtual_hosted_style_request": address.endpoint is None}
        if address.endpoint is not None:
            config["endpoint"] = address.endpoint
        if address.region is not None or address.endpoint is not None:
            config["region"] = address.region or "us-east-1"
        if address.access_key is not None and address.secret_key is not None:
            config["access_key_id"] = address.access_key
            config["secret_access_key"] = address.secret_key
        client: ClientConfig = {
            "timeout": timedelta(seconds=_ONE_TRY_SECONDS),
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "allow_http": (address.endpoint or "").startswith("http://"),
        }
        self._store = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            config=config,
            client_options=client,
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=_ONE_TRY_SECONDS)},
        )

    async def put(self, key: str, content: bytes) -> None:
        try:
            await obstore.put_async(self._store, key, content, use_multipart=False)
        except BaseError as error:
            raise _refused(error) from None

    async def get(self, key: str, size: int) -> bytes:
        """The object; nothing of it is read if it has another size."""
        try:
            found = await obstore.get_async(self._store, key)
            if found.meta["size"] != size:
                return b""
            return bytes(await found.bytes_async())
        except BaseError as error:
            raise _refused(error) from None

    async def delete(self, keys: Collection[str]) -> None:
        """What is not there is deleted already."""
        ordered = list(keys)
        try:
            for begin in range(0, len(ordered), _LISTED):
                await obstore.delete_async(self._store, ordered[begin : begin + _LISTED])
        except BaseError as error:
            raise _refused(error) from None

    async def groups(self) -> list[str]:
        """The weeks of which there are objects, as their keys begin."""
        try:
            found = await obstore.list_with_delimiter_async(self._store)
        except BaseError as error:
            raise _refused(error) from None
        return sorted(name for prefix in found["common_prefixes"] if weeks.named(name := prefix.strip("/")))

    async def listed(self, group: str) -> AsyncIterator[list[tuple[str, int]]]:
        """Key and size of each object of a week, in parts."""
        try:
            async for part in obstore.list(self._store, group, chunk_size=_LISTED):
                yield [(found["path"], found["size"]) for found in part]
        except BaseError as error:
            raise _refused(error) from None

    async def remove_group(self, group: str) -> None:
        """Nothing to do: an S3 bucket has no folders."""


def _refused(error: BaseError) -> OSError:
    # What follows the first line is the library's own structure of it.
    return OSError(str(error).partition("\n")[0])
