"""Sources: what providers post."""

import pytest
from svix.api.ingest_source import IngestSourceListOptions
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import (
    CronConfig,
    GithubConfig,
    IngestEndpointHeadersIn,
    IngestEndpointIn,
    IngestEndpointSecretIn,
    IngestEndpointTransformationPatch,
    IngestEndpointUpsertIn,
    IngestSourceConsumerPortalAccessIn,
    IngestSourceIn,
    StripeConfig,
    StripeConfigOut,
)

from tests import factories
from tests.sdk.stage import Stage, covers

_SOURCE = "ingest.source"
_ENDPOINT = "ingest.endpoint"
_CODE = "function handler(webhook) { return webhook; }"


@covers(*(f"{_SOURCE}.{name}" for name in ("create", "get", "list", "upsert", "delete", "rotate_token")))
async def sources_live_and_end(stage: Stage) -> None:
    sources = stage.svix.ingest.source
    stripe = IngestSourceIn(name="Payments", uid="stripe", type="stripe", config=StripeConfig(secret="whsec_one"))
    made = await sources.create(stripe)
    assert (made.uid, made.type, made.config) == ("stripe", "stripe", StripeConfigOut())
    assert made.ingest_url is not None
    assert made.ingest_url.startswith(f"{stage.world.address}/in/")
    assert await sources.get("stripe") == await sources.get(made.id) == made
    github = IngestSourceIn(name="Code", type="github", config=GithubConfig(), metadata={"a": "b"})
    second = await sources.upsert("code", github)
    assert (second.uid, second.type, second.metadata) == ("code", "github", {"a": "b"})
    cron = IngestSourceIn(name="Clock", type="cron", config=CronConfig(schedule="0 4 * * *", payload="{}"))
    changed = await sources.upsert("code", cron)
    assert (changed.id, changed.ingest_url) == (second.id, None)
    assert isinstance(changed.config, CronConfig)
    assert (changed.config.schedule, changed.config.payload) == ("0 4 * * *", "{}")
    plain = await sources.create(IngestSourceIn(name="Whatever", type="generic-webhook", config={}))
    rotated = await sources.rotate_token("stripe")
    assert rotated.ingest_url != made.ingest_url
    assert (await sources.get("stripe")).ingest_url == rotated.ingest_url
    page = await sources.list(IngestSourceListOptions(limit=2))
    rest = await sources.list(IngestSourceListOptions(limit=2, iterator=page.iterator))
    found = [item.id for item in (*page.data, *rest.data)]
    assert (found, page.done, rest.done) == (sorted([made.id, second.id, plain.id]), False, True)
    await sources.delete("stripe")
    with pytest.raises(HttpError) as refused:
        await sources.get(made.id)
    assert refused.value.status_code == 404


@covers(*(f"{_SOURCE}.{name}" for name in ("get", "list", "upsert")))
async def sources_of_types_that_the_package_does_not_know_can_be_read(stage: Stage) -> None:
    async with stage.plain() as client:
        kept = await factories.create_source(client, "hmac", uid="warehouse", config={"secret": "k"})
        known = await factories.create_source(client, "stripe", uid="till")
    sources = stage.svix.ingest.source
    listed = (await sources.list()).data
    assert {item.id: item.type for item in listed} == {kept["id"]: "generic-webhook", known["id"]: "stripe"}
    assert [(item.type, item.config) for item in (await sources.get("warehouse"), await sources.get("till"))] == [
        ("generic-webhook", {}),
        ("stripe", StripeConfigOut()),
    ]
    with pytest.raises(HTTPValidationError, match="is of type hmac"):
        await sources.upsert("warehouse", IngestSourceIn(name="Renamed", type="generic-webhook", config={}))


@covers(
    *(f"{_ENDPOINT}.{name}" for name in ("create", "get", "list", "upsert", "delete", "get_headers", "set_headers")),
    *(f"{_ENDPOINT}.{name}" for name in ("get_secret", "rotate_secret", "transformation.get", "transformation.patch")),
    *(f"{_SOURCE}.create", "ingest.authentication.consumer_portal_access"),
)
async def sources_have_endpoints(stage: Stage) -> None:
    ingest = stage.svix.ingest
    await ingest.source.create(
        IngestSourceIn(name="Payments", uid="stripe", type="stripe", config=StripeConfig(secret="whsec_one"))
    )
    endpoints = ingest.endpoint
    made = await endpoints.create("stripe", IngestEndpointIn(url=factories.URL, uid="till", metadata={"a": "b"}))
    assert (made.uid, made.metadata, made.disabled) == ("till", {"a": "b"}, False)
    assert await endpoints.get("stripe", "till") == made
    assert [item.id for item in (await endpoints.list("stripe")).data] == [made.id]
    changed = await endpoints.upsert("stripe", "till", IngestEndpointUpsertIn(url=factories.URL, description="new"))
    assert (changed.id, changed.description) == (made.id, "new")
    await endpoints.set_headers("stripe", "till", IngestEndpointHeadersIn(headers={"X-A": "1"}))
    assert (await endpoints.get_headers("stripe", "till")).headers == {"X-A": "1"}
    secret = (await endpoints.get_secret("stripe", "till")).key
    await endpoints.rotate_secret("stripe", "till", IngestEndpointSecretIn())
    assert (await endpoints.get_secret("stripe", "till")).key != secret
    code = IngestEndpointTransformationPatch(code=_CODE, enabled=True)
    await endpoints.transformation.patch("stripe", "till", code)
    kept = await endpoints.transformation.get("stripe", "till")
    assert (kept.code, kept.enabled) == (_CODE, True)
    access = await ingest.authentication.consumer_portal_access(
        "stripe", IngestSourceConsumerPortalAccessIn(expiry=3600, read_only=True)
    )
    assert "/login#key=" in access.url
    await endpoints.delete("stripe", "till")
    assert (await endpoints.list("stripe")).data == []
