"""Users: an administrator keeps them, they choose their passwords, and what is taken from them ends at once."""

import httpx
import pytest
from fastapi import FastAPI

from app import scopes
from app.db.session import Database
from app.db.user.credentials import find_credentials
from tests import factories
from tests.api.operations import operations
from tests.api.people import PASSWORD, SIGN_IN, Person, email, invitation_of, invite, person, sign_in

# What an editor may not do: people, tokens that outlive whoever made them, what holds for the whole organization, and
# what destroys in bulk. Whoever adds an operation finds it among those that editors may do, or adds it here.
ADMINISTRATORS = {
    *(f"v1.user.{what}" for what in ("list", "create", "get", "patch", "delete", "invite")),
    *(f"v1.management.environment.{what}" for what in ("list", "create", "get", "update", "delete")),
    *(f"v1.management.authentication.{what}-api-token" for what in ("create", "update", "patch", "expire")),
    *(f"v1.management.environment-settings.{what}" for what in ("update", "patch")),
    *(
        f"v1.operational-webhook.endpoint.{what}"
        for what in ("create", "upsert", "delete", "get-secret", "rotate-secret", "set-headers")
    ),
    *("v1.environment.export", "v1.environment.import", "v1.authentication.create-message-token"),
    *("v1.message.bulk-expunge-content", "v1.message.expunge-all-contents"),
}


async def status(app: FastAPI, person: Person, path: str = "/app") -> int:
    """What the person's token gets, once this process has asked what changed."""
    await app.state.token_watch.ask()
    async with person.client(app) as client:
        return (await client.get(path)).status_code


def test_an_editor_may_do_everything_but_what_is_an_administrators(app: FastAPI) -> None:
    editor, viewer = scopes.ROLES["editor"], scopes.ROLES["viewer"]
    assert editor is not None
    assert viewer is not None
    known = operations(app)
    refused = {one.name for one in known if not scopes.allows(editor, one.name, one.method)}
    # Environments are nobody's but the management's, who may read them.
    assert refused == {name for name in ADMINISTRATORS if not name.startswith("v1.management.environment.")} | {
        f"v1.management.environment.{what}" for what in ("create", "update", "delete")
    }
    allowed = {one.name for one in known if scopes.allows(viewer, one.name, one.method)}
    changing = {one.name for one in known if one.method not in {"GET", "HEAD"}} & allowed
    assert changing == {
        *("v1.message.search", "v1.message.precheck", "v1.account.change-password", "v1.account.end-session")
    }
    assert not [name for name in allowed if "secret" in name]


async def test_an_invited_user_chooses_a_password_and_signs_in_with_it(
    app: FastAPI, client: httpx.AsyncClient, anonymous: httpx.AsyncClient, organization_id: str, database: Database
) -> None:
    made = await invite(client, "viewer", email=f"  {email().upper()} ", name="Ada")
    address = made["user"]["email"]
    assert address == address.strip().lower()
    assert (made["user"]["role"], made["user"]["hasPassword"], made["user"]["name"]) == ("viewer", False, "Ada")
    assert (await sign_in(anonymous, address)).status_code == 401
    body = {"invitation": invitation_of(made), "password": PASSWORD}
    accepted = await anonymous.post(f"{SIGN_IN}/invitation", json=body)
    assert accepted.json()["userId"] == made["user"]["id"]
    # It is good once.
    assert (await anonymous.post(f"{SIGN_IN}/invitation", json=body)).status_code == 401
    signed_in = await sign_in(anonymous, address.upper())
    assert signed_in.status_code == 200, signed_in.text
    async with factories.client_of(app, signed_in.json()["token"]) as own:
        assert (await own.get("/auth/whoami")).json()["envId"] == organization_id
        assert (await own.get("/app")).status_code == 200
        assert (await own.post("/app", json={"name": "Mine"})).status_code == 403
    kept = await find_credentials(database.pool, address)
    assert kept is not None
    assert kept.password is not None
    assert kept.password.startswith(b"$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("password", ["too short!!", "x" * 257])
async def test_a_password_has_12_to_256_characters(client: httpx.AsyncClient, password: str) -> None:
    made = await invite(client)
    body = {"invitation": invitation_of(made), "password": password}
    assert (await client.post(f"{SIGN_IN}/invitation", json=body)).status_code == 422


@pytest.mark.parametrize(
    "wrong", ["ada", "ada@", "@example.com", "a da@example.com", "ada@example.com@", "a\n@b.example"]
)
async def test_an_email_must_be_one(client: httpx.AsyncClient, wrong: str) -> None:
    answer = await client.post("/user", json={"email": wrong, "role": "viewer"})
    assert answer.status_code == 422


async def test_an_email_is_one_users_however_it_is_written(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    made = await invite(client)
    again = {"email": made["user"]["email"].upper(), "role": "viewer"}
    assert (await client.post("/user", json=again)).status_code == 409
    assert (await stranger.post("/user", json=again)).status_code == 409
    assert (await client.delete(f"/user/{made['user']['id']}")).status_code == 204
    assert (await stranger.post("/user", json=again)).status_code == 200


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"disabled": True}, None])
async def test_who_gets_another_role_or_is_disabled_or_deleted_is_signed_out_at_once(
    app: FastAPI, client: httpx.AsyncClient, anonymous: httpx.AsyncClient, change: dict[str, object] | None
) -> None:
    ada, bob = await person(client), await person(client)
    assert (await status(app, ada), await status(app, bob)) == (200, 200)
    path = f"/user/{ada.id}"
    answer = await (client.delete(path) if change is None else client.patch(path, json=change))
    assert answer.is_success
    assert (await status(app, ada), await status(app, bob)) == (401, 200)
    again = await sign_in(anonymous, ada.email)
    assert again.status_code == (200 if change == {"role": "viewer"} else 401)


async def test_a_new_name_signs_nobody_out(app: FastAPI, client: httpx.AsyncClient) -> None:
    ada = await person(client)
    assert (await client.patch(f"/user/{ada.id}", json={"name": "Ada"})).json()["name"] == "Ada"
    assert await status(app, ada) == 200


async def test_nobody_takes_their_own_rights(app: FastAPI, client: httpx.AsyncClient) -> None:
    ada = await person(client)
    async with ada.client(app) as own:
        for change in ({"role": "viewer"}, {"disabled": True}):
            assert (await own.patch(f"/user/{ada.id}", json=change)).status_code == 400
        assert (await own.delete(f"/user/{ada.id}")).status_code == 400
        assert (await own.patch(f"/user/{ada.id}", json={"role": "admin", "name": "Ada"})).status_code == 200
    assert await status(app, ada) == 200


async def test_only_administrators_see_and_keep_users(app: FastAPI, client: httpx.AsyncClient) -> None:
    editor, admin = await person(client, "editor"), await person(client)
    async with editor.client(app) as own:
        assert (await own.get("/user")).status_code == 403
        assert (await own.patch(f"/user/{editor.id}", json={"role": "admin"})).status_code == 403
        assert (await own.post("/app", json={"name": "Mine"})).status_code == 201
    async with admin.client(app) as own:
        listed = (await own.get("/user")).json()["data"]
        assert {one["email"] for one in listed} == {editor.email, admin.email}


async def test_a_token_with_the_scope_read_does_not_show_users(
    app: FastAPI, client: httpx.AsyncClient, organization_id: str
) -> None:
    path = f"/management/authentication/{organization_id}/api-token"
    made = await client.post(path, json={"name": "Reader", "scopes": ["read"]})
    async with factories.client_of(app, made.json()["token"]) as reader:
        assert (await reader.get("/user")).status_code == 403
        assert (await reader.get("/account")).status_code == 404


async def test_the_audit_log_says_who_it_was_even_when_they_are_gone(app: FastAPI, client: httpx.AsyncClient) -> None:
    ada = await person(client)
    async with ada.client(app) as own:
        application = (await factories.create_application(own))["id"]
    assert (await client.delete(f"/user/{ada.id}")).status_code == 204
    found = (await client.get("/audit-log", params={"actor": ada.id})).json()["data"]
    assert [one["operation"] for one in found] == ["v1.application.create", "v1.authentication.accept-invitation"]
    assert {(one["actor"]["kind"], one["actor"]["email"]) for one in found} == {("user", ada.email)}
    assert found[0]["target"] == application
    assert "argon2" not in str(found)


async def test_an_account_shows_itself_and_changes_its_password(
    app: FastAPI, client: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    ada = await person(client, "viewer")
    other = (await sign_in(anonymous, ada.email)).json()["token"]
    new = "another password of hers"
    async with ada.client(app) as own:
        assert (await own.get("/account")).json()["user"]["email"] == ada.email
        wrong = await own.post("/account/password", json={"currentPassword": "not this one", "newPassword": new})
        assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "currentPassword"])
        changed = await own.post("/account/password", json={"currentPassword": PASSWORD, "newPassword": new})
    assert changed.status_code == 200, changed.text
    statuses = [await status(app, Person(ada.id, ada.email, token)) for token in (ada.token, other)]
    assert statuses == [401, 401]
    assert await status(app, Person(ada.id, ada.email, changed.json()["token"])) == 200
    assert (await sign_in(anonymous, ada.email)).status_code == 401
    assert (await sign_in(anonymous, ada.email, new)).status_code == 200


async def test_a_new_invitation_replaces_the_one_before_and_expires(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, database: Database
) -> None:
    made = await invite(client)
    second = (await client.post(f"/user/{made['user']['id']}/invite")).json()
    for invitation, expected in ((made, 401), (second, 200)):
        body = {"invitation": invitation_of(invitation), "password": PASSWORD}
        assert (await anonymous.post(f"{SIGN_IN}/invitation", json=body)).status_code == expected
    third = (await client.post(f"/user/{made['user']['id']}/invite")).json()
    await database.pool.execute(
        "UPDATE users SET invitation_expires_at = now() - interval '1 s' WHERE id = $1", made["user"]["id"]
    )
    body = {"invitation": invitation_of(third), "password": PASSWORD}
    assert (await anonymous.post(f"{SIGN_IN}/invitation", json=body)).status_code == 401
