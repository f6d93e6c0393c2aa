"""Sign-in with OpenID Connect, against a real provider on loopback: who it says it is gets in, and nobody else."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey, OctKey
from pydantic import SecretStr

from app import clock, ids
from app.settings import Settings
from tests import factories
from tests.api.people import PASSWORD, invitation_of
from tests.factories import Json
from tests.web.browsing import browser_of as browser_of_pages
from tests.web.openid_provider import CLIENT, SECRET, OpenIdProvider, new_key, providing

REDIRECT = "https://postrider.example.com/dashboard/sign-in/openid"
OPENID = "/auth/sign-in/openid"


@pytest.fixture(scope="module")
async def running_provider() -> AsyncIterator[OpenIdProvider]:
    async with providing() as running:
        yield running


@pytest.fixture
def provider(running_provider: OpenIdProvider, openid_app: FastAPI) -> OpenIdProvider:
    """A provider at which somebody is signed in, of whom nobody has heard."""
    subject = factories.unique("subject")
    running_provider.reset(
        {
            "sub": subject,
            "email": f"{subject.title()}@Staff.Example.com",
            "email_verified": True,
            "name": "Ada Lovelace",
            "realm_access": {"roles": ["everybody", "webhooks-editor"]},
        }
    )
    forget(openid_app)
    return running_provider


def forget(app: FastAPI) -> None:
    """As if the provider had been asked long ago."""
    app.state.openid._fetcher._kept.clear()
    app.state.openid._fetcher._failed.clear()


@pytest.fixture(scope="module")
async def openid_app(settings: Settings, running_provider: OpenIdProvider) -> AsyncIterator[FastAPI]:
    changed = settings.model_copy(
        update={
            "oidc_issuer": running_provider.issuer,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SecretStr(SECRET),
            "oidc_role_claim": "realm_access.roles",
            "oidc_role_admin": ("webhooks-admin",),
            "oidc_role_editor": ("webhooks-editor",),
            "oidc_role_viewer": ("webhooks-viewer",),
            "oidc_allowed_domains": ("staff.example.com",),
        }
    )
    async with factories.running(changed) as app:
        yield app


@pytest.fixture
async def browser_of(openid_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with factories.client_of(openid_app) as opened:
        yield opened


async def begin(client: httpx.AsyncClient, wanted: str = "") -> tuple[Json, Json]:
    """What is begun, and with what the provider sends the browser back."""
    answer = await client.post(f"{OPENID}/begin", json={"redirectUri": REDIRECT, "next": wanted})
    assert answer.status_code == 200, answer.text
    begun = answer.json()
    async with httpx.AsyncClient() as browser:
        sent = await browser.get(begun["url"])
    back = urlsplit(sent.headers["location"])
    assert sent.headers["location"].startswith(f"{REDIRECT}?")
    query = parse_qs(back.query)
    return begun, {"code": query["code"][0], "state": query["state"][0], "pending": begun["pending"]}


async def sign_in(client: httpx.AsyncClient) -> httpx.Response:
    _, back = await begin(client)
    return await client.post(f"{OPENID}/finish", json=back)


async def role_of(app: FastAPI, answer: httpx.Response) -> Any:
    async with factories.client_of(app, answer.json()["token"]) as own:
        return (await own.get("/account")).json()["user"]["role"]


async def test_who_the_provider_knows_signs_in_with_the_role_that_it_says(
    openid_app: FastAPI, browser_of: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    assert (await browser_of.get("/auth/sign-in")).json() == {"singleSignOn": True}
    _, back = await begin(browser_of, "/dashboard/app?order=descending")
    answer = await browser_of.post(f"{OPENID}/finish", json=back)
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] == "/dashboard/app?order=descending"
    async with factories.client_of(openid_app, answer.json()["token"]) as own:
        user = (await own.get("/account")).json()["user"]
        assert (await own.get("/auth/whoami")).json()["envId"] == ids.DEFAULT_ORGANIZATION_ID
    assert user["email"] == provider.person["email"].lower()
    assert (user["role"], user["name"]) == ("editor", "Ada Lovelace")
    assert (user["singleSignOn"], user["hasPassword"]) == (True, False)
    # A code is good once.
    assert (await browser_of.post(f"{OPENID}/finish", json=back)).status_code == 401
    # What the provider says of itself, and its keys, are asked for once.
    assert (await sign_in(browser_of)).json()["userId"] == user["id"]
    assert (provider.asked.count("configuration"), provider.asked.count("keys")) == (1, 1)


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        ({"nonce": "another"}, "is for another sign-in"),
        ({"nonce": None}, "is for another sign-in"),
        ({"aud": "somebody-else"}, "is for another client"),
        ({"aud": [CLIENT, "somebody-else"]}, "for which of several"),
        ({"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"}, "is for another client"),
        ({"azp": "somebody-else"}, "is for another client"),
        ({"iss": "http://127.0.0.1:1"}, "is from another issuer"),
        ({"exp": 1_700_000_000}, "has expired"),
        ({"exp": None}, "a time that is none"),
        ({"exp": "soon"}, "a time that is none"),
        ({"iat": 1_700_000_000}, "has expired"),
        ({"iat": 4_000_000_000}, "not valid yet"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"sub": ""}, "who it is"),
        ({"email_verified": False}, "has not verified"),
        ({"email_verified": None}, "has not verified"),
        ({"email": None}, "no email address"),
        ({"email": "ada@example.com@staff.example.com"}, "no email address"),
        ({"email_verified": []}, "has not verified"),
        ({"email": "ada@elsewhere.example.com"}, "this domain"),
        # With a Kelvin sign, which in lower case is a k.
        ({"email": "bo\u212a@staff.example.com"}, "no email address"),
        ({"realm_access": {"roles": ["everybody"]}}, "a role"),
        ({"realm_access": "webhooks-admin"}, "a role"),
    ],
)
async def test_a_token_that_says_anything_else_lets_nobody_in(
    browser_of: httpx.AsyncClient, provider: OpenIdProvider, spoiled: dict[str, Any], reason: str
) -> None:
    provider.spoil = spoiled
    answer = await sign_in(browser_of)
    assert answer.status_code == 401
    assert reason in answer.json()["detail"]


async def test_a_token_for_several_clients_that_names_us_is_for_us(
    browser_of: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    provider.spoil = {"aud": [CLIENT, "somebody-else"], "azp": CLIENT}
    assert (await sign_in(browser_of)).status_code == 200


async def test_new_keys_are_asked_for_and_unknown_ones_are_not_believed(
    browser_of: httpx.AsyncClient, provider: OpenIdProvider, openid_app: FastAPI
) -> None:
    assert (await sign_in(browser_of)).status_code == 200
    provider.key = new_key("unshown")
    refused = await sign_in(browser_of)
    assert refused.status_code == 401
    assert "a key that the provider does not show" in refused.json()["detail"]
    provider.shown.append(provider.key)
    provider.rotate(ECKey.generate_key("P-256", {"kid": "second", "use": "sig"}))
    provider.algorithm = "ES256"
    # What was asked for a moment ago is not asked for again for each that comes.
    assert (await sign_in(browser_of)).status_code == 401
    forget(openid_app)
    assert (await sign_in(browser_of)).status_code == 200


async def test_no_other_algorithm_is_taken(browser_of: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    # Signed with what everybody knows, as if it were a secret.
    provider.rotate(OctKey.import_key({"kty": "oct", "kid": "first", "k": provider.key.as_dict(private=False)["n"]}))
    provider.algorithm = "HS256"
    answer = await sign_in(browser_of)
    assert answer.status_code == 401
    assert "algorithm" in answer.json()["detail"]


async def test_a_sign_in_is_finished_by_the_browser_that_began_it(
    browser_of: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    _, ours = await begin(browser_of)
    _, theirs = await begin(browser_of)
    for mixed in (
        {**ours, "state": theirs["state"]},
        {**ours, "pending": theirs["pending"]},
        {**ours, "pending": ours["pending"][:-8] + "AAAAAAA="},
        {**ours, "pending": "nothing that was sealed"},
        {**ours, "state": "é"},
    ):
        answer = await browser_of.post(f"{OPENID}/finish", json=mixed)
        assert (answer.status_code, "Begin it again" in answer.json()["detail"]) == (401, True)
    assert (await browser_of.post(f"{OPENID}/finish", json=ours)).status_code == 200


async def test_a_sign_in_that_was_begun_too_long_ago_is_not_finished(
    browser_of: httpx.AsyncClient, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, back = await begin(browser_of)
    later = clock.unix() + 601
    monkeypatch.setattr(clock, "unix", lambda: later)
    assert (await browser_of.post(f"{OPENID}/finish", json=back)).status_code == 401


async def test_a_code_of_another_sign_in_is_of_no_use(browser_of: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    _, ours = await begin(browser_of)
    _, theirs = await begin(browser_of)
    # PKCE: only who began can exchange it.
    answer = await browser_of.post(f"{OPENID}/finish", json={**ours, "code": theirs["code"]})
    assert answer.status_code == 401


async def test_another_role_at_the_provider_is_another_role_here_and_ends_what_was(
    openid_app: FastAPI, browser_of: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    first = await sign_in(browser_of)
    provider.spoil = {"realm_access": {"roles": ["webhooks-viewer"]}}
    second = await sign_in(browser_of)
    assert second.json()["userId"] == first.json()["userId"]
    await openid_app.state.token_watch.ask()
    assert await role_of(openid_app, second) == "viewer"
    async with factories.client_of(openid_app, first.json()["token"]) as own:
        assert (await own.get("/account")).status_code == 401


async def test_an_invited_user_may_come_by_single_sign_on_and_a_disabled_one_may_not(
    settings: Settings, openid_app: FastAPI, browser_of: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    from app import tokens

    assert settings.jwt_secret is not None
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm)
    async with factories.client_of(openid_app, token) as owner:
        made = (await owner.post("/user", json={"email": provider.person["email"], "role": "admin"})).json()["user"]
        signed_in = await sign_in(browser_of)
        assert signed_in.json()["userId"] == made["id"]
        assert await role_of(openid_app, signed_in) == "editor"
        # Another account of the provider does not become the same user.
        provider.spoil = {"sub": factories.unique("subject")}
        assert (await sign_in(browser_of)).status_code == 401
        provider.spoil = {}
        assert (await owner.patch(f"/user/{made['id']}", json={"disabled": True})).is_success
        assert (await sign_in(browser_of)).status_code == 401


async def test_a_password_that_was_chosen_before_the_user_came_is_of_no_use_afterwards(
    settings: Settings, openid_app: FastAPI, browser_of: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    from app import tokens

    assert settings.jwt_secret is not None
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm)
    async with factories.client_of(openid_app, token) as owner:
        made = (await owner.post("/user", json={"email": provider.person["email"], "role": "admin"})).json()
        # Whoever made the invitation can accept it.
        invitation = invitation_of(made)
        before = await owner.post("/auth/sign-in/invitation", json={"invitation": invitation, "password": PASSWORD})
        assert (await owner.post(f"/user/{made['user']['id']}/invite")).is_success
        assert (await sign_in(browser_of)).json()["userId"] == made["user"]["id"]
        user = (await owner.get(f"/user/{made['user']['id']}")).json()
        assert (user["hasPassword"], "invitedUntil" in user) == (False, False)
        body = {"email": provider.person["email"], "password": PASSWORD}
        assert (await owner.post("/auth/sign-in", json=body)).status_code == 401
        await openid_app.state.token_watch.ask()
        async with factories.client_of(openid_app, before.json()["token"]) as former:
            assert (await former.get("/account")).status_code == 401
        # Who is invited afterwards may have one.
        again = invitation_of((await owner.post(f"/user/{made['user']['id']}/invite")).json())
        accepted = await owner.post("/auth/sign-in/invitation", json={"invitation": again, "password": PASSWORD})
        assert accepted.status_code == 200
        assert (await sign_in(browser_of)).is_success
        assert (await owner.post("/auth/sign-in", json=body)).status_code == 200


async def test_a_provider_that_is_away_or_confused_is_no_fault_of_the_user(
    browser_of: httpx.AsyncClient, provider: OpenIdProvider, openid_app: FastAPI
) -> None:
    provider.token_status = 500
    assert (await sign_in(browser_of)).status_code == 503
    issuer, provider.issuer = provider.issuer, "http://127.0.0.1:1"
    forget(openid_app)
    answer = await browser_of.post(f"{OPENID}/begin", json={"redirectUri": REDIRECT})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    provider.issuer = issuer


async def test_a_browser_is_led_to_the_provider_and_back_to_where_it_wanted(
    openid_app: FastAPI, provider: OpenIdProvider
) -> None:
    async with browser_of_pages(openid_app) as visitor, httpx.AsyncClient() as abroad:
        page = await visitor.get("/dashboard/sign-in", params={"next": "/dashboard/token"})
        (link,) = re.findall(r'href="(/dashboard/sign-in/openid/begin[^"]*)"', page.text)
        away = await visitor.get(link)
        assert away.headers["location"].startswith(f"{provider.issuer}/authorize?")
        (pending,) = away.headers.get_list("set-cookie")
        assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(pending.split("; "))
        back = (await abroad.get(away.headers["location"])).headers["location"]
        assert back.startswith("http://postrider.test/dashboard/sign-in/openid?")
        # Who did not begin it is not signed in by it.
        async with browser_of_pages(openid_app) as other:
            assert (await other.get(back)).status_code == 401
        home = await visitor.get(back)
        assert (home.status_code, home.headers["location"]) == (303, "/dashboard/token")
        assert "postrider_pending" not in visitor.cookies
        account = await visitor.get("/dashboard/account")
        assert provider.person["email"].lower() in account.text
        assert "single sign-on" in account.text
        assert 'name="current"' not in account.text
        # What was answered once is of no use again.
        visitor.cookies.clear()
        assert (await visitor.get(back)).status_code == 401


async def test_what_the_provider_refuses_is_said_and_not_rendered(openid_app: FastAPI) -> None:
    async with browser_of_pages(openid_app) as visitor:
        page = await visitor.get("/dashboard/sign-in/openid", params={"error": "<b>access_denied"})
        assert page.status_code == 401
        assert "&lt;b&gt;access_denied" in page.text
        for target in ("https://evil.example", "//evil.example"):
            page = await visitor.get("/dashboard/sign-in", params={"next": target})
            assert "evil.example" not in page.text


async def test_without_settings_there_is_no_single_sign_on(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/auth/sign-in")).json() == {"singleSignOn": False}
    answer = await anonymous.post(f"{OPENID}/begin", json={"redirectUri": REDIRECT})
    assert answer.status_code == 404
