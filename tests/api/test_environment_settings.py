"""Environment settings: kept as they were set, read by portals as far as they are for them, and heeded."""

from typing import Final

import httpx
import pytest
from svix.api import SvixAsync
from svix.models import EnvironmentIn, EventTypeIn

from app.db.endpoint.sending import disable
from app.db.session import Database
from tests import factories
from tests.api.shop import Shop
from tests.factories import URL, Json

PATH: Final = "/management/environment-settings"


@pytest.fixture
async def endpoints(client: httpx.AsyncClient, shop: Shop) -> str:
    """Where the shop's endpoints are made."""
    await factories.create_event_type(client, "invoice.paid")
    return f"/app/{shop.application}/endpoint"


async def patch(client: httpx.AsyncClient, **settings: object) -> Json:
    answer = await client.patch(PATH, json=settings)
    assert answer.status_code == 200, answer.text
    shown: Json = answer.json()
    return shown


async def test_settings_that_were_never_set_have_their_defaults(client: httpx.AsyncClient) -> None:
    shown = (await client.get(PATH)).json()
    assert (shown["enforceHttps"], shown["disableEndpointOnFailure"], "retryPolicy" in shown) == (False, True, False)


async def test_what_is_not_set_is_left_out_and_never_null(
    client: httpx.AsyncClient, shop_portal: httpx.AsyncClient
) -> None:
    """The specification has no null for what is an object, and clients that follow it cannot read one."""
    objects = ("customThemeOverride", "customStringsOverride", "colorPaletteLight", "colorPaletteDark")
    theme: Json = {"customThemeOverride": {"fontSize": {"base": 14}}, "colorPaletteLight": {"primary": "#fff"}}
    for given, expected in (({}, {}), (theme, theme), (dict.fromkeys(objects), {})):
        answers = [await patch(client, **given), (await client.get(PATH)).json()]
        answers.append((await shop_portal.get("/environment/settings")).json())
        for shown in answers:
            assert {name: shown[name] for name in objects if name in shown} == expected
            assert None not in shown.values()


async def test_a_patch_changes_what_it_holds_and_a_put_forgets_the_rest(client: httpx.AsyncClient) -> None:
    await patch(client, displayName="Acme", customColor="#4f46e5", retryPolicy=[5, 60])
    shown = await patch(client, colorPaletteDark={"primary": "rgb(1, 2, 3)"}, displayName=None)
    assert (shown.get("displayName"), shown["customColor"], shown["retryPolicy"]) == (None, "#4f46e5", [5, 60])
    assert shown["colorPaletteDark"]["primary"] == "rgb(1, 2, 3)"
    assert (await client.get(PATH)).json() == shown
    replaced = await client.put(PATH, json={"displayName": "Other"})
    assert replaced.json() == (await client.get(PATH)).json()
    assert not {"customColor", "retryPolicy"} & replaced.json().keys()
    assert replaced.json()["displayName"] == "Other"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customColor", "red; background: url(x)"),
        ("customLogoUrl", "javascript:alert(1)"),
        ("customFontFamily", "Comic</style>"),
        ("retryPolicy", [-1]),
        ("retryPolicy", [1] * 101),
        ("enforceHttps", "yes"),
        ("enforceHttps", None),
        ("displayName", "a\0b"),
        ("endpointsPerAppLimit", 0),
        ("customThemeOverride", {"borderRadius": {"button": "huge"}}),
    ],
)
async def test_what_is_not_valid_is_refused_and_nothing_is_changed(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    before = await patch(client, displayName="Acme")
    for method in ("PATCH", "PUT"):
        answer = await client.request(method, PATH, json={"customFontFamilyUrl": URL, field: value})
        assert (answer.status_code, answer.json()["detail"][0]["loc"][:2]) == (422, ["body", field])
    assert (await client.get(PATH)).json() == before


async def test_a_portal_reads_what_is_for_it_and_nothing_else(
    client: httpx.AsyncClient, shop_portal: httpx.AsyncClient
) -> None:
    await patch(client, displayName="Acme", customLogoUrl="https://example.com/l.svg", retryPolicy=[5])
    shown = (await shop_portal.get("/environment/settings")).json()
    assert (shown["displayName"], shown["logoUrl"]) == ("Acme", "https://example.com/l.svg")
    assert "retryPolicy" not in shown
    for method in ("GET", "PUT", "PATCH"):
        assert (await shop_portal.request(method, PATH, json={})).status_code == 403


async def test_another_organizations_settings_are_its_own(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await patch(client, displayName="Acme")
    assert "displayName" not in (await stranger.get(PATH)).json()


@pytest.mark.parametrize(
    ("setting", "refused", "taken", "field"),
    [
        ("enforceHttps", {"url": URL}, {"url": "https://example.com/"}, "url"),
        ("requireEndpointChannel", {"url": URL}, {"url": URL, "channels": ["a"]}, "channels"),
        ("requireEndpointFilterTypes", {"url": URL}, {"url": URL, "eventTypes": ["invoice.paid"]}, "eventTypes"),
    ],
)
async def test_endpoints_are_as_the_settings_want_them(
    client: httpx.AsyncClient, endpoints: str, setting: str, refused: Json, taken: Json, field: str
) -> None:
    await patch(client, **{setting: True})
    for method, path in (("POST", endpoints), ("PUT", f"{endpoints}/till")):
        answer = await client.request(method, path, json=refused)
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", field])
        assert setting in answer.json()["detail"][0]["msg"]
    made = await client.post(endpoints, json=taken)
    assert made.status_code == 201, made.text
    # What is not touched stays, whatever it is.
    assert (await client.patch(f"{endpoints}/{made.json()['id']}", json={"description": "x"})).status_code == 200
    undone = {"url": "http://example.com/"} if field == "url" else {field: None}
    assert (await client.patch(f"{endpoints}/{made.json()['id']}", json=undone)).status_code == 422
    # Its own endpoints are the organization's business.
    own = await client.post("/operational-webhook/endpoint", json={"url": "http://example.com/"})
    assert own.status_code == 201


async def test_an_application_has_no_more_endpoints_than_it_may(client: httpx.AsyncClient, endpoints: str) -> None:
    await patch(client, endpointsPerAppLimit=2)
    assert (await client.post(endpoints, json={"url": URL})).status_code == 201
    for method, path in (("POST", endpoints), ("PUT", f"{endpoints}/third")):
        answer = await client.request(method, path, json={"url": URL})
        assert (answer.status_code, answer.json()["code"]) == (400, "limit_reached")
    assert (await client.put(f"{endpoints}/till", json={"url": URL})).status_code == 200
    assert (await client.delete(f"{endpoints}/till")).status_code == 204
    assert (await client.post(endpoints, json={"url": URL})).status_code == 201


async def test_portals_only_look_where_the_settings_say_so(
    client: httpx.AsyncClient, endpoints: str, shop: Shop
) -> None:
    await patch(client, readOnly=True)
    token = (await client.post(f"/auth/app-portal-access/{shop.application}", json={})).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get(endpoints, headers=headers)).status_code == 200
    assert (await client.post(endpoints, json={"url": URL}, headers=headers)).status_code == 403


async def test_what_is_exported_is_imported_elsewhere(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, svix: SvixAsync
) -> None:
    await patch(client, displayName="Acme", retryPolicy=[5, 60])
    await factories.create_event_type(client, "invoice.paid", schemas={"1": {"type": "object"}}, groupName="money")
    await factories.create_event_type(client, "user.gone")
    assert (await client.delete("/event-type/user.gone")).status_code == 204
    exported = await svix.environment.export()
    assert [each.name for each in exported.event_types] == ["invoice.paid", "user.gone"]
    assert exported.settings == {"displayName": "Acme", "retryPolicy": [5, 60]}
    whole = (await client.post("/environment/export")).json()
    await factories.create_event_type(stranger, "invoice.paid", description="Old")
    await factories.create_event_type(stranger, "only.theirs")
    await stranger.patch(PATH, json={"readOnly": True})
    for _ in range(2):
        answer = await stranger.post("/environment/import", json=whole)
        assert (answer.status_code, answer.content) == (204, b"")
    theirs = (await stranger.post("/environment/export")).json()
    assert [each["name"] for each in theirs["eventTypes"]] == ["invoice.paid", "only.theirs", "user.gone"]
    varying = {"createdAt": "", "updatedAt": ""}
    assert theirs["eventTypes"][0] | varying == whole["eventTypes"][0] | varying
    assert theirs["eventTypes"][2]["archived"]
    assert theirs["settings"] == {"displayName": "Acme", "retryPolicy": [5, 60], "readOnly": True}
    await svix.environment.import_(EnvironmentIn(event_types=[EventTypeIn(name="new", description="New")]))
    assert (await client.get("/event-type/new")).json()["description"] == "New"


async def test_an_export_is_refused_before_it_is_too_large_to_be_put_together(
    client: httpx.AsyncClient, organization_id: str, database: Database
) -> None:
    await factories.create_event_type(client, "fits", schemas={"1": {"title": "x" * 500_000}})
    assert (await client.post("/environment/export")).status_code == 200
    copy = """
        INSERT INTO event_types (id, organization_id, name, description, schemas, created_at, updated_at)
        SELECT id || n, organization_id, name || n, description, schemas, created_at, updated_at
        FROM event_types, generate_series(1, 8) n WHERE organization_id = $1
    """
    await database.pool.execute(copy, organization_id)
    answer = await client.post("/environment/export")
    assert (answer.status_code, answer.json()["code"]) == (400, "generic_error")
    assert "4 MiB" in answer.json()["detail"]
    assert "page by page" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("part", "loc"),
    [
        ({"settings": {"enforceHttps": 1}}, ["body", "settings", "enforceHttps"]),
        ({"eventTypes": [{"name": "in valid", "description": ""}]}, ["body", "eventTypes", "[0]", "name"]),
        ({"connectors": [{"name": "a"}]}, ["body", "connectors"]),
    ],
)
async def test_an_import_that_is_not_valid_changes_nothing(
    client: httpx.AsyncClient, part: Json, loc: list[str]
) -> None:
    good: Json = {"settings": {"displayName": "Acme"}, "eventTypes": [{"name": "fine", "description": ""}]}
    answer = await client.post("/environment/import", json=good | part)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, loc)
    assert (await client.get("/event-type/fine")).status_code == 404
    assert "displayName" not in (await client.get(PATH)).json()


async def test_an_endpoint_is_not_given_up_where_the_settings_say_so(
    client: httpx.AsyncClient, shop: Shop, database: Database
) -> None:
    revision = await database.pool.fetchval("SELECT revision FROM endpoints WHERE id = $1", shop.endpoint)
    await patch(client, disableEndpointOnFailure=False)
    assert await disable(database.pool, shop.endpoint, revision, "gone", None) is None
    await patch(client, disableEndpointOnFailure=True)
    assert await disable(database.pool, shop.endpoint, revision, "gone", None) is not None
