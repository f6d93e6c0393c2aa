"""Requests that other providers signed, each by a rule of its own."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final

from app.receiving.contract import SECRET_FIELD, Answer, Config, Event, Moment, Provider, Rejected, Request
from app.receiving.debugging.bodies import other_bodies
from app.receiving.debugging.findings import Finding, Repair
from app.receiving.debugging.headers_text import PastedHeaders
from app.receiving.registry import all_providers, judge

# Of headers that say nothing of whose they are, or of the standard's.
_COMMON: Final = frozenset({"authorization", "webhook-signature", "svix-signature", "x-postrider-secret"})
_NAMES: Final = re.compile(r"`([A-Za-z][A-Za-z0-9-]*)`(?! of the (?:body|query|source))")
_MOST_BODIES: Final = 60
_MOST_CANDIDATES: Final = 10
# In bytes that are looked at, each try costing something besides; bodies as they are get their tries nevertheless.
_BUDGET: Final = 20_000_000
_TRY: Final = 20_000


@cache
def _by_header() -> dict[str, tuple[Provider, ...]]:
    found: dict[str, tuple[Provider, ...]] = {}
    for provider in all_providers().values():
        for name in dict.fromkeys(text.lower() for text in _NAMES.findall(provider.header)):
            # `header` of a source is what its owner calls it.
            if name not in _COMMON and not provider.name.startswith("generic"):
                found[name] = (*found.get(name, ()), provider)
    return found


def about_other_providers(
    pasted: PastedHeaders, body: bytes, secrets: Sequence[str], now: float, url: str, *, line_ends_known: bool
) -> list[Finding]:
    """Whose headers these are, and whether the signature is right by that rule; nothing if they are of nobody known."""
    names = {name for name, _ in pasted.headers}
    candidates = [(name, each) for name, providers in _by_header().items() if name in names for each in providers]
    candidates = candidates[:_MOST_CANDIDATES]
    if not candidates:
        return []
    reasons: dict[str, str] = {}
    bodies: list[tuple[bytes, Repair | None]] = [(body, None)]
    most = _BUDGET // ((len(body) + _TRY) * len(candidates) * max(len(secrets), 1))
    bodies += islice(other_bodies(body, line_ends_known=line_ends_known), min(most, _MOST_BODIES))
    for name, provider in candidates:
        for changed, repair in bodies:
            for secret in secrets:
                request = Request("POST", url, pasted.headers, changed)
                reason = _refusal(provider, request, secret, now)
                if reason is None:
                    alike = [each for _, each in candidates if _refusal(each, request, secret, now) is None]
                    return list(_right(name, alike, repair))
                if repair is None:
                    reasons[provider.title] = reason
    titles = list(dict.fromkeys(provider.title for _, provider in candidates))
    return [_refused(candidates[0][0], titles, reasons)]


def _refusal(provider: Provider, request: Request, secret: str, now: float) -> str | None:
    """Why the provider's rule refuses the request; None if it takes it."""
    names = [field.name for field in provider.fields if field.required and field.name != SECRET_FIELD]
    config = Config((secret,) if secret else (), dict.fromkeys(names, secret))
    if not provider.verifies(config):
        return "Without a secret nothing is verified."
    match judge(provider, request, config, Moment(now)):
        case Event() | Answer():
            return None
        case Rejected(reason=reason):
            return reason
        case _:
            return "Its rule needs keys that the provider publishes: make a source of it, which fetches them."


def _right(name: str, alike: Sequence[Provider], repair: Repair | None) -> Iterator[Finding]:
    """`alike`: whose rules take the request; some sign in the same way, with the same header."""
    provider, titles = alike[0], _joined([each.title for each in alike])
    if repair is not None:
        yield repair.finding(f"The signature of {titles}")
    right = repair is None or repair.level != "mistake"
    yield Finding(
        "provider",
        "right" if right else "note",
        f"This is a request of {titles}" + (", and its signature is right by that provider's rule." if right else "."),
        f"The header {name} was verified by its rule: {provider.algorithm.replace('`', '')}.",
        f"Libraries of Standard Webhooks refuse it: verify it as {provider.documentation} says, or let a source of the "
        f"kind {provider.name} receive it.",
    )


def _refused(name: str, titles: list[str], reasons: dict[str, str]) -> Finding:
    whose = _joined(titles)
    if len(titles) == 1:
        how = next(iter(reasons.values()), "Give the secret to have it verified.")
    else:
        how = f"The header {name} is used by each of them; the signature is right by none of their rules."
    return Finding(
        "provider",
        "mistake",
        f"These are headers of {whose}, not of Standard Webhooks.",
        how,
        "Give the secret that this provider shows, and the URL if it signs that; or paste webhook-* or svix-* headers.",
    )


def _joined(titles: Sequence[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} or {titles[-1]}"
