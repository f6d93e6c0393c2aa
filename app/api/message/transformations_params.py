"""The rules of `transformationsParams`: an object for transformations, of which two parts also say what is sent.

`rawPayload` is a text that is sent as it is, in place of the payload; `headers` are sent with it.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue

from app.api.endpoint import headers as header_rules

# The publisher may say what type a raw payload is; all other headers that endpoints may not have, messages may not.
_OWN: Final = "content-type"


def _check(params: dict[str, JsonValue]) -> dict[str, JsonValue]:
    raw, headers = params.get("rawPayload"), params.get("headers")
    if not isinstance(raw, str | None):
        raise ValueError("rawPayload must be a text: it is sent as it is, so encode it before")
    if headers is None:
        return params
    if not isinstance(headers, dict):
        raise ValueError("headers must be an object of texts")
    texts = {}
    for name, value in headers.items():
        if not isinstance(value, str):
            raise ValueError(f"the value of the header {name[:64]!r} must be a text")
        texts[name] = value
    _check_headers(texts)
    return params


def _check_headers(headers: dict[str, str]) -> None:
    if sum(name.lower() == _OWN for name in headers) > 1:
        raise ValueError("the header content-type is given twice: names that differ only by case are the same")
    header_rules.check_names(name for name in headers if name.lower() != _OWN)
    for name, value in headers.items():
        header_rules.check_value(name, value)
        if header_rules.is_sensitive(name):
            # They are stored as payloads are: not sealed.
            raise ValueError(f"the header {name!r} is a credential: set it as a header of the endpoint")
    if sum(len(name) + len(value) + 4 for name, value in headers.items()) > header_rules.MOST_BYTES:
        raise ValueError(f"all headers of a message together must be at most {header_rules.MOST_BYTES} bytes")


TransformationsParams = Annotated[
    dict[str, JsonValue],
    AfterValidator(_check),
    Field(
        json_schema_extra={
            "properties": {
                "rawPayload": {"type": ["string", "null"]},
                "headers": {"anyOf": [{"type": "object", **header_rules.SCHEMA}, {"type": "null"}]},
            }
        }
    ),
]
