"""What `postrider trigger` does: has a sample arrive at a source, or signs it here and posts it somewhere."""

import asyncio
import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import httpx
import msgspec
import orjson
import typer

from app import clock
from app.cli.database import TEMPORARY
from app.cli.process import CannotRun
from app.cli.remote import Address, Away, Refused, Remote, Source, cannot_run, check_url, choose, listed, said
from app.db.source.model import CRON
from app.receiving.contract import SECRET_FIELD, CannotSign, Config, Provider, Request
from app.receiving.registry import all_providers
from app.receiving.sample_types import sample_types
from app.receiving.samples import Sample, names_of, sample
from app.receiving.trigger import signed_anew
from app.settings import Settings

_SECONDS: Final = 30.0
_PRIVATE_KEY: Final = "privateKey"


@dataclass(frozen=True, slots=True)
class Wish:
    """Whose event, and which; None: the first of which there is a sample."""

    provider: str
    event: str | None


class _Refusal(msgspec.Struct):
    detail: str


class _Triggered(msgspec.Struct, rename="camel"):
    status: int
    duplicate: bool
    message_id: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    refusal: _Refusal | None = None


def list_samples(provider: str | None, *, as_json: bool) -> None:
    """Print the providers (or one), their samples, and the event type of each. CannotRun for one that there is not."""
    names = [_provider(provider).name] if provider is not None else [name for name in all_providers() if names_of(name)]
    types = {name: sample_types(all_providers()[name]) for name in names}
    if as_json:
        typer.echo(orjson.dumps(types))
        return
    width = max(map(len, names))
    widest = max((len(event) for events in types.values() for event in events), default=0)
    for name, events in types.items():
        for event, event_type in events.items():
            typer.echo(f"{name:<{width}}  {event:<{widest}}  {event_type or '(a handshake)'}")
        if not events:
            typer.echo(f"{name:<{width}}  (no samples)")


def at_source(
    settings: Settings, wish: Wish, source: str | None, server: str | None, token: str | None, *, as_json: bool
) -> int:
    """Have a sample arrive at a source, and say what became of it; the exit code. CannotRun if it cannot be asked."""
    _provider(wish.provider)
    address = Address.find(settings, server, token)
    answer = asyncio.run(_trigger(address, wish, source))
    told = msgspec.json.decode(answer, type=_Triggered)
    if as_json:
        typer.echo(answer)
    elif told.refusal is not None:
        typer.echo(f"refused with {told.status}: {told.refusal.detail}", err=True)
    elif told.event_type is None:
        typer.echo(f"answered with {told.status}: a handshake, of which no message comes")
    elif told.duplicate:
        typer.echo(f"{told.event_type} came before ({told.event_id}), and was not stored again")
    else:
        typer.echo(f"{told.event_type} arrived: {told.message_id}{f' ({told.event_id})' if told.event_id else ''}")
    return 0 if told.refusal is None else 1


async def _trigger(address: Address, wish: Wish, reference: str | None) -> bytes:
    async with Remote(address) as remote:
        try:
            source = _source(await remote.sources(), wish.provider, reference)
            body = {} if wish.event is None else {"eventType": wish.event}
            return await remote.post(f"/source/{source.id}/trigger", body)
        except (Refused, Away) as error:
            raise cannot_run(error) from None


def _source(sources: Sequence[Source], provider: str, reference: str | None) -> Source:
    if reference is not None:
        source = choose(sources, reference)
        if source.type != provider:
            raise CannotRun(f"the source {reference!r} is of type {source.type}, and not {provider}", code=2)
        return source
    fitting = [source for source in sources if source.type == provider]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise CannotRun(f"no source is of type {provider}: {listed(sources)}", code=2)
    raise CannotRun(f"name a source with --source: {listed(fitting)}", code=2)


def request(wish: Wish, to: str, secret: str | None, options: Sequence[str]) -> Request:
    """The signed request to a URL. CannotRun, code 2, if what is given is not enough to sign it."""
    check_url(to)
    provider = _provider(wish.provider)
    config = _config(provider, secret, options)
    try:
        return signed_anew(provider, _sample(provider, wish.event), config, clock.unix(), to)
    except CannotSign as reason:
        fields = ", ".join(
            f"--{SECRET_FIELD} …" if one.name == SECRET_FIELD else f"--option {one.name}=…" for one in provider.fields
        )
        hint = f"give {provider.title}'s config as {fields}" if fields else f"{provider.title} has no config"
        raise CannotRun(f"{str(reason).rstrip('.')}; {hint}", code=2) from None


def _config(provider: Provider, secret: str | None, options: Sequence[str]) -> Config:
    fields = {field.name: field for field in provider.fields}
    given = {} if secret is None else {SECRET_FIELD: secret}
    for text in options:
        name, separator, value = text.partition("=")
        if not separator or name not in {*fields, _PRIVATE_KEY}:
            there = ", ".join([*(name for name in fields if name != SECRET_FIELD), _PRIVATE_KEY])
            raise CannotRun(f"--option is NAME=VALUE, where NAME is one of {there}", code=2)
        given[name] = value
    for name, value in given.items():
        check = fields[name].check if name in fields else None
        try:
            given[name] = value if check is None else check(value)
        except ValueError as error:
            raise CannotRun(f"{name}: {error}", code=2) from None
    secrets = (given.pop(SECRET_FIELD),) if SECRET_FIELD in given else ()
    return Config(secrets, given)


def _provider(name: str) -> Provider:
    if name == CRON:
        text = "cron is no provider: nothing is posted to such a source, which makes its messages at the times it names"
        raise CannotRun(text, code=2)
    found = all_providers().get(name)
    if found is None:
        near = difflib.get_close_matches(name, all_providers(), n=1)
        hint = f"is {near[0]} meant?" if near else "`postrider trigger --list` shows those that there are"
        raise CannotRun(f"there is no provider {name!r}: {hint}", code=2)
    return found


def _sample(provider: Provider, event: str | None) -> Sample:
    names = names_of(provider.name)
    if not names:
        raise CannotRun(f"there are no samples of {provider.name}", code=2)
    if event is not None and event not in names:
        raise CannotRun(f"there is no sample of {event!r}: name one of {', '.join(names)}", code=2)
    return sample(provider.name, event or names[0])


def send(signed: Request, *, as_json: bool) -> int:
    """Post a request, and say what it was answered; the exit code. CannotRun, code 75, if nobody answers."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in signed.headers]
    # Neither a proxy nor a redirect leads elsewhere than to where the developer said.
    with httpx.Client(timeout=_SECONDS, follow_redirects=False, trust_env=False) as client:
        begun = monotonic()
        try:
            with_body = httpx.Request(signed.method, signed.url, headers=headers, content=signed.body)
            response = client.send(with_body, stream=True)
            response.close()
        except httpx.HTTPError as error:
            raise CannotRun(f"{signed.url} gives no answer ({said(error)})", code=TEMPORARY) from None
    milliseconds = round((monotonic() - begun) * 1000)
    if as_json:
        typer.echo(orjson.dumps({"url": signed.url, "status": response.status_code, "ms": milliseconds}))
    else:
        typer.echo(f"{signed.url} answered with {response.status_code} in {milliseconds} ms")
    return 0 if response.is_success else 1


def curl(signed: Request) -> str:
    """The command that sends it, for any POSIX shell."""
    words = ["curl", "-sS", "-X", signed.method, signed.url]
    lines = [" ".join(map(shlex.quote, words))]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in signed.headers]
    # Not --data, which reads a file if it begins with `@`.
    lines.append(f"--data-raw {shlex.quote(signed.body.decode())}")
    return " \\\n  ".join(lines)
