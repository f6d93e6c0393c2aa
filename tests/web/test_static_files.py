"""Styles and scripts: small, kept by browsers, and nothing else is to be had."""

import gzip
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.web.static_files import static_url

ROOT = "http://postrider.test"


@pytest.fixture
async def visitor(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ROOT)


async def test_what_a_page_names_is_kept_for_ever_under_the_name_of_its_content(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/dashboard/sign-in")
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert {Path(name).suffix for name in named} == {".css", ".js", ".svg"}
    for name in named:
        answer = await visitor.get(name)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_old_page_gets_todays_file_and_asks_again(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/static/of-yesterday/app.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


async def test_files_are_compressed_for_those_who_can_read_that(visitor: httpx.AsyncClient) -> None:
    url = static_url("vendor/htmx.min.js")
    async with visitor.stream("GET", url, headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    plain = await visitor.get(url, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < 15_000
    assert answer.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "name", ["../web.py", "%2e%2e/web.py", "vendor", "", "app.css/", "nothing.js", "vendor/../../view.py"]
)
async def test_nothing_else_is_served(visitor: httpx.AsyncClient, name: str) -> None:
    url = static_url("app.css").removesuffix("app.css")
    assert (await visitor.get(f"{ROOT}{url}{name}")).status_code == (200 if name == "app.css/" else 404)
