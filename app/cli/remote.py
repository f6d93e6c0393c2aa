"""A Postrider that runs somewhere, for commands that ask its API: its address, a token, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Self

import httpx
import msgspec

from app import __version__, tokens
from app.cli.database import TEMPORARY
from app.cli.process import CannotRun
from app.cli.secret_file import kept_secrets
from app.settings import Settings

_SECONDS: Final = 30.0
_PAGE: Final = 250
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it is replaced with is loopback


class Source(msgspec.Struct, rename="camel", frozen=True):
    """A source, as far as it matters here."""

    id: str
    name: str
    type: str
    uid: str | None = None


class _Sources(msgspec.Struct):
    data: list[Source]
    iterator: str | None
    done: bool


class _Violation(msgspec.Struct):
    msg: str


class _Refusal(msgspec.Struct):
    detail: str | list[_Violation]


class Refused(Exception):
    """The API refuses a request. The text is what it says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Away(Exception):
    """The API cannot be reached, or cannot serve now: the same request may succeed later."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is, and the token that it is asked with."""

    url: str
    token: str = field(repr=False)

    @classmethod
    def find(cls, settings: Settings, server: str | None, token: str | None) -> Self:
        """The one that was named, or that of this machine. CannotRun if that is not enough to ask it."""
        if server is not None:
            check_url(server)
        if token is None:
            if server is not None:
                raise CannotRun(f"set POSTRIDER_TOKEN to an API token of {server}, or give it with --token", code=2)
            token = tokens.issue(_secret(settings), settings.jwt_algorithm)
        host = _ANYWHERE.get(settings.host, settings.host)
        here = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
        return cls((server or here).rstrip("/"), token)


def _secret(settings: Settings) -> str:
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    data = settings.data_dir.absolute()
    if not (data / "secrets.env").exists():
        raise CannotRun(
            f"no `postrider up` has run from {data}: set POSTRIDER_SERVER_URL and POSTRIDER_TOKEN to a server and an "
            "API token of it, or POSTRIDER_DATA_DIR to its folder"
        )
    return kept_secrets(data).jwt


class Remote:
    """Asks the API."""

    def __init__(self, address: Address) -> None:
        self.address = address
        headers = {"authorization": f"Bearer {address.token}", "user-agent": f"postrider-cli/{__version__}"}
        self._client = httpx.AsyncClient(base_url=f"{address.url}/ingest/api/v1", headers=headers, timeout=_SECONDS)
        # When it answered for the last time, by its own clock.
        self.time: datetime | None = None

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> bytes:
        """What it answers. Refused, or Away."""
        return await self._ask("GET", path, params=list(params))

    async def post(self, path: str, body: Mapping[str, object]) -> bytes:
        """What it answers. Refused, or Away."""
        return await self._ask("POST", path, json=body)

    async def sources(self) -> list[Source]:
        """All of the organization's. Refused, or Away."""
        found: list[Source] = []
        params = [("limit", str(_PAGE))]
        while True:
            try:
                page = msgspec.json.decode(await self.get("/source", params), type=_Sources)
            except msgspec.MsgspecError:
                raise Refused(HTTPStatus.OK, f"{self.address.url} is no Postrider: it answers otherwise") from None
            found += page.data
            if page.done or page.iterator is None:
                return found
            params = [("limit", str(_PAGE)), ("iterator", page.iterator)]

    async def _ask(self, method: str, path: str, **parts: object) -> bytes:
        try:
            response = await self._client.request(method, path, **parts)  # type: ignore[arg-type]  # of httpx's own names
        except httpx.HTTPError as error:
            raise Away(f"{self.address.url} cannot be reached ({said(error)})") from error
        if stamp := response.headers.get("date"):
            self.time = parsedate_to_datetime(stamp)
        if response.is_success:
            return response.content
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS or response.is_server_error:
            raise Away(f"{self.address.url} answers {response.status_code}: {_detail(response)}")
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise Refused(401, f"{self.address.url} does not take this token: set POSTRIDER_TOKEN to one of its own")
        raise Refused(response.status_code, _detail(response))


def check_url(url: str) -> None:
    """CannotRun, code 2, for what is no address to post to."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise CannotRun(f"{url!r} is no address: write it as http://localhost:3000/hook", code=2)


def said(error: Exception) -> str:
    """What an error says, if it says anything."""
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time" if isinstance(error, httpx.ConnectTimeout) else "no answer in time"
    return str(error) or type(error).__name__


def _detail(response: httpx.Response) -> str:
    try:
        detail = msgspec.json.decode(response.content, type=_Refusal).detail
    except msgspec.MsgspecError:
        return f"{response.status_code} {response.reason_phrase}: is this a Postrider?"
    return detail if isinstance(detail, str) else "; ".join(violation.msg for violation in detail)


def cannot_run(error: Refused | Away) -> CannotRun:
    """For a command that ends with it."""
    if isinstance(error, Away):
        return CannotRun(f"{error}: start it, or name another with --server, and try again", code=TEMPORARY)
    return CannotRun(str(error), code=1)


def choose(sources: Sequence[Source], wanted: str) -> Source:
    """The one with that id or uid. CannotRun, code 2, if there is none."""
    for source in sources:
        if wanted in {source.id, source.uid}:
            return source
    raise CannotRun(f"there is no source {wanted!r}: {listed(sources)}", code=2)


def listed(sources: Sequence[Source]) -> str:
    """Which there are, or how to make one."""
    if not sources:
        return "there are no sources; create one with POST /ingest/api/v1/source, see docs/how-to/receive-webhooks.md"
    shown = ", ".join(f"{source.uid or source.id} ({source.type})" for source in sources[:20])
    return f"there are {shown}{' and more' if len(sources) > 20 else ''}"
