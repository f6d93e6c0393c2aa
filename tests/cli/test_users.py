"""`postrider users` and `postrider dashboard`, and what a server makes of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from app.cli.main import command
from app.settings import Settings
from tests import factories
from tests.api.people import PASSWORD, email, sign_in
from tests.cli.command import one_line

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(settings: Settings, organization_id: str) -> Run:
    """Runs `postrider` for the test's organization, in a thread, because it brings its own event loop."""
    assert settings.jwt_secret is not None
    assert settings.main_secret is not None
    named = {
        "POSTRIDER_DB_DSN": settings.db_dsn,
        "POSTRIDER_JWT_SECRET": settings.jwt_secret.get_secret_value(),
        "POSTRIDER_MAIN_SECRET": settings.main_secret.get_secret_value(),
        "ORG": organization_id,
    }

    async def run(*words: str, stdin: str | None = None, **changed: str) -> Result:
        environment = named | {f"POSTRIDER_{name}": value for name, value in changed.items()}
        return await asyncio.to_thread(lambda: CliRunner().invoke(command, words, input=stdin, env=environment))

    return run


async def test_a_user_is_made_with_a_password_listed_disabled_and_enabled(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, run: Run
) -> None:
    address = email()
    words = ("users", "create", address.upper(), "--role", "admin", "--password-stdin")
    made = await run(*words, stdin=f"{PASSWORD}\n")
    assert (made.exit_code, one_line(made.stdout)) == (0, f"{address} may sign in now")
    assert (await sign_in(anonymous, address)).status_code == 200
    (listed,) = json.loads((await run("users", "list", "--json")).stdout)
    assert (listed["email"], listed["role"], listed["hasPassword"]) == (address, "admin", True)
    assert one_line((await run("users", "disable", address)).stdout) == f"{address} is disabled"
    assert (await sign_in(anonymous, address)).status_code == 401
    assert one_line((await run("users", "list")).stdout).endswith("disabled")
    assert (await run("users", "enable", address)).exit_code == 0
    changed = await run("users", "set-password", address, "--password-stdin", stdin="another password\n")
    assert changed.exit_code == 0, changed.output
    assert (await sign_in(anonymous, address)).status_code == 401
    assert (await sign_in(anonymous, address, "another password")).status_code == 200
    log = (await client.get("/audit-log", params={"target": listed["id"]})).json()["data"]
    by_cli = [entry["operation"] for entry in log if entry["actor"]["kind"] == "operator"]
    assert by_cli == [f"cli.users.{word}" for word in ("set-password", "enable", "disable", "create")]
    assert PASSWORD not in str(log)


async def test_a_user_without_a_password_gets_a_link_to_choose_one(anonymous: httpx.AsyncClient, run: Run) -> None:
    made = await run("users", "create", email(), PUBLIC_URL="https://hooks.example.com/")
    url = one_line(made.stdout)
    head, _, invitation = url.partition("#")
    assert head == "https://hooks.example.com/dashboard/invitation"
    answer = await anonymous.post("/auth/sign-in/invitation", json={"invitation": invitation, "password": PASSWORD})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("words", "stdin", "text"),
    [
        (("create", "ada"), None, "email"),
        (("create", "ada@example.com", "--role", "owner"), None, "viewer, editor or admin"),
        (("create", "ada@example.com", "--password-stdin"), "short\n", "12 to 256 characters"),
        (("disable", "nobody@example.com"), None, "postrider users list"),
        (("create", "ada@example.com", "--organization", "org_1"), None, "organization's id"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    run: Run, words: tuple[str, ...], stdin: str | None, text: str
) -> None:
    refused = await run("users", *words, stdin=stdin)
    assert refused.exit_code in {1, 2}
    assert text in one_line(refused.stderr)


async def test_the_link_to_the_dashboard_signs_in_once(
    app: FastAPI, client: httpx.AsyncClient, anonymous: httpx.AsyncClient, run: Run, organization_id: str
) -> None:
    made = await run("dashboard", LISTEN_ADDRESS="0.0.0.0:8071")
    assert made.exit_code == 0, made.output
    head, _, one_time = one_line(made.stdout).partition("#key=")
    assert head == "http://127.0.0.1:8071/dashboard/sign-in"
    answers = [await anonymous.post("/auth/one-time-token", json={"oneTimeToken": one_time}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    async with factories.client_of(app, answers[0].json()["token"]) as own:
        who = (await own.get("/auth/whoami")).json()
        assert (who["envId"], who["sessionId"].startswith("cli-")) == (organization_id, True)
        assert (await own.get("/user")).status_code == 200
    operations = [one["operation"] for one in (await client.get("/audit-log")).json()["data"]]
    assert operations == ["v1.authentication.exchange-one-time-token", "cli.dashboard"]
