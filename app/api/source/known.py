"""Bodies that are refused for a field that nobody knows: what was misspelt might have been what protects a source."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.api.fields import Dto

_MOST_TOLD: Final = 20
_LONGEST: Final = 64


def nearest(name: str, names: Collection[str]) -> str | None:
    """The one of several names that was meant, as far as its letters tell."""
    by_lower = {known.lower(): known for known in names}
    found = get_close_matches(name[:_LONGEST].lower(), by_lower, 1)
    return by_lower[found[0]] if found else None


class KnownDto(Dto):
    """A body on the wire in which there is nothing but its fields."""

    model_config = ConfigDict(extra="forbid")

    # Texts for fields of which there is more to say.
    _refusals: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        names = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [name for name in data if name not in names and name not in cls.model_fields]
        if unknown:
            told = [_refusal(cls._refusals.get(name) or _text(name, names), name) for name in unknown[:_MOST_TOLD]]
            raise ValidationError.from_exception_data(cls.__name__, told, hide_input=True)
        return data


def _refusal(text: str, name: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("extra_forbidden", text), loc=(name,), input=None)


def _text(name: str, names: Collection[str]) -> str:
    if (meant := nearest(name, names)) is not None:
        return f"there is no such field: is {meant} meant?"
    listed = f"the fields are {', '.join(names)}" if names else "there are no fields"
    return f"there is no such field, and none like it: {listed}"
