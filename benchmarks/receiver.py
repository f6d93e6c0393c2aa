"""The receiver of a run: answers each delivery and marks it off, reading no more than it needs."""

import asyncio
import base64
import hmac
import random
from collections.abc import Callable, Sequence
from time import perf_counter

from benchmarks.listener import ACCEPTED, REFUSED, Headers, Listener
from benchmarks.load import Load
from benchmarks.tally import Tally

_SEQ = b'"seq":'


def sequence_number(body: bytes) -> int:
    """The number after the first `"seq":`, with or without spaces before it; -1 if there is none."""
    at = body.find(_SEQ)
    if at < 0:
        return -1
    at += len(_SEQ)
    digits = body[at : at + 24].lstrip(b" ")
    end = 0
    while end < len(digits) and digits[end : end + 1].isdigit():
        end += 1
    return int(digits[:end]) if end else -1


def endpoint_number(path: bytes) -> int:
    """3 for the path `/3`; -1 for any other kind of path."""
    return int(path[1:]) if path[1:].isdigit() else -1


def signature_holds(headers: Headers, body: bytes, key: bytes) -> bool:
    """Whether one of the `svix-signature`s is the HMAC-SHA256 of id, timestamp and body (Standard Webhooks, `v1`)."""
    values = {name.lower(): value for name, value in headers}
    try:
        signed = b"%b.%b.%b" % (values[b"svix-id"], values[b"svix-timestamp"], body)
        signatures = values[b"svix-signature"].split(b" ")
    except KeyError:
        return False
    wanted = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    return any(hmac.compare_digest(wanted, signature) for signature in signatures)


class Receiver(Listener):
    """Marks deliveries off; `keys[n]` signs what arrives at the path `/n`.

    `also_holds` verifies what came with an event that was forwarded.
    """

    def __init__(
        self,
        load: Load,
        tally: Tally,
        keys: Sequence[bytes],
        also_holds: Callable[[Headers, bytes], bool] | None = None,
    ) -> None:
        super().__init__(load.delay)
        self.complete = asyncio.Event()
        """Set once each pair has arrived."""
        self._load = load
        self._tally = tally
        self._keys = keys
        self._also_holds = also_holds
        self._random = random.Random(load.messages)
        self._arrivals = 0

    def answer(self, path: bytes, headers: Headers, body: bytes) -> bytes:
        now = perf_counter()
        if self._load.fail and self._random.random() < self._load.fail:
            return REFUSED
        tally, endpoint = self._tally, endpoint_number(path)
        tally.arrived(sequence_number(body), endpoint, now)
        if tally.delivered == tally.pairs:
            self.complete.set()
        self._arrivals += 1
        if self._arrivals % self._load.verify_every == 0 and 0 <= endpoint < len(self._keys):
            tally.verified += 1
            tally.bad_signatures += not signature_holds(headers, body, self._keys[endpoint])
            if self._also_holds is not None:
                tally.verified += 1
                tally.bad_signatures += not self._also_holds(headers, body)
        return ACCEPTED
