"""How a portal looks: what its organization set, and what its link says; always to be read, and never code."""

import random
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api.environment_settings.models import EnvironmentSettingsOut
from app.web.portal.appearance import appearance_in, appearance_of, theme_in
from app.web.portal.colours import READABLE, Colour, contrast, parse, readable, text_on
from app.web.portal.stylesheet import OWN, stylesheet
from tests import factories
from tests.web.portals import Visitor, portal_link, visit

APP_CSS = Path(__file__).parents[2] / "app/web/static/app.css"


def declared(css: str, theme: str) -> dict[str, Colour]:
    """The variables of a theme in a stylesheet."""
    start = {"light": ":root{", "dark": ':root[data-theme="dark"]{'}[theme]
    if start not in css:
        return {}
    found = re.findall(r"--([a-z-]+):(#[0-9a-f]{6})", css.split(start)[1].split("}")[0])
    return {name: colour for name, text in found if (colour := parse(text))}


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#4f46e5", "#4f46e5"),
        ("4F46E5", "#4f46e5"),
        ("#fd0", "#ffdd00"),
        ("fd0", "#ffdd00"),
        ("rgb(255, 221, 0)", "#ffdd00"),
        ("rgb(255 221 0)", "#ffdd00"),
        ("rgb(256, 0, 0)", None),
        ("#ffdd00ff", None),
        ("red", None),
        ("", None),
        ("#12345", None),
        ("#fd0;}body{display:none", None),
        ("#ffdd0\n", None),
    ],
)
def test_colours_are_understood_or_left_out(text: str, colour: str | None) -> None:
    found = parse(text)
    assert (None if found is None else str(found)) == colour


def test_contrast_is_that_of_wcag() -> None:
    black, white, grey = Colour(0, 0, 0), Colour(255, 255, 255), Colour(0x76, 0x76, 0x76)
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, white) == 1
    # The lightest grey that may be written with on white.
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01)


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    white = Colour(255, 255, 255)
    assert readable(Colour(0x39, 0x49, 0xC6), white) == Colour(0x39, 0x49, 0xC6)
    yellow = readable(Colour(0xFF, 0xDD, 0), white)
    assert contrast(yellow, white) >= READABLE
    assert yellow.blue == 0 < yellow.green < yellow.red, "it is dark yellow, not grey"


def test_every_brand_colour_can_be_read_in_both_themes() -> None:
    rng = random.Random(8)
    colours = [Colour(*(rng.randrange(256) for _ in range(3))) for _ in range(200)]
    for brand in (*colours, Colour(0, 0, 0), Colour(255, 255, 255), Colour(255, 221, 0), Colour(128, 128, 128)):
        css = stylesheet(appearance_in({"primaryColor": str(brand)}))
        for theme, own in OWN.items():
            made = declared(css, theme)
            for ground in (own["surface"], own["bg"], made["brand-soft"]):
                assert contrast(made["brand"], ground) >= READABLE, (brand, theme, made)
            assert contrast(made["brand-text"], made["brand-fill"]) >= READABLE, (brand, theme, made)
            assert contrast(made["brand-fill"], own["surface"]) >= 1.3, (brand, theme, made)
        assert contrast(text_on(brand), brand) >= READABLE


def test_texts_can_be_read_on_the_organizations_own_grounds() -> None:
    palette = {
        "backgroundPrimary": "#222222",
        "backgroundSecondary": "#111",
        "textSecondary": "#333",
        "primary": "#00f",
    }
    css = stylesheet(appearance_of(EnvironmentSettingsOut.model_validate({"colorPaletteLight": palette})))
    made = declared(css, "light")
    assert str(made["surface"]) == "#222222"
    for name in ("text", "muted", "bad", "brand"):
        assert contrast(made[name], made["surface"]) >= READABLE, name
    assert declared(css, "dark") == {}


def test_the_colours_that_are_not_changed_are_those_of_the_pages() -> None:
    css = re.sub(r"\s*([:;{}])\s*", r"\1", APP_CSS.read_text().replace("#fff;", "#ffffff;"))
    for theme, own in OWN.items():
        made = declared(css, theme)
        assert {name: made[name] for name in own} == own


def test_the_settings_of_the_organization_are_obeyed() -> None:
    looks = appearance_of(
        EnvironmentSettingsOut.model_validate(
            {
                "displayName": "Acme",
                "customLogoUrl": "https://acme.example/logo.svg",
                "customColor": "#ffdd00",
                "customFontFamily": "Open Sans",
                "customFontFamilyUrl": 'https://acme.example/a"b.woff2',
                "customThemeOverride": {"fontSize": {"base": 17}, "borderRadius": {"button": "full", "card": "full"}},
                "colorPaletteDark": {"primary": "#00ffaa", "buttonPrimary": "rgb(1, 2, 3)"},
            }
        )
    )
    assert (looks["name"], looks["logo"]) == ("Acme", "https://acme.example/logo.svg")
    assert (looks["light-brand"], looks["dark-brand"]) == ("#ffdd00", "#00ffaa")
    css = stylesheet(looks)
    assert 'html{font-family:"Open Sans",var(--font)}' in css
    assert 'src:url("https://acme.example/a%22b.woff2")' in css
    assert "html{font-size:17px}" in css
    assert "--radius-button:99px;--radius:20px" in css
    assert stylesheet({}) == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"customLogoUrl": "http://acme.example/logo.svg"},
        {"customLogoUrl": "data:image/png;base64," + 20_000 * "A"},
        {"customColor": "rebeccapurple"},
        {"customThemeOverride": {"fontSize": {"base": 900}}},
        {"displayName": "\u202eemca"},
        {},
    ],
)
def test_settings_that_a_page_cannot_show_are_left_out(settings: dict[str, Any]) -> None:
    assert appearance_of(EnvironmentSettingsOut.model_validate(settings)) == {}


@pytest.mark.parametrize(
    "parameters",
    [
        {"primaryColor": "red;}*{display:none}"},
        {"icon": "javascript:alert(1)"},
        {"icon": "http://acme.example/logo.svg"},
        {"icon": "https://a:b@acme.example/"},
        {"icon": "https://"},
        {"icon": "https://[acme/"},
        {"icon": "https://acme.example/" + 2048 * "a"},
        {"icon": "https://acme.example/\n"},
        {"fontFamily": 'x";}body{display:none'},
        {"fontFamily": "é"},
        {"name": "\u2028"},
        {"name": "  "},
    ],
)
def test_parameters_that_are_not_valid_are_left_out(parameters: dict[str, str]) -> None:
    assert appearance_in(parameters) == {}


@pytest.mark.parametrize(
    ("given", "is_framed", "theme"),
    [
        ("true", True, "dark"),
        ("true", False, "dark"),
        ("auto", True, "auto"),
        ("false", False, "light"),
        # As the Svix components ask for light.
        ("", True, "light"),
        ("", False, None),
        ("yes", False, None),
    ],
)
def test_the_theme_is_the_links_or_the_readers(given: str, is_framed: bool, theme: str | None) -> None:
    assert theme_in({"darkMode": given}, is_framed=is_framed) == theme


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    application_id: str = (await factories.create_application(client))["id"]
    return application_id


async def test_a_link_says_more_than_the_settings(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    settings = {"customColor": "#00ff00", "displayName": "Acme", "customLogoUrl": "https://acme.example/a.svg"}
    assert (await client.patch("/management/environment-settings", json=settings)).is_success
    visitor = await visit(app, client, application)
    page = (await visitor.get("/portal/event-type")).text
    assert "<span>Acme</span>" in page
    assert 'src="https://acme.example/a.svg"' in page
    assert "Postrider" not in page
    link = await portal_link(client, application)
    await visitor.follow(link, primaryColor="ff0000", name='<b>"Bmca"</b>', icon="https://bmca.example/b.svg")
    page = (await visitor.get("/portal/event-type")).text
    assert "<span>&lt;b&gt;&#34;Bmca&#34;&lt;/b&gt;</span>" in page
    assert 'src="https://bmca.example/b.svg"' in page
    css = await visitor.get("/portal/appearance.css")
    assert css.headers["content-type"].startswith("text/css")
    assert css.headers["cache-control"] == "no-store"
    assert "--brand-fill:#ff0000" in css.text


async def test_the_link_carries_its_parameters_to_the_session(app: FastAPI) -> None:
    visitor = Visitor(app)
    page = (await visitor.get('/login?darkMode=true&primaryColor=fd0&name="><script>&other=1')).text
    assert 'data-theme="dark"' in page
    assert '<input type="hidden" name="primaryColor" value="fd0">' in page
    assert '<input type="hidden" name="name" value="&#34;&gt;&lt;script&gt;">' in page
    assert '<input type="hidden" name="theme" value="dark">' in page
    assert "other" not in re.findall(r'name="(\w+)"', page)
    framed = await visitor.get("/login", **{"sec-fetch-dest": "iframe"})
    assert 'data-theme="light"' in framed.text


async def test_who_is_not_signed_in_gets_the_usual_style(app: FastAPI) -> None:
    answer = await Visitor(app).get("/portal/appearance.css")
    assert (answer.status_code, answer.text) == (200, "")
