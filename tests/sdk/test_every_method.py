"""Every method of the official Python package: it works, or it is one of what is not served, and says so."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from svix.exceptions import HttpError

from app.api.unserved.operations import UNSERVED
from tests.sdk import scenarios
from tests.sdk.methods import all_methods, made_up_arguments, method_of, package_client
from tests.sdk.stage import SCENARIOS, WAITING, Scenario, World, staged

for _module in pkgutil.iter_modules(scenarios.__path__):
    importlib.import_module(f"{scenarios.__name__}.{_module.name}")
WORKING = frozenset[str]().union(*SCENARIOS.values())
# The resources that are not served: what their operations are for is no part of Postrider, or not yet.
UNSERVED_METHODS = re.compile(
    r"(autoconfig_subscription|connector|destination|integration|streaming)\..*|authentication\..*stream.*"
)


def test_every_method_has_a_scenario_or_is_not_served() -> None:
    methods = all_methods()
    unserved = {name for name in methods if UNSERVED_METHODS.fullmatch(name)}
    assert methods - unserved - WORKING == set(), "write a scenario for what the package can do by now"
    assert WORKING - methods == set()
    assert WORKING & unserved == set()


def plays() -> Iterator[Any]:
    """Each scenario, for each client."""
    for scenario in SCENARIOS:
        yield pytest.param(scenario, False, id=f"{scenario.__name__}-async")
        marks = [pytest.mark.chaos] if scenario in WAITING else []
        yield pytest.param(scenario, True, id=f"{scenario.__name__}-sync", marks=marks)


@pytest.mark.parametrize(("scenario", "sync"), list(plays()))
async def test_it_works(scenario: Scenario, sync: bool, world: World) -> None:
    stage = staged(world, sync=sync)
    await scenario(stage)
    assert SCENARIOS[scenario] - stage.called == set(), "the scenario does not call what it says"


@pytest.mark.parametrize("sync", [False, pytest.param(True, marks=pytest.mark.chaos)], ids=["async", "sync"])
async def test_what_is_not_served_is_an_error_that_says_so(sync: bool, world: World) -> None:
    told = {f"{operation.reason} {operation.instead}" for operation in UNSERVED}
    package = package_client()
    stage = staged(world, sync=sync)
    for name in sorted(all_methods() - WORKING):
        method = method_of(stage.svix, name)
        with pytest.raises(HttpError) as refused:
            await method(*made_up_arguments(method_of(package, name)))
        assert (refused.value.status_code, refused.value.code) == (501, "not_implemented"), name
        assert refused.value.detail in told
