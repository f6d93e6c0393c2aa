"""`postrider listen`: what can be asked for. What it does is in listening.py."""

from datetime import datetime
from typing import Annotated, Final

import typer

from app.cli.server_options import Server, Token
from app.cli.verify import parse_since

LISTEN_EXIT_CODES: Final = (
    "Exit codes: 1 no source is left to follow, 2 wrong usage, 75 the server is away, 78 wrong setting, 130 Ctrl-C, "
    "which is how it ends, 143 SIGTERM."
)


def listen(
    to: Annotated[str, typer.Option(metavar="URL", help="Where each event is posted: your own machine.")],
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="ID|UID", help="Only what arrives at this source; repeat it. Default: all sources."),
    ] = None,
    event_type: Annotated[
        list[str] | None, typer.Option(help="Only this event type: stripe.invoice.paid, or invoice.paid; repeat it.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_since,
            metavar="SPAN|TIME",
            help="Begin with what has arrived since then: 10m, 2h, or ISO 8601. Default: with what arrives now.",
        ),
    ] = None,
    server: Server = None,
    token: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each event.")] = False,
) -> None:
    """Forward what arrives at sources to your own machine, and show what that answers.

    Each event is posted as it came: the same bytes, the same headers (but for credentials, which are not kept), so that
    your code can verify the provider's signature. One at a time and in order for each source. What your machine does
    not take is not sent again: `--since` begins earlier. The endpoints of the source get everything as always.

    \b
    Examples:
      postrider listen --to http://localhost:3000/hook
      postrider listen --to http://localhost:3000/hook --source payments --event-type stripe.invoice.paid --since 10m
      POSTRIDER_SERVER_URL=https://hooks.example.com POSTRIDER_TOKEN=sk_… postrider listen --to http://localhost:3000
    """
    from app.cli import listening
    from app.settings import load

    wish = listening.Wish(to, tuple(source or ()), tuple(event_type or ()), since)
    raise typer.Exit(listening.run(load(), wish, server, token, as_json=as_json))
