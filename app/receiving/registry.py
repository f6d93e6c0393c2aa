"""All providers, by name."""

import importlib
import pkgutil
from dataclasses import replace
from functools import cache

from app.receiving import providers
from app.receiving.contract import Answer, Config, Event, Moment, Provider, Rejected, Rejection, Request, Wanted


@cache
def all_providers() -> dict[str, Provider]:
    """Each module of `providers/` has `PROVIDERS`: one, or several that sign alike. In the order of their names."""
    found: dict[str, Provider] = {}
    for module in pkgutil.iter_modules(providers.__path__):
        for provider in importlib.import_module(f"{providers.__name__}.{module.name}").PROVIDERS:
            assert provider.name not in found, f"two providers are called {provider.name}"
            found[provider.name] = provider
    return dict(sorted(found.items()))


def judge(provider: Provider, request: Request, config: Config, moment: Moment) -> Event | Answer | Wanted | Rejected:
    """What a request is, by its provider's rule."""
    try:
        verdict = provider.verify(request, config, moment)
    except Rejection as rejection:
        return Rejected(rejection.status, rejection.reason)
    if isinstance(verdict, Event) and verdict.delivery_id == "":
        # All events without an id would be one.
        return replace(verdict, delivery_id=None)
    return verdict
