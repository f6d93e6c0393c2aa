"""What a message's row knows of a payload that is in the payload store."""

import hashlib
from typing import NamedTuple

from app import ids, weeks


class StoredPayload(NamedTuple):
    """A payload in the payload store: which object it is follows from the message; its size and its SHA-256."""

    message_id: str
    size: int
    digest: bytes

    @classmethod
    def of(cls, message_id: str, payload: bytes) -> "StoredPayload":
        return cls(message_id, len(payload), hashlib.sha256(payload).digest())

    def is_whole(self, payload: bytes) -> bool:
        """Whether this is what was put in, byte for byte."""
        return len(payload) == self.size and hashlib.sha256(payload).digest() == self.digest


def key_of(message_id: str) -> str:
    """The object of a message: `20261116/msg_…`, by the week of its id, so that a week is forgotten as a whole."""
    return f"{weeks.name(weeks.week_of(ids.created_at(message_id)))}/{message_id}"
