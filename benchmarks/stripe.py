"""A provider whose events arrive at a source: what it posts, signed beforehand, and what must come of it."""

import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import orjson

from benchmarks.listener import Headers

BODY_BYTES: Final = 2_048
_LINES: Final = 3


class Stripe:
    """One of its accounts, with the secret of one endpoint: https://docs.stripe.com/webhooks/signature."""

    def __init__(self) -> None:
        self.secret = f"whsec_{secrets.token_hex(16)}"
        self._account = secrets.token_hex(6)

    def requests(self, ingest_url: str, count: int) -> "Events":
        """So many events to a source. They are good for the five minutes from now that Stripe's rule gives them."""
        parts = urlsplit(ingest_url)
        return Events([self._encode(parts.netloc, parts.path, seq) for seq in range(count)])

    def signature_holds(self, headers: Headers, body: bytes) -> bool:
        """Whether what an endpoint received has this account's `stripe-signature`, about exactly this body."""
        signatures = [value for name, value in headers if name.lower() == b"stripe-signature"]
        if len(signatures) != 1:
            return False
        timestamp, _, signature = signatures[0].partition(b",v1=")
        return hmac.compare_digest(signature, self._sign(timestamp.removeprefix(b"t="), body))

    def _encode(self, host: str, path: str, seq: int) -> bytes:
        body, now = self._body(seq), b"%d" % time.time()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
            f"Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        )
        return b"%bStripe-Signature: t=%b,v1=%b\r\n\r\n%b" % (head.encode(), now, self._sign(now, body), body)

    def _sign(self, timestamp: bytes, body: bytes) -> bytes:
        return hmac.digest(self.secret.encode(), b"%b.%b" % (timestamp, body), "sha256").hex().encode()

    def _body(self, seq: int) -> bytes:
        """An event about an invoice, indented as Stripe does it."""
        short = self._event(seq, "")
        return self._event(seq, "x" * (BODY_BYTES - len(short)))

    def _event(self, seq: int, note: str) -> bytes:
        lines = [
            {
                "id": f"il_{self._account}{seq:010}{line}",
                "object": "line_item",
                "amount": 1099,
                "description": f"{line + 1} × Postage, September",
                "price": f"price_{self._account}{line:012}",
                "quantity": line + 1,
            }
            for line in range(_LINES)
        ]
        invoice = {
            "id": f"in_{self._account}{seq:010}",
            "object": "invoice",
            "amount_due": 6594,
            "amount_paid": 6594,
            "collection_method": "charge_automatically",
            "currency": "eur",
            "customer": "cus_Acme0001",
            "customer_email": "billing@example.com",
            "description": note,
            "lines": {"object": "list", "data": lines, "has_more": False, "total_count": _LINES},
            "livemode": False,
            "metadata": {"seq": seq},
            "paid": True,
            "status": "paid",
        }
        event = {
            "id": f"evt_{self._account}{seq:010}",
            "object": "event",
            "api_version": "2025-09-30.clover",
            "created": 1_790_000_000,
            "data": {"object": invoice},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": "invoice.paid",
        }
        return orjson.dumps(event, option=orjson.OPT_INDENT_2)


class Events:
    """Complete requests, in memory."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._requests = requests

    def encode(self, seq: int) -> bytes:
        """Event number `seq`, complete with its headers."""
        return self._requests[seq]
