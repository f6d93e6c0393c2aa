"""The official client walks an endpoint's whole life over a real connection."""

import httpx
from svix.api import EndpointListOptions, SvixAsync
from svix.models import (
    EndpointHeadersIn,
    EndpointHeadersPatchIn,
    EndpointIn,
    EndpointPatch,
    EndpointSecretRotateIn,
    EndpointUpsertIn,
)

from tests import factories

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


async def test_the_official_client_manages_endpoints(svix: SvixAsync, client: httpx.AsyncClient) -> None:
    app_id = (await factories.create_application(client))["id"]
    await factories.create_event_type(client, "invoice.paid")
    new = EndpointIn(
        url=factories.URL, uid="shop", event_types=["invoice.paid"], channels=["a"], throttle_rate=7, secret=SECRET
    )
    made = await svix.endpoint.create(app_id, new)
    assert (made.uid, made.event_types, made.channels, made.throttle_rate) == ("shop", ["invoice.paid"], ["a"], 7)
    patched = await svix.endpoint.patch(app_id, "shop", EndpointPatch(disabled=True, channels=[], event_types=[]))
    assert (patched.disabled, patched.channels, patched.event_types, patched.throttle_rate) == (True, None, None, 7)
    assert (await svix.endpoint.get_secret(app_id, "shop")).key == SECRET
    rotated = await svix.endpoint.rotate_secret(app_id, "shop", EndpointSecretRotateIn())
    assert (await svix.endpoint.get_secret(app_id, "shop")).key == rotated.key != SECRET
    await svix.endpoint.set_headers(app_id, "shop", EndpointHeadersIn(headers={"X-A": "1", "Authorization": "Basic x"}))
    changes = EndpointHeadersPatchIn(headers={"X-B": "2"}, delete_headers=["X-A"])
    await svix.endpoint.patch_headers(app_id, "shop", changes)
    headers = await svix.endpoint.get_headers(app_id, "shop")
    assert (headers.headers, list(headers.sensitive)) == ({"X-B": "2"}, ["Authorization"])
    replaced = await svix.endpoint.upsert(app_id, "shop", EndpointUpsertIn(url=factories.URL))
    assert (replaced.id, replaced.uid, replaced.disabled, replaced.throttle_rate) == (made.id, "shop", False, None)
    assert (await svix.endpoint.get_stats(app_id, "shop")).pending == 0
    second = await svix.endpoint.upsert(app_id, "store", EndpointUpsertIn(url=factories.URL))
    page = await svix.endpoint.list(app_id, EndpointListOptions(limit=1))
    assert ([item.id for item in page.data], page.done) == ([second.id], False)
    await svix.endpoint.delete(app_id, "store")
    page = await svix.endpoint.list(app_id)
    assert ([item.id for item in page.data], page.done) == ([made.id], True)
