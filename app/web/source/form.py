"""The form of a source: the fields that its kind asks for, to the API's config and back. Secrets never come back."""

from dataclasses import replace
from typing import Final

from app.api.source.configs import OTHER_SECRETS_FIELD
from app.receiving.contract import SECRET_FIELD, Field
from app.web.api_client import ApiError
from app.web.source.kinds import Kind, plain
from app.web.view import View

_CONFIG: Final = "config_"
_LONG: Final = 80
_OTHER_SECRETS: Final = Field(
    OTHER_SECRETS_FIELD, "Older secrets that are good, too, while the secret is rotated: one a line.", "", False
)


def shown_fields(kind: Kind, *, rotating: bool) -> list[Field]:
    """What the form asks for; older secrets only of a source that there is."""
    has_secret = any(asked.name == SECRET_FIELD for asked in kind.fields)
    fields = [*kind.fields, *([_OTHER_SECRETS] if rotating and has_secret else [])]
    return [
        # A secret that was given once need not be given again.
        replace(
            asked, required=asked.required and not (rotating and asked.secret), description=plain(asked.description)
        )
        for asked in fields
    ]


def is_long(asked: Field) -> bool:
    """Whether it needs more than a line."""
    return "\n" in asked.example or len(asked.example) > _LONG or asked.name in {"payload", OTHER_SECRETS_FIELD}


def config_of(view: View, kind: Kind, *, changing: bool) -> dict[str, object]:
    """The config as the API takes it: what was left empty is left out, or, of what is not secret, taken away."""
    config: dict[str, object] = {}
    for asked in shown_fields(kind, rotating=changing):
        text = view.field(_CONFIG + asked.name)
        if asked.name == OTHER_SECRETS_FIELD:
            if view.field("end_others") == "on":
                config[asked.name] = []
            elif text:
                config[asked.name] = text.split()
        elif text:
            config[asked.name] = _typed(asked, text)
        elif changing and not asked.secret and not asked.required:
            config[asked.name] = None
    return config


def values_of(view: View, kind: Kind) -> dict[str, str]:
    """What was given, to be shown again; without what is secret."""
    names = ("name", "uid", "application", "forward", "allowed_ips", "keep_rejected")
    plain = [asked.name for asked in kind.fields if not asked.secret]
    return {name: view.field(name) for name in (*names, *(_CONFIG + name for name in plain))}


def of_form(error: ApiError) -> ApiError:
    """The same refusal with the names of the form's fields."""
    places = (
        (place.replace("config.", _CONFIG, 1) if place.startswith("config.") else place, text)
        for place, text in error.violations
    )
    return ApiError(error.status, error.code, error.detail, tuple(places))


def _typed(asked: Field, text: str) -> object:
    if asked.kind == "integer" and text.isascii() and text.isdigit():
        return int(text)
    return text == "true" if asked.kind == "boolean" and text in {"true", "false"} else text
