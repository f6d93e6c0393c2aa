"""`postrider users`, `postrider dashboard`: what can be asked for. What they do is in people.py, which takes a while to
import."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from app import ids

Organization = Annotated[
    str, typer.Option("--organization", envvar="ORG", help="The organization whose users these are.")
]
Email = Annotated[str, typer.Argument(help="By which the user signs in.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]
_DEFAULT: Final = ids.DEFAULT_ORGANIZATION_ID


def list_users(
    organization: Organization = _DEFAULT, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List those who may sign in to an organization's dashboard, oldest first."""
    from app.cli import people

    people.list_users(organization or _DEFAULT, as_json)


def create_user(
    email: Email,
    role: Annotated[str, typer.Option(help="viewer, editor or admin.")] = "viewer",
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a password now.")] = False,
    from_stdin: FromStdin = False,
    organization: Organization = _DEFAULT,
) -> None:
    """Create a user, and print the link with which they choose a password; or give them one, and print nothing."""
    from app.cli import people

    people.create_user(
        email, role, name, people.read_password(ask=password, stdin=from_stdin), organization or _DEFAULT
    )


def set_password(email: Email, from_stdin: FromStdin = False, organization: Organization = _DEFAULT) -> None:
    """Give a user another password, which signs them out everywhere."""
    from app.cli import people

    password = people.read_password(ask=True, stdin=from_stdin)
    people.set_password(email, password or "", organization or _DEFAULT)


def disable_user(email: Email, organization: Organization = _DEFAULT) -> None:
    """Sign a user out everywhere, and let them sign in no more."""
    from app.cli import people

    people.change_user(email, True, organization or _DEFAULT)


def enable_user(email: Email, organization: Organization = _DEFAULT) -> None:
    """Let a user sign in again who was disabled."""
    from app.cli import people

    people.change_user(email, False, organization or _DEFAULT)


def dashboard(
    organization: Organization = _DEFAULT,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser, too.")] = False,
) -> None:
    """Print a link that signs in to the dashboard, once and within ten minutes, as an administrator."""
    from app.cli import people

    people.dashboard(organization or _DEFAULT, open_it)


USERS: Final[dict[str, Callable[..., None]]] = {
    "list": list_users,
    "create": create_user,
    "set-password": set_password,
    "disable": disable_user,
    "enable": enable_user,
}
