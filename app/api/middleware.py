"""Around every request: correlation id, body cap, trailing slash, CORS, security headers, one log line, the last catch.

One pure ASGI class, because each layer costs each request; what most requests do not need (counting a chunked body,
CORS) is put around the application only for those that do. Keep it outermost.
"""

import re
from collections.abc import Mapping, Sequence
from random import getrandbits
from time import perf_counter
from typing import Final, Literal

from loguru import logger
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem, response_to
from app.api.security_headers import secured
from app.errors import EncodedBody, NotFound, PayloadTooLarge
from app.logs import correlation_id

# A token of RFC 9110 §5.6.2: visible ASCII without separators, so that it is safe in logs and headers.
_SANE_ID: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
# Routes are found by the decoded path, in which such a slash would end a segment: the name that it is part of
# would become another path. No name of ours has one.
_SLASH_IN_A_NAME: Final = re.compile(rb"%2[fF]")
_INBOUND: Final = "/in/"
# Nothing of these is for the scripts of other sites.
_PAGES: Final = ("/dashboard", "/portal", "/login")
_CLIENT_LEFT: Final = 499
_OUR_BUG: Final = 500


def request_id_of(headers: Mapping[bytes, bytes]) -> bytes:
    """The request's correlation id: the caller's own, if it is one, or a new one."""
    request_id = headers.get(b"x-request-id")
    if request_id is None or _SANE_ID.fullmatch(request_id) is None:
        request_id = b"%032x" % getrandbits(128)
    return request_id


LogLevel = Literal["trace", "debug", "info", "warning", "error"]
# The least status that is logged at each level: successes at debug, refusals at info, failures always.
_LEAST_STATUS: Final[dict[LogLevel, int]] = {"trace": 100, "debug": 100, "info": 400, "warning": 500, "error": 500}


class RequestMiddleware:
    """The application as the outside sees it. `max_body_bytes` is the largest body that it is handed."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, log_level: LogLevel) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._least_status = _LEAST_STATUS[log_level]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        request_id = request_id_of(headers)
        # Never reset: the server runs each request in a task, hence in a context, of its own.
        correlation_id.set(request_id.decode("ascii"))
        path = scope["path"]
        if path[-1:] == "/":
            scope["path"] = path.rstrip("/") or "/"

        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = secured(message, (b"x-request-id", request_id))
            await send(message)

        try:
            await self._application_for(scope, headers)(scope, receive, send_with_id)
        except ClientDisconnect:
            status = _CLIENT_LEFT
        except Exception as error:
            # Once a response has begun, ending without its end makes the server close the connection. A 500 has been
            # sent, and its reason logged, by the application's own handler.
            if status == 0:
                await response_to(error)(scope, receive, send_with_id)
            elif status != _OUR_BUG:
                logger.opt(exception=error).error("a response broke off: {}", type(error).__name__)
        if status >= self._least_status:
            _log(scope, status, perf_counter() - started)

    def _application_for(self, scope: Scope, headers: dict[bytes, bytes]) -> ASGIApp:
        """The application, with around it what a request with this path and these headers needs."""
        app = self._app
        if (length := headers.get(b"content-length")) is not None:
            # The server cuts the body at the declared length, so that it needs no counting.
            if int(length) > self._max_body_bytes:
                app = problem(PayloadTooLarge(self._max_body_bytes))
        elif b"transfer-encoding" in headers:
            app = _Counted(app, self._max_body_bytes)
        is_inbound = scope["path"].startswith(_INBOUND)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity" and not is_inbound:
            # Never inflated: nobody can know how large it would become. What arrives at sources is kept as it is.
            app = problem(EncodedBody())
        if _SLASH_IN_A_NAME.search(scope.get("raw_path") or b""):
            app = problem(NotFound())
        if b"origin" in headers and not scope["path"].startswith(_PAGES):
            app = CORSMiddleware(
                app, allow_origins=_ANY, allow_methods=_ANY, allow_headers=_ANY, expose_headers=_EXPOSED
            )
        return app


_ANY: Final[Sequence[str]] = ("*",)
_EXPOSED: Final[Sequence[str]] = ("X-Request-ID", "Retry-After")


class _Counted:
    """Counts a body of unknown length while it arrives; answers 413 instead of the application once it is too large."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._most = self._left = max_body_bytes
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count() -> Message:
            message = await receive()
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise PayloadTooLarge(self._most)
            return message

        async def send_unless_refused(message: Message) -> None:
            # Whatever the application makes of the exception that it got from `count`, it is not the answer.
            if self._left >= 0 or self._started:
                self._started = True
                await send(message)

        try:
            await self._app(scope, count, send_unless_refused)
        except PayloadTooLarge:
            if self._left >= 0:
                raise
        if self._left < 0 and not self._started:
            await problem(PayloadTooLarge(self._most))(scope, receive, send)


def _log(scope: Scope, status: int, seconds: float) -> None:
    level = "ERROR" if status >= 500 else "INFO" if status >= 400 else "DEBUG"
    # The path as it was sent: percent-encoded, so that it cannot hold a line break.
    path = scope.get("raw_path", b"").decode("ascii", "backslashreplace") or scope["path"]
    if path.startswith(_INBOUND):
        # Whoever knows the rest may send.
        path = f"{_INBOUND}…"
    logger.bind(method=scope["method"], path=path, status=status, milliseconds=round(seconds * 1000, 1)).log(
        level, "request"
    )
