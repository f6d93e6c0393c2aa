"""`postrider tokens`, and what a server makes of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from app import ids, tokens
from app.cli.main import command
from app.settings import Settings
from tests import factories
from tests.cli.command import one_line

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(settings: Settings, organization_id: str) -> Run:
    """Runs `postrider tokens` for the test's organization, in a thread, because it brings its own event loop."""
    assert settings.jwt_secret is not None
    secret = settings.jwt_secret.get_secret_value()
    named = {"POSTRIDER_DB_DSN": settings.db_dsn, "POSTRIDER_JWT_SECRET": secret, "ORG": organization_id}

    async def run(*words: str, **changed: str) -> Result:
        environment = named | {f"POSTRIDER_{name}": value for name, value in changed.items()}
        return await asyncio.to_thread(lambda: CliRunner().invoke(command, ["tokens", *words], env=environment))

    return run


async def status(app: FastAPI, token: str) -> int:
    """What a token gets, once this process has asked what changed."""
    await app.state.token_watch.ask()
    async with factories.client_of(app, token) as bearer:
        return (await bearer.get("/app")).status_code


async def test_a_token_is_made_listed_and_revoked(
    app: FastAPI, client: httpx.AsyncClient, run: Run, organization_id: str
) -> None:
    scopes = ["read", "v1.endpoint.*", "v1.ingest.source.trigger"]
    made = await run("create", "For the shop", *(part for scope in scopes for part in ("--scope", scope)))
    assert (made.exit_code, made.stderr) == (0, "")
    token = one_line(made.stdout)
    assert await status(app, token) == 200
    (listed,) = json.loads((await run("list", "--json")).stdout)
    assert (listed["name"], listed["scopes"]) == ("For the shop", scopes)
    line = one_line((await run("list")).stdout)
    assert line.split()[:2] == [listed["id"], f"sk_…{token[-4:]}"]
    assert line.endswith("ends never  read,v1.endpoint.*,v1.ingest.source.trigger  For the shop")
    assert (await client.get(f"/management/authentication/{organization_id}/api-token")).json()["data"] == [
        {name: value for name, value in listed.items() if value is not None}
    ]
    assert one_line((await run("revoke", listed["id"])).stdout) == f"{listed['id']} is revoked"
    assert await status(app, token) == 401
    log = (await client.get("/audit-log", params={"target": listed["id"]})).json()["data"]
    assert [entry["operation"] for entry in log] == ["cli.tokens.revoke", "cli.tokens.create"]
    assert {entry["actor"]["kind"] for entry in log} == {"operator"}
    assert all(entry["actor"]["id"] for entry in log)


async def test_a_token_is_revoked_by_its_text(app: FastAPI, run: Run) -> None:
    made = json.loads((await run("create", "leaked", "--json")).stdout)
    assert "scopes" not in made
    ran = await run("revoke", made["token"], ORG=ids.new_id("org"))
    assert (ran.exit_code, one_line(ran.stdout)) == (0, f"{made['id']} is revoked")
    assert await status(app, made["token"]) == 401


async def test_a_jwt_of_an_organization_is_revoked_by_its_text(app: FastAPI, token: str, run: Run) -> None:
    assert await status(app, token) == 200
    ran = await run("revoke", token)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert token not in ran.stdout
    assert await status(app, token) == 401


async def test_a_token_can_be_revoked_in_a_while(app: FastAPI, run: Run) -> None:
    made = json.loads((await run("create", "old", "--json")).stdout)
    assert (await run("revoke", made["id"], "--after", "60")).stdout == f"{made['id']} is revoked in 60 seconds\n"
    assert await status(app, made["token"]) == 200
    assert "ends 20" in (await run("list")).stdout


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("create", "x", "--scope", "v1.nothing"), 1, "v1.nothing"),
        (("create", ""), 2, "at least 1 character"),
        (("create", "x", "--organization", "org_x"), 2, "is not an organization's id"),
        (("revoke", ids.new_id("key")), 1, "there is no such token in this organization"),
        (("revoke", "key_xxx"), 1, "there is no such token in this organization: key_xxx"),
        (("revoke", tokens.new_api_token()), 1, "nobody has this token"),
        (("revoke", tokens.issue("another secret, of another installation, of 48 bytes", "HS256")), 1, "Invalid token"),
    ],
    ids=["scope", "name", "organization", "id", "no id", "text", "jwt"],
)
async def test_what_cannot_be_done_is_said_in_one_line(run: Run, words: tuple[str, ...], code: int, text: str) -> None:
    ran = await run(*words)
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert text in one_line(ran.stderr)


async def test_a_database_that_is_away_is_worth_another_try(run: Run, closed_port: int) -> None:
    ran = await run("list", DB_DSN=f"postgresql://postgres@127.0.0.1:{closed_port}/x")
    assert ran.exit_code == 75
    assert "Postgres cannot be reached" in one_line(ran.stderr)
