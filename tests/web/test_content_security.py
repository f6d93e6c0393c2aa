"""What a page may not be: every one of both sites is looked at, whoever adds one."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from app.web.site import DASHBOARD, PORTAL
from tests.web.inventory import Inventory
from tests.web.portals import ADDRESS
from tests.web.reading import Document, Element
from tests.web.seeing import Seen, see

MOST_BYTES: Final = 150_000
# In a process that does other things meanwhile; what a page needs at a million messages is in test_speed.py.
MOST_SECONDS: Final = 3.0
POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# Elements that run, load or change how the rest is read.
FORBIDDEN: Final = ("style", "iframe", "frame", "object", "embed", "applet", "base", "template", "portal")
ADDRESSES: Final = (
    "href",
    "src",
    "action",
    "formaction",
    "poster",
    "data",
    "srcset",
    "xlink:href",
    "hx-get",
    "hx-post",
)


def test_every_page_of_both_sites_is_there(seen: list[Seen]) -> None:
    for each in seen:
        print(f"{each.answer.status_code} {each.seconds * 1000:6.0f} ms {each.bytes:7} bytes {each.page}")  # noqa: T201 - to be read with `pytest -s`
    assert {each.page: each.answer.status_code for each in seen if each.answer.status_code not in {200, 303}} == {}
    for site in (DASHBOARD, PORTAL):
        assert sum(each.is_html and each.page.startswith(site.prefix) for each in seen) > 3


def test_every_answer_forbids_what_is_not_ours_and_is_kept_by_nobody(seen: list[Seen]) -> None:
    for each in seen:
        headers = each.answer.headers
        assert headers["cache-control"] == "no-store", each.page
        assert headers["x-content-type-options"] == "nosniff", each.page
        assert headers["referrer-policy"] == "no-referrer", each.page
        assert not [name for name in headers if name.startswith("access-control-")], each.page
        if each.is_html and each.answer.status_code == 200:
            allowed = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
            assert allowed.pop("img-src").split()[:2] == ["'self'", "data:"], each.page
            # A portal's operator may have a font, as they may have a logo.
            fonts = {"font-src": "'self' https:"} if each.page.startswith(PORTAL.prefix) else {}
            assert allowed == POLICY | fonts, each.page


def test_no_page_has_a_script_or_a_style_of_its_own(seen: list[Seen]) -> None:
    wrong = {each.page: list(_inline(each.document)) for each in seen if each.is_html}
    assert {page: found for page, found in wrong.items() if found} == {}


def test_pages_lead_and_send_only_to_our_own_pages_and_to_addresses_of_the_web(seen: list[Seen]) -> None:
    wrong = {each.page: list(_strange_addresses(each.document)) for each in seen if each.is_html}
    assert {page: found for page, found in wrong.items() if found} == {}


def test_every_form_that_changes_something_proves_that_it_is_ours(seen: list[Seen]) -> None:
    for each in seen:
        if each.is_html and each.answer.status_code == 200:
            document = each.document
            posting = [form for form in document.named("form") if form.attributes.get("method") == "post"]
            proofs = [field for field in document.named("input") if field.attributes.get("name") == "csrf"]
            assert len(proofs) >= len(posting), each.page
            assert all(proof.attributes["value"] for proof in proofs) or "/sign-in" in each.page, each.page


def test_no_page_holds_a_secret(seen: list[Seen], inventory: Inventory) -> None:
    for each in seen:
        held = [what for what, secret in inventory.secrets.items() if secret in each.answer.text]
        assert held == [], each.page


async def test_a_page_and_what_it_loads_are_small(app: FastAPI, seen: list[Seen]) -> None:
    sizes: dict[str, int] = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as client:
        for each in seen:
            loaded = (
                {source for element in each.document.elements for source in _loaded(element)} if each.is_html else ()
            )
            for source in loaded:
                if source not in sizes:
                    found = await see(client, source)
                    assert found.answer.status_code == 200, source
                    sizes[source] = found.bytes
            total = each.bytes + sum(sizes[source] for source in loaded)
            assert total < MOST_BYTES, f"{each.page}: {total} bytes"


def test_no_page_takes_long(seen: list[Seen]) -> None:
    assert {each.page: each.seconds for each in seen if each.seconds > MOST_SECONDS} == {}


def _inline(document: Document) -> Iterator[str]:
    for element in document.elements:
        name, attributes = element.name, element.attributes
        if name in FORBIDDEN or (name == "meta" and "http-equiv" in attributes):
            yield f"<{name}>"
        if name == "script" and not (attributes.get("src") or "").startswith("/static/"):
            yield "<script> that is not from /static/"
        yield from (
            f"{given} of <{name}>" for given in attributes if given == "style" or given.startswith(("on", "hx-on"))
        )
        if (attributes.get("hx-vals") or "").startswith("js:") or "[" in (attributes.get("hx-trigger") or ""):
            yield f"<{name}> that htmx would have to evaluate"


def _strange_addresses(document: Document) -> Iterator[str]:
    for element in document.elements:
        for given in ADDRESSES:
            address = element.attributes.get(given)
            if address is None or (element.name == "img" and address.startswith("data:image/")):
                continue
            parts = urlsplit(address)
            is_own = not parts.scheme and not parts.netloc and not address.startswith("//")
            is_link = element.name == "a" and parts.scheme in {"http", "https"} and given == "href"
            if not is_own and not (is_link and "noopener" in (element.attributes.get("rel") or "")):
                yield f"{given} of <{element.name}>: {address}"


def _loaded(element: Element) -> Iterator[str]:
    sources = {"script": "src", "img": "src", "link": "href"}
    address = element.attributes.get(sources.get(element.name, ""))
    if address is not None and address.startswith("/"):
        yield address
