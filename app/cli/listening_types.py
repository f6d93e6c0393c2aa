"""The event types that `postrider listen` asks for, as they were named: in full, or as their provider calls them."""

from collections.abc import Iterable, Sequence

from app.cli.remote import Source
from app.receiving.contract import Event
from app.receiving.naming import event_type_of
from app.receiving.registry import all_providers
from app.receiving.sample_types import sample_types


def types_of(source: Source, names: Iterable[str]) -> list[str]:
    """The event types that are meant at a source: `stripe.invoice.paid` stays, and `invoice.paid` becomes that."""
    provider = all_providers().get(source.type)
    if provider is None:
        return list(dict.fromkeys(names))
    found: list[str] = []
    for name in names:
        if _begins(name, provider.event_prefix):
            found.append(name)
            continue
        found.append(event_type_of(provider, Event(name)))
        if (of_sample := sample_types(provider).get(name)) is not None:
            found.append(of_sample)
    return list(dict.fromkeys(found))


def unmatched(sources: Sequence[Source], names: Iterable[str]) -> list[str]:
    """Those of the names that begin as the events of other providers do than the sources'."""
    providers = all_providers()
    followed = {providers[one.type].event_prefix if one.type in providers else one.type for one in sources}
    others = {provider.event_prefix for provider in providers.values()} - followed
    return [
        name
        for name in names
        if any(_begins(name, prefix) for prefix in others) and not any(_begins(name, prefix) for prefix in followed)
    ]


def _begins(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")
