"""What the official package can do: every public method of every resource, found by looking; and arguments for them."""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, get_type_hints

import pydantic
from svix.api import Svix, SvixAsync, SvixOptions

_NOWHERE: Final = SvixOptions(server_url="http://127.0.0.1:1")


def methods_of(client: Svix | SvixAsync) -> set[str]:
    """The dotted names of all methods, e.g. `endpoint.transformation.get`."""
    return set(_walk(client, ""))


def all_methods() -> set[str]:
    """Those of the package, of both of its clients. AssertionError if one has what the other has not."""
    found = methods_of(package_client())
    assert found == methods_of(SvixAsync("token", _NOWHERE))
    return found


def package_client() -> Svix:
    """The blocking client, of no server: to look at."""
    return Svix("token", _NOWHERE)


def _walk(resource: object, prefix: str) -> Iterator[str]:
    for name, member in inspect.getmembers_static(type(resource)):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield from _walk(getattr(resource, name), f"{prefix}{name}.")
        elif inspect.isfunction(member):
            yield f"{prefix}{name}"


def method_of(client: object, name: str) -> Callable[..., Awaitable[Any]]:
    """The method that a dotted name means."""
    found: Any = client
    for part in name.split("."):
        found = getattr(found, part)
    method: Callable[..., Awaitable[Any]] = found
    return method


def made_up_arguments(method: Callable[..., object]) -> list[object]:
    """Arguments of the right types that mean nothing: bodies are empty objects."""
    hints = get_type_hints(method)
    return [
        _made_up(hints[name])
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]


def _made_up(kind: object) -> object:
    if kind is str:
        return "some-id"
    assert isinstance(kind, type), f"make up an argument of type {kind}"
    assert issubclass(kind, pydantic.BaseModel), f"make up an argument of type {kind}"
    return kind.model_construct()
