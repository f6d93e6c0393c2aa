"""The panel that explains a message, on both sites."""

import html
import re

import httpx
import pytest
from fastapi import FastAPI

from app import clock
from app.db.session import Database
from tests import factories
from tests.api.shop import Shop
from tests.web.portals import Visitor, visit

MARK = '<b title="x">&\'{{ 7 * 7 }}</b>'


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    application_id: str = (await factories.create_application(client))["id"]
    return application_id


async def operator(app: FastAPI, token: str) -> Visitor:
    visitor = Visitor(app)
    assert (await visitor.post("/dashboard/sign-in", {"token": token})).status_code == 303
    return visitor


def text_of(page: httpx.Response) -> str:
    """What stands on a page, without its elements."""
    assert page.status_code == 200, page.text
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


async def test_each_endpoint_says_why_on_both_sites(
    app: FastAPI, client: httpx.AsyncClient, token: str, application: str
) -> None:
    wanting = await factories.create_endpoint(client, application, factories.URL + "/wanting", uid="till")
    off = await factories.create_endpoint(client, application, factories.URL + "/off", disabled=True)
    message = (await factories.publish(client, application))["id"]
    later = await factories.create_endpoint(client, application, factories.URL + "/later")
    for site, visitor in (
        ("/dashboard", await operator(app, token)),
        ("/portal", await visit(app, client, application)),
    ):
        page = await visitor.get(f"{site}/app/{application}/msg/{message}/explain")
        text = text_of(page)
        assert "It is due now" in text
        assert "The endpoint is disabled." in text
        assert "The endpoint was created at" in text
        for endpoint in (wanting, off, later):
            assert f'href="{site}/app/{application}/endpoint/{endpoint["id"]}"' in page.text
        assert "<html" in page.text
        part = await visitor.get(f"{site}/app/{application}/msg/{message}/explain", **{"hx-request": "true"})
        assert "<html" not in part.text
        assert "The endpoint is disabled." in text_of(part)


async def test_what_was_tried_and_comes_next_is_shown_and_stored_texts_are_texts(
    app: FastAPI, client: httpx.AsyncClient, application: str, database: Database
) -> None:
    visitor = await visit(app, client, application)
    endpoint = (await factories.create_endpoint(client, application))["id"]
    shop = Shop(application, endpoint, database, clock.now())
    message = await shop.message()
    await shop.delivery(message, 1)
    attempt = await shop.attempt(message, code=0, response=MARK.encode())
    await shop.due(message, 3600, tries=1)
    page = await visitor.get(f"/portal/app/{application}/msg/{message}/explain")
    text = text_of(page)
    assert "Attempt 1 of 8 failed" in text
    assert "at most 7 more" in text
    assert f'href="/portal/app/{application}/msg/{message}/attempt/{attempt}"' in page.text
    assert MARK not in page.text
    assert html.escape(MARK, quote=False).replace('"', "&#34;").replace("'", "&#39;") in page.text


async def test_many_endpoints_are_paged_and_none_says_what_to_do(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    message = (await factories.publish(client, application))["id"]
    path = f"/portal/app/{application}/msg/{message}/explain"
    assert "The application has no endpoints." in text_of(await visitor.get(path))
    for _ in range(51):
        await factories.create_endpoint(client, application)
    first = await visitor.get(path)
    assert first.text.count("<tr>") == 51
    found = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert found is not None
    second = await visitor.get(html.unescape(found[1]))
    assert second.text.count("<tr>") == 2


async def test_a_portal_explains_no_message_of_another_application(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    other = (await factories.create_application(client))["id"]
    message = (await factories.publish(client, other))["id"]
    visitor = await visit(app, client, application)
    for named in (other, application):
        for headers in ({}, {"hx-request": "true"}):
            answer = await visitor.get(f"/portal/app/{named}/msg/{message}/explain", **headers)
            assert answer.status_code == 404
