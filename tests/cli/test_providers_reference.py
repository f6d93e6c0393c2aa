"""docs/reference/providers.md says what the providers are, and nothing that could be acted on is missing in it."""

import re
from typing import Final

import pytest

from app.cli.providers_reference import PAGE, page
from app.receiving.contract import Provider
from app.receiving.registry import all_providers

PROVIDERS: Final = all_providers()


def test_the_page_is_what_the_providers_say_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m app.cli.providers_reference`"


def test_every_provider_has_a_row_and_a_section() -> None:
    text = page()
    for provider in PROVIDERS.values():
        assert f"](#{provider.name}) | " in text
        assert f"\n## {provider.name}\n" in text
        assert provider.documentation in text
    rows = [line for line in text.split("\n## ")[0].splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {8}
    assert len(rows) == len(PROVIDERS) + 2


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_a_provider_is_documented(provider: Provider) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,40}", provider.name)
    assert provider.documentation.startswith("https://")
    assert all((provider.title, provider.header, provider.algorithm, provider.oracle))
    assert provider.methods <= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert all(name == name.lower() for name in provider.credentials)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_an_example_of_a_field_is_one_that_would_be_accepted(provider: Provider) -> None:
    names = [field.name for field in provider.fields]
    assert len(names) == len(set(names))
    for field in provider.fields:
        assert re.fullmatch(r"[a-z][A-Za-z0-9]{1,30}", field.name)
        assert field.description.endswith(".")
        if field.kind == "integer":
            assert str(int(field.example)) == field.example
        if field.kind == "boolean":
            assert field.example in {"true", "false"}
        # Keys and certificates are shortened.
        if field.check and "…" not in field.example:
            assert field.check(field.example)
