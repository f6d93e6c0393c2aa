"""The config of a source, for each kind of source: made of the fields that its provider's rule asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, create_model

from app import clock
from app.api.fields import Flag, Text, whole
from app.api.source.known import KnownDto
from app.api.source.schedule import next_run
from app.db.source.model import CRON, Sealed
from app.receiving import contract
from app.receiving.contract import SECRET_FIELD
from app.receiving.registry import all_providers

OTHER_SECRETS_FIELD: Final = "otherSecrets"
_MOST_OTHER_SECRETS: Final = 4
_LONGEST: Final = 65_536
# As much as fits where integers are small.
_MOST: Final = 2**31 - 1
_KINDS: Final[dict[str, Any]] = {
    "text": Annotated[Text, Field(min_length=1, max_length=_LONGEST)],
    "integer": Annotated[int, Field(strict=True, ge=0, le=_MOST), whole],
    "boolean": Flag,
}


def _check_schedule(text: str) -> str:
    next_run(text, clock.now())
    return text


def _check_content_type(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("the content type must be printable ASCII, as in text/plain")
    return text


_CRON_FIELDS: Final = (
    contract.Field(
        "schedule",
        "When messages are made, as a cron expression of five fields, in UTC.",
        "*/5 * * * *",
        secret=False,
        check=_check_schedule,
    ),
    contract.Field("payload", "What each message holds.", '{"task":"close the books"}', secret=False),
    contract.Field(
        "contentType",
        "What the payload is; `application/json` if it is left out.",
        "application/json",
        required=False,
        secret=False,
        check=_check_content_type,
    ),
)


@cache
def kinds() -> tuple[str, ...]:
    """What `type` may be: all providers, and CRON."""
    return (*sorted([*all_providers(), CRON]),)


def fields_of(kind: str) -> Sequence[contract.Field]:
    """What is asked of the owner of such a source."""
    return _CRON_FIELDS if kind == CRON else all_providers()[kind].fields


@dataclass(frozen=True, slots=True)
class Kept:
    """A config as it is stored."""

    sealed: Sealed = field(repr=False)
    options: dict[str, str]


class Config(KnownDto):
    """What verifies what arrives at a source. A field that is not known is refused: it might have been the secret."""

    # The names of fields are those of the wire.
    model_config = ConfigDict(alias_generator=None)


def config_model(kind: str) -> type[Config]:
    """The model of a whole config."""
    return _model(kind, partly=False)


def partial_config_model(kind: str) -> type[Config]:
    """The same for a change: nothing of it is required."""
    return _model(kind, partly=True)


@cache
def _model(kind: str, *, partly: bool) -> type[Config]:
    fields: dict[str, Any] = {}
    for asked in fields_of(kind):
        fields[asked.name] = _field(asked, required=asked.required and not partly)
        if asked.name == SECRET_FIELD:
            fields[OTHER_SECRETS_FIELD] = _other_secrets(asked)
    name = "".join(part.title() for part in kind.split("-"))
    made: type[Config] = create_model(
        f"{name}Config{'Patch' if partly else ''}",
        __base__=Config,
        __doc__=f"The config of a source of type `{kind}`.",
        **fields,
    )
    return made


def _typed(asked: contract.Field) -> Any:
    """Whatever it is on the wire, it is a text once it is checked, as it is stored."""
    return Annotated[_KINDS[asked.kind], AfterValidator(partial(_as_kept, asked))]


def _as_kept(asked: contract.Field, value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if asked.secret and text != text.strip():
        raise ValueError("there is white space before or after it, which was copied with it: leave that out")
    return asked.check(text) if asked.check is not None else text


def _field(asked: contract.Field, *, required: bool) -> tuple[Any, Any]:
    shown = _shown(asked, asked.example)
    told: dict[str, Any] = {"description": asked.description, "examples": [shown], "repr": False}
    if required:
        return _typed(asked), Field(**told)
    # In a whole config null is as good as nothing; in a change it takes away what may be missing.
    kind = _typed(asked) if asked.required else _typed(asked) | None
    return kind, Field(default=None, **told)


def _other_secrets(asked: contract.Field) -> tuple[Any, Any]:
    told = "Older secrets that are good, too, while the secret is rotated. Not in the Svix API."
    listed: Any = list.__class_getitem__(_typed(asked))
    bounds = Field(max_length=_MOST_OTHER_SECRETS, fail_fast=True)
    return Annotated[listed, bounds], Field(
        default_factory=list, description=told, examples=[[asked.example]], repr=False
    )


def kept(kind: str, config: Config, before: Kept | None = None) -> Kept:
    """A config that was given, as it is stored: a whole one, or a change of what was `before`.

    ValueError, with what to do, for older secrets without a current one, and for fields that do not go together.
    """
    given = {name: getattr(config, name) for name in (config.model_fields_set if before else type(config).model_fields)}
    before = before or Kept(Sealed(), {})
    secrets, others, options = list(before.sealed.secrets), dict(before.sealed.others), dict(before.options)
    if SECRET_FIELD in given:
        # Without a current one the older ones are good for nothing.
        secrets = [given[SECRET_FIELD], *secrets[1:]] if given[SECRET_FIELD] is not None else []
    if OTHER_SECRETS_FIELD in given:
        if given[OTHER_SECRETS_FIELD] and not secrets:
            raise ValueError("older secrets are kept beside a current one: give `secret`, too")
        secrets = [*secrets[:1], *given[OTHER_SECRETS_FIELD]]
    for asked in fields_of(kind):
        if asked.name in given and asked.name != SECRET_FIELD:
            place = others if asked.secret else options
            place.pop(asked.name, None)
            if given[asked.name] is not None:
                place[asked.name] = given[asked.name]
    made = Kept(Sealed(tuple(dict.fromkeys(secrets)), others), options)
    provider = all_providers().get(kind)
    if provider is not None and provider.check is not None:
        provider.check(contract.Config(made.sealed.secrets, {**options, **others}))
    return made


def verifies(kind: str, options: Mapping[str, str], *, is_sealed: bool) -> bool:
    """Whether what arrives must prove whose it is. Nothing arrives at CRON, so that nothing unproven does.

    `is_sealed`: whether there is a secret, which need not be opened for this.
    """
    return kind == CRON or all_providers()[kind].verifies(contract.Config(("",) if is_sealed else (), options))


def shown(kind: str, options: Mapping[str, str]) -> dict[str, str | int | bool]:
    """The part of a config that is not secret, as it is on the wire."""
    asked = [found for found in fields_of(kind) if not found.secret and found.name in options]
    return {found.name: _shown(found, options[found.name]) for found in asked}


def _shown(asked: contract.Field, text: str) -> str | int | bool:
    """As it is on the wire."""
    match asked.kind:
        case "integer":
            return int(text)
        case "boolean":
            return text == "true"
        case _:
            return text
