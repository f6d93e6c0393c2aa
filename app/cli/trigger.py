"""`postrider trigger`: what can be asked for. What it does is in triggering.py."""

from typing import Annotated, Final

import typer

from app.cli.process import CannotRun
from app.cli.server_options import Server, Token

TRIGGER_EXIT_CODES: Final = (
    "Exit codes: 0 it was taken, 1 it was refused, 2 wrong usage, 75 nobody answers, 78 wrong setting, 130 Ctrl-C."
)


def trigger(
    provider: Annotated[str | None, typer.Argument(help="Who sends it: stripe, github, …; see --list.")] = None,
    event: Annotated[
        str | None, typer.Argument(help="The event, as the provider calls it. Default: the first of its samples.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="ID|UID", help="Where it arrives. Default: the only source of that provider."),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="Sign it here and post it there; needs no Postrider.")
    ] = None,
    secret: Annotated[str | None, typer.Option(help="With --to: what it is signed with.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="With --to: another field of the provider; and privateKey (PEM) for those who sign with one.",
        ),
    ] = None,
    as_curl: Annotated[
        bool, typer.Option("--print", help="With --to: print the signed request as curl, and send nothing.")
    ] = False,
    listing: Annotated[
        bool, typer.Option("--list", help="List the providers, their samples, and the event type of each.")
    ] = False,
    server: Server = None,
    token: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Send a sample of a provider's event, signed as the provider signs it, and another one each time.

    It arrives at a source of yours, which verifies it and delivers it like what the provider itself sends.

    \b
    Examples:
      postrider trigger --list
      postrider trigger stripe invoice.paid
      postrider trigger github push --source repositories
      postrider trigger stripe --to http://localhost:3000/hook --secret whsec_… --print
    """
    from app.cli import triggering
    from app.settings import load

    if listing:
        triggering.list_samples(provider, as_json=as_json)
        return
    if provider is None:
        raise CannotRun(
            "say whose event it is, such as `postrider trigger stripe`; --list shows those there are", code=2
        )
    if to is None and (secret is not None or option or as_curl):
        raise CannotRun("--secret, --option and --print go with --to: a source signs with its own secret", code=2)
    if to is not None and source is not None:
        raise CannotRun("--to and --source exclude each other", code=2)
    wish = triggering.Wish(provider, event)
    if to is None:
        raise typer.Exit(triggering.at_source(load(), wish, source, server, token, as_json=as_json))
    request = triggering.request(wish, to, secret, option or [])
    if as_curl:
        typer.echo(triggering.curl(request))
        return
    raise typer.Exit(triggering.send(request, as_json=as_json))
