"""A receiver in Python, with nothing but its standard library: WEBHOOK_SECRET=whsec_… python python.py"""

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 5 * 60  # seconds
LONGEST_BODY = 1024 * 1024


def verify(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Whether the bytes of a body were signed with the secret, within five minutes of now (Unix, seconds).

    The names of headers are in lower case.
    """
    for family in ("webhook", "svix"):
        message_id = headers.get(f"{family}-id")
        timestamp = headers.get(f"{family}-timestamp")
        signatures = headers.get(f"{family}-signature")
        if message_id and timestamp and signatures:
            break
    else:
        return False
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    if not key:
        return False
    content = f"{message_id}.{timestamp}.".encode("latin-1") + body
    expected = hmac.digest(key, content, hashlib.sha256)
    # While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
    for signature in signatures.split(" "):
        version, _, encoded = signature.partition(",")
        if version != "v1":
            continue
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        if hmac.compare_digest(given, expected):
            return True
    return False


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what was signed, and 401 to the rest."""

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        if length > LONGEST_BODY:
            self.send_error(413)
            return
        # The bytes as they came: JSON that is parsed and written anew has another signature.
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not verify(headers, body, os.environ["WEBHOOK_SECRET"], time.time()):
            self.send_error(401)
            return
        # Keep the message, then answer at once. The same id may come again: do its work only once.
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Receiver).serve_forever()
