"""Which Postrider a command asks, and as whom: options of several commands. What is done with them is in remote.py."""

from typing import Annotated

import typer

Server = Annotated[
    str | None,
    typer.Option(
        envvar="POSTRIDER_SERVER_URL",
        metavar="URL",
        help="Where Postrider's API is. Default: on this machine, at the port of POSTRIDER_LISTEN_ADDRESS (8071).",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="POSTRIDER_TOKEN",
        help="An API token. Default, on this machine: one is made, as `postrider token` does.",
        show_envvar=True,
    ),
]
