"""What holds for all providers, whoever wrote them."""

import importlib
import pkgutil
import re
from functools import cache
from typing import Final

import orjson
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as some

import tests.receiving
from app.receiving import providers
from app.receiving.contract import Answer, CannotSign, Config, Event, Moment, Rejected, Request, Wanted
from app.receiving.registry import all_providers, judge
from tests.receiving.mutations import NOW, SAMPLES, URL, Trial
from tests.receiving.signers import private_pem

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ROUNDS: Final = 3
GARBAGE: Final = some.one_of(
    some.text(some.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40),
    some.sampled_from(
        ["v1=", "t=1,v1=", "v1,", "sha256=", "Basic Og==", "Bearer e30.e30.", "1795000000", "9" * 15, "[]"]
    ),
)
BODIES: Final = some.one_of(
    some.binary(max_size=60),
    some.recursive(
        some.none() | some.booleans() | some.integers(-9, 9**15) | some.text(max_size=8),
        lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ).map(lambda value: orjson.dumps(value) if not _has_surrogates(value) else b"{}"),
)


def _has_surrogates(value: object) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in repr(value))


@cache
def all_trials() -> dict[str, list[Trial]]:
    """Of all the families' tests, by provider."""
    found: dict[str, list[Trial]] = {}
    for module in pkgutil.iter_modules(tests.receiving.__path__, "tests.receiving."):
        if module.name.startswith("tests.receiving.test_") and module.name != __name__:
            for trial in getattr(importlib.import_module(module.name), "TRIALS", ()):
                found.setdefault(trial.provider, []).append(trial)
    return found


def test_every_provider_is_on_trial() -> None:
    assert set(all_providers()) == set(all_trials())


@pytest.mark.parametrize("name", all_providers())
def test_a_provider_says_what_its_owner_needs(name: str) -> None:
    provider = all_providers()[name]
    assert _NAME.fullmatch(name)
    assert provider.documentation.startswith("https://")
    assert provider.oracle
    assert provider.setup
    assert all(header == header.lower() for header in provider.credentials)
    assert len({field.name for field in provider.fields}) == len(provider.fields)
    assert [field.name for field in provider.fields if field.name == "secret" and not field.secret] == []
    for field in provider.fields:
        assert field.description.endswith(".")
        assert field.name != "privateKey"


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(providers.__path__)])
def test_a_module_cites_the_documentation(name: str) -> None:
    module = importlib.import_module(f"{providers.__name__}.{name}")
    assert "https://" in (module.__doc__ or "")


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir() if path.name[0] != "_"))
def test_a_sample_can_be_signed_and_is_accepted(name: str) -> None:
    provider, _, event = name.rpartition(".")[0].partition(".")
    trial, body = all_trials()[provider][0], (SAMPLES / name).read_bytes()
    config = trial.config
    try:
        request = trial.rule.sign(event, body, config, NOW, URL)
    except CannotSign:
        # Some events of this provider are signed, and not the one on trial. Who verifies them then is not known.
        config = Config(config.secrets, {**config.options, "privateKey": private_pem("sample")})
        request = trial.rule.sign(event, body, config, NOW, URL)
    assert request.method in trial.rule.methods
    assert request.find("content-type") or request.method == "GET"
    assert all(header == header.lower() for header, _ in request.headers)
    if config is trial.config:
        assert isinstance(trial.judged(request), Event | Answer | Wanted)


@pytest.mark.parametrize("name", all_providers())
def test_whether_a_source_without_a_config_verifies_is_what_its_provider_says(name: str) -> None:
    for trial in all_trials()[name]:
        is_believed = isinstance(trial.judged(trial.signed(), Config()), Event)
        assert is_believed is not trial.rule.verifies(Config())
        assert trial.rule.verifies(trial.config) is (name != "generic-webhook")


@settings(max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    garbage=some.lists(GARBAGE, min_size=3, max_size=3),
    # Two bits for each header.
    choices=some.integers(0, 2**40),
    body=BODIES,
    appended=some.booleans(),
    query=some.sampled_from(["", "?signature=x", "?a=%ff&a", "?validationToken=%00", "?hub.mode=subscribe"]),
    method=some.sampled_from(["POST", "GET", "PUT"]),
)
def test_whatever_arrives_a_rule_only_accepts_or_rejects(
    garbage: list[str], choices: int, body: bytes, appended: bool, query: str, method: str
) -> None:
    for trial in (trial for trials in all_trials().values() for trial in trials):
        note(f"{trial.provider} {trial.label}")
        real = _real_request(trial)
        headers = []
        for index, (name, value) in enumerate(real.headers):
            choice = choices >> 2 * index & 3
            if choice:
                headers.append((name, value if choice == 1 else garbage[index % 3]))
        content = real.body + body if appended else body
        for config in (trial.config, Config(), Config((), trial.config.options)):
            request = Request(method, real.url + query, tuple(headers), content)
            _judge_all_that_is_wanted(trial, request, config, body)


def _judge_all_that_is_wanted(trial: Trial, request: Request, config: Config, document: bytes) -> None:
    fetched: dict[str, bytes] = {}
    for _ in range(_ROUNDS):
        # What a rule raises beside a Rejection comes through.
        verdict = judge(trial.rule, request, config, Moment(NOW, fetched))
        if isinstance(verdict, Rejected):
            assert verdict.status in {400, 401}
            assert not any(secret in verdict.reason for secret in config.secrets if len(secret) > 4)
        if isinstance(verdict, Event) and not config.secrets and not config.options:
            assert not [field.name for field in trial.rule.fields if field.required]
        if not isinstance(verdict, Wanted):
            return
        assert verdict.url.startswith("https://")
        fetched[verdict.url] = document


@cache
def _signed(provider: str, index: int) -> Request:
    return all_trials()[provider][index].signed()


def _real_request(trial: Trial) -> Request:
    return _signed(trial.provider, all_trials()[trial.provider].index(trial))
