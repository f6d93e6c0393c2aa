"""Catalogs on the wire."""

from typing import Any, Final

from pydantic import BaseModel, Field, JsonValue

from app.api.event_type.models import SCHEMAS_EXAMPLE
from app.api.fields import Dto, Flag, Text, example

_SPEC: Final = {
    "openapi": "3.1.0",
    "info": {"title": "Events", "version": "1.0.0"},
    "webhooks": {
        "invoice.paid": {
            "post": {
                "description": "An invoice was paid by a user",
                "requestBody": {"content": {"application/json": {"schema": SCHEMAS_EXAMPLE["1"]}}},
            }
        }
    },
}
_SPEC_RAW: Final = """\
openapi: 3.1.0
info: {title: Events, version: 1.0.0}
webhooks:
  invoice.paid:
    post:
      description: An invoice was paid by a user
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {invoiceId: {type: string}}}
"""


class EventTypeImportOpenApiIn(Dto):
    """An OpenAPI document whose webhooks become event types: parsed, or as text."""

    model_config = example(spec=_SPEC, dryRun=True)

    spec: dict[str, JsonValue] | None = Field(default=None, description="The document.", examples=[_SPEC])
    spec_raw: Text | None = Field(
        default=None, description="The document as text, JSON or YAML, instead of `spec`.", examples=[_SPEC_RAW]
    )
    dry_run: Flag = Field(default=False, description="Only answer what would be done.", examples=[False])
    replace_all: Flag = Field(
        default=False, description="Archive the event types that the document does not hold.", examples=[False]
    )


class EventTypeFromOpenApi(Dto):
    """An event type as it is after an import."""

    name: str = Field(examples=["invoice.paid"])
    description: str = Field(examples=["An invoice was paid by a user"])
    schemas: dict[str, Any] | None = Field(default=None, examples=[SCHEMAS_EXAMPLE])
    deprecated: bool = Field(examples=[False])
    group_name: str | None = Field(default=None, examples=["invoice"])
    feature_flags: list[str] | None = Field(default=None, examples=[["beta"]])


class EventTypeImportOpenApiOutData(BaseModel):
    """What an import changes; its names are as they stand here."""

    modified: list[str] = Field(
        description="The event types that are created, changed, brought back or archived; with `dryRun`: would be.",
        examples=[["invoice.paid"]],
    )
    to_modify: list[EventTypeFromOpenApi] | None = Field(
        default=None, description="With `dryRun`: those that would be created or changed, as they would be."
    )


class EventTypeImportOpenApiOut(Dto):
    """What came of an import."""

    data: EventTypeImportOpenApiOutData
