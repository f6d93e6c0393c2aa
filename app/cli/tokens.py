"""`postrider tokens`: what can be asked for. What it does is in api_tokens.py, which takes a while to import."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from app import ids

Organization = Annotated[
    str, typer.Option("--organization", envvar="ORG", help="The organization whose tokens these are.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_tokens(organization: Organization = ids.DEFAULT_ORGANIZATION_ID, as_json: AsJson = False) -> None:
    """List an organization's API tokens (those that begin with sk_), oldest first, and what each may do."""
    from app.cli import api_tokens

    api_tokens.list_tokens(organization or ids.DEFAULT_ORGANIZATION_ID, as_json)


def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may do: read, publish, an operation, a prefix with .*; repeat it. Default: all."),
    ] = None,
    organization: Organization = ids.DEFAULT_ORGANIZATION_ID,
    management: Annotated[
        bool, typer.Option("--management", help="One that manages environments, and does nothing else.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create an API token that can be revoked, and print it. It is shown this once: only its hash is kept."""
    from app.cli import api_tokens

    owner = ids.MANAGEMENT_ORGANIZATION_ID if management else organization or ids.DEFAULT_ORGANIZATION_ID
    api_tokens.create_token(name, scope or [], owner, as_json)


def revoke_token(
    token: Annotated[str, typer.Argument(help="The id of an API token (key_…), or the text of any token.")],
    after: Annotated[int, typer.Option(min=0, max=259_200, help="In how many seconds; an API token only.")] = 0,
    organization: Organization = ids.DEFAULT_ORGANIZATION_ID,
) -> None:
    """Refuse a token for good: an API token by its id or text, a JWT by its text. Servers know within seconds."""
    from app.cli import api_tokens

    api_tokens.revoke_token(token, after, organization or ids.DEFAULT_ORGANIZATION_ID)


TOKENS: Final[dict[str, Callable[..., None]]] = {"list": list_tokens, "create": create_token, "revoke": revoke_token}
