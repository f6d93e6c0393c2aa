"""Sources of types that the Svix API does not have, as its SDKs see them: they refuse to read what they do not know."""

from typing import get_args

import httpx
import pytest
from pydantic import BaseModel
from svix.models import IngestSourceIn, IngestSourceOut

from app.api.source.configs import kinds
from app.api.source.svix_types import SVIX_TYPES, is_sdk
from app.cli.providers_reference import example_config
from app.receiving.registry import all_providers
from tests import factories
from tests.factories import INGEST

SOURCE = f"{INGEST}/source"
SDK = {"user-agent": "svix-libs/2.9.1/python"}
# Those that may be without a secret have none in their example.
OPEN = {"generic-webhook", "docusign", "easypost", "github", "hubspot", "segment"}
HMAC = {"secret": "k", "header": "x-mac"}


def types_of(model: type[BaseModel]) -> set[str]:
    """The types that the package's model can have."""
    literals = get_args(model.model_fields["type"].annotation)
    return {name for literal in literals for name in get_args(literal)}


def test_the_types_are_those_that_the_package_knows() -> None:
    assert types_of(IngestSourceOut) == types_of(IngestSourceIn) == SVIX_TYPES


def test_an_sdk_is_known_by_its_name() -> None:
    assert is_sdk("svix-libs/1.2.3/javascript")
    assert not any(is_sdk(agent) for agent in (None, "", "curl/8.5.0", "Mozilla/5.0 svix-libs/1.2.3"))


@pytest.mark.parametrize("kind", sorted(set(kinds()) - {"cron"}))
async def test_a_source_is_made_as_the_reference_says_and_read_by_the_package(
    client: httpx.AsyncClient, kind: str
) -> None:
    made = await factories.create_source(client, kind, config=example_config(all_providers()[kind]))
    assert (made["type"], made["provider"], made["verifies"]) == (kind, kind, kind not in OPEN)
    answer = await client.get(f"{SOURCE}/{made['id']}", headers=SDK)
    seen = answer.json()
    assert IngestSourceOut.model_validate_json(answer.content).id == made["id"]
    if kind in SVIX_TYPES:
        assert seen == made
    else:
        assert seen == {**made, "type": "generic-webhook", "config": {}}


async def test_every_answer_shows_an_sdk_a_type_that_it_knows_and_has_the_true_one(client: httpx.AsyncClient) -> None:
    body = {"name": "Warehouse", "type": "hmac", "config": HMAC}
    answers = [
        await client.post(SOURCE, json={**body, "uid": "one"}, headers=SDK),
        await client.put(f"{SOURCE}/two", json=body, headers=SDK),
        await client.put(f"{SOURCE}/two", json=body, headers=SDK),
        await client.patch(f"{SOURCE}/two", json={"name": "Shed"}, headers=SDK),
        await client.get(f"{SOURCE}/one", headers=SDK),
    ]
    listed = (await client.get(SOURCE, headers=SDK)).json()["data"]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 200, 200]
    for seen in [*(answer.json() for answer in answers), *listed]:
        assert (seen["type"], seen["config"], seen["provider"]) == ("generic-webhook", {}, "hmac")
    assert len(listed) == 2
    for seen in (await client.get(SOURCE)).json()["data"]:
        assert (seen["type"], seen["config"], seen["provider"]) == ("hmac", {"header": "x-mac"}, "hmac")


async def test_an_sdk_that_sends_back_what_it_saw_does_not_end_the_verification(client: httpx.AsyncClient) -> None:
    made = await factories.create_source(client, "hmac", uid="till", config=HMAC)
    seen = {"name": "Renamed", "type": "generic-webhook", "config": {}}
    refused = await client.put(f"{SOURCE}/till", json=seen, headers=SDK)
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "type"])
    assert "is of type hmac" in refused.json()["detail"][0]["msg"]
    assert (await client.get(f"{SOURCE}/till")).json() == made
    meant = await client.put(f"{SOURCE}/till", json=seen)
    assert (meant.status_code, meant.json()["provider"], meant.json()["verifies"]) == (200, "generic-webhook", False)
