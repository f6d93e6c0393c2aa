"""`python -m tests.web.pictures`: take the pictures of docs/images anew. It needs Chromium, and a minute."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, Page

from tests.servers import Servers, serving
from tests.web.conftest import chromium, launched, sign_in, tab
from tests.web.pictures.stage import Stage, staged
from tests.web.pictures.world import MAIN

_FOLDER: Final = Path(__file__).parents[3] / "docs" / "images"
_MOST_BYTES: Final = 200_000
_BRAND: Final = "0f766e"


async def _nothing(_page: Page, _stage: Stage) -> None:
    """The page is as it is to be."""


async def _debug(page: Page, stage: Stage) -> None:
    """Ask why a body that was parsed and written anew does not verify."""
    path = "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/request".format_map(stage.world.ids)
    sent = (await stage.client.get(path)).json()
    signed = (f"{name}: {value}" for name, value in sent["headers"] if name.startswith("webhook-"))
    await page.get_by_label("Headers", exact=True).fill("\n".join(signed))
    await page.get_by_label("Body (optional)").fill(json.dumps(json.loads(sent["body"]), indent=2))
    await page.get_by_label("Endpoint (optional)").select_option(stage.world.ids["failing_id"])
    await page.get_by_role("button", name="Check the signature").click()
    await page.get_by_text("Not valid.").wait_for()


@dataclass(frozen=True, slots=True)
class Picture:
    """A page's picture: its name, and what is done before it is taken."""

    name: str
    path: str
    height: int = 900
    width: int = 1440
    colours: Literal["light", "dark"] = "light"
    portal: bool = False
    do: Callable[[Page, Stage], Awaitable[None]] = _nothing


_PICTURES: Final = (
    # The first one, because what it says of the last seconds is soon no longer true.
    Picture("home", "?period=24h"),
    Picture("home-mobile", "?period=24h", 844, 390, "dark"),
    Picture("endpoint", "/app/{app_id}/endpoint/{failing_id}", 1000),
    Picture("message", "/app/{app_id}/msg/{msg_id}", 1180),
    Picture("attempt", "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", 960, colours="dark"),
    Picture("portal", "/app/{app_id}/endpoint/{endpoint_id}", 1000, 1200, portal=True),
    Picture("signature", "/signature?app_id={app_id}", 960, do=_debug),
)


async def _take(browser: Browser, stage: Stage, picture: Picture) -> None:
    size = {"width": picture.width, "height": picture.height}
    async with tab(browser, stage.url, viewport=size, color_scheme=picture.colours) as page:
        if picture.portal:
            link = (await stage.client.post(f"/auth/app-portal-access/{MAIN}", json={})).json()["url"]
            await page.goto(link.replace("#", f"?primaryColor={_BRAND}&name=Blue+Kettle+Coffee#"))
            await page.wait_for_url("**/portal/app/**")
        else:
            await sign_in(page, stage.token)
        prefix = "/portal" if picture.portal else "/dashboard"
        answer = await page.goto(prefix + picture.path.format_map(stage.world.ids))
        assert answer is not None
        assert answer.ok, f"{page.url} is refused"
        await picture.do(page, stage)
        # Charts are drawn, and what htmx loads is there.
        await page.wait_for_load_state("networkidle")
        path = _FOLDER / f"{picture.name}.png"
        await page.screenshot(path=path)
        assert path.stat().st_size <= _MOST_BYTES, f"{path} is too large for a repository"


async def _take_all(servers: Servers, program: str) -> None:
    async with launched(program) as browser, staged(servers) as stage:
        for picture in _PICTURES:
            await _take(browser, stage, picture)


def main() -> None:
    """All of them. AssertionError where there is no browser."""
    program = chromium()
    assert program is not None, "there is no browser: `apt-get install chromium`"
    _FOLDER.mkdir(exist_ok=True)
    with serving() as servers:
        asyncio.run(_take_all(servers, program))


if __name__ == "__main__":
    main()
