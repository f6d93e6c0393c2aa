"""What is sent of a message in place of its payload: what its publisher said, or the request that it arrived in."""

from typing import Final

import msgspec

from app.receiving.record import unpack


class _Params(msgspec.Struct, frozen=True, rename="camel"):
    """What a message's `transformationsParams` say is sent in place of its payload."""

    raw_payload: str | None = None

    def __repr__(self) -> str:
        return "<_Params>"


_PARAMS: Final = msgspec.json.Decoder(_Params)


def substituted(params: bytes | None, arrived: bytes | None) -> bytes | None:
    """The bytes that are sent; None: the payload itself. Both are as `MessagesTable.how_sent` has them."""
    if params is not None and (raw := _PARAMS.decode(params).raw_payload) is not None:
        return raw.encode()
    if arrived is not None:
        received = unpack(arrived)
        return received.body if received.forwards_original else None
    return None
