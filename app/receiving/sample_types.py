"""The event types that samples become: each is signed as by its provider, and judged by its provider's own rule."""

from typing import Final

from app.receiving.contract import SECRET_FIELD, CannotSign, Config, Event, Moment, Provider
from app.receiving.naming import event_type_of
from app.receiving.registry import judge
from app.receiving.samples import names_of, sample
from app.receiving.trigger import signed

_NOW: Final = 1_795_000_000.0
_URL: Final = "https://hooks.example.com/in/token"
# Of what nobody can sign here, by provider and sample: what is a handshake.
_HANDSHAKES: Final = frozenset({("aws-sns", "SubscriptionConfirmation")})


def sample_types(provider: Provider) -> dict[str, str | None]:
    """By the samples' names the event types at a source that says only what is required; None for a handshake.

    Those that are signed with a private key are called as their events are.
    """
    return {name: _type_of(provider, name) for name in names_of(provider.name)}


def _type_of(provider: Provider, name: str) -> str | None:
    secrets = tuple(field.example for field in provider.fields if field.name == SECRET_FIELD)
    options = {field.name: field.example for field in provider.fields if field.required and field.name != SECRET_FIELD}
    config = Config(secrets, options)
    try:
        request = signed(provider, sample(provider.name, name), config, _NOW, _URL)
    except CannotSign:
        return None if (provider.name, name) in _HANDSHAKES else event_type_of(provider, Event(name))
    verdict = judge(provider, request, config, Moment(_NOW))
    return event_type_of(provider, verdict) if isinstance(verdict, Event) else None
