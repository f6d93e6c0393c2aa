"""Event types."""

from typing import Any

import pytest
from svix.api.event_type import EventTypeDeleteOptions, EventTypeListOptions
from svix.exceptions import HttpError
from svix.models import EventTypeImportOpenApiIn, EventTypeIn, EventTypePatch, EventTypeUpsertIn

from tests.sdk.stage import Stage, covers

_SCHEMAS: dict[str, Any] = {"1": {"type": "object", "title": "Invoice", "examples": [{"amount": 1}]}}
_SPECIFICATION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {},
    "webhooks": {
        "invoice.sent": {
            "post": {
                "summary": "An invoice was sent.",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": {"description": "Taken"}},
            }
        }
    },
}


@covers(
    *("event_type.create", "event_type.get", "event_type.list", "event_type.patch"),
    *("event_type.upsert", "event_type.delete"),
)
async def event_types_live_and_end(stage: Stage) -> None:
    svix = stage.svix
    body = EventTypeIn(
        name="invoice.paid", description="Paid.", schemas=_SCHEMAS, feature_flags=["new"], group_name="Invoices"
    )
    made = await svix.event_type.create(body)
    assert (made.schemas, made.feature_flags, made.group_name) == (_SCHEMAS, ["new"], "Invoices")
    assert await svix.event_type.get("invoice.paid") == made
    assert (await svix.event_type.list(EventTypeListOptions(with_content=True))).data == [made]
    other = await svix.event_type.upsert("invoice.void", EventTypeUpsertIn(description="Void."))
    assert (await svix.event_type.patch("invoice.void", EventTypePatch(deprecated=True))).deprecated
    assert [item.name for item in (await svix.event_type.list()).data] == ["invoice.paid", other.name]
    await svix.event_type.delete("invoice.paid")
    await svix.event_type.delete("invoice.void", EventTypeDeleteOptions(expunge=True))
    kept = (await svix.event_type.list(EventTypeListOptions(include_archived=True))).data
    assert [(item.name, item.archived) for item in kept] == [("invoice.paid", True)]
    with pytest.raises(HttpError) as refused:
        await svix.event_type.get("invoice.void")
    assert refused.value.status_code == 404


@covers("event_type.import_openapi", "event_type.list")
async def event_types_come_from_a_specification(stage: Stage) -> None:
    svix = stage.svix
    tried = await svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec=_SPECIFICATION, dry_run=True))
    assert [change.name for change in tried.data.to_modify or ()] == ["invoice.sent"]
    assert (await svix.event_type.list()).data == []
    done = await svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec=_SPECIFICATION))
    assert done.data.modified == ["invoice.sent"]
    assert [item.name for item in (await svix.event_type.list()).data] == ["invoice.sent"]
