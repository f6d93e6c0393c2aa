"""The examples of docs/how-to/transform-messages.md do what the text says."""

import json
import re
from pathlib import Path

from app.transformation.contract import Canceled, Draft, Limits, Result, Transformation, Transformed
from app.transformation.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "docs/how-to/transform-messages.md"
FILTER, FORM = re.findall(r"```js\n(.*?)```", PAGE.read_text(), re.DOTALL)


def run(sandbox: Sandbox, code: str, payload: object) -> Result:
    draft = Draft("https://example.com/in", json.dumps(payload).encode(), "invoice.paid")
    return sandbox.run(Transformation(code, {"SOURCE": "acme"}), draft, Limits())


def test_the_filter_sends_what_is_wanted_in_another_form(sandbox: Sandbox) -> None:
    assert run(sandbox, FILTER, {"amount": 99}) == Canceled()
    body = b'{"text":"acme: invoice.paid, 120 cents"}'
    assert run(sandbox, FILTER, {"amount": 120}) == Transformed("POST", "https://example.com/in", {}, body)


def test_the_form_is_sent_to_a_path_of_the_customer(sandbox: Sandbox) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    expected = Transformed("PUT", "https://example.com/in/customers/a%2Fb", headers, b"amount=120")
    assert run(sandbox, FORM, {"customer": "a/b", "amount": 120}) == expected


def test_the_limits_are_those_that_the_pages_name() -> None:
    limits = Limits()
    assert (limits.fuel, limits.fuel_per_byte, limits.seconds) == (500_000_000, 2_000, 2.0)
    assert (limits.memory, limits.output) == (32 * 2**20, 2**20)


def test_the_error_is_one_that_code_makes(sandbox: Sandbox) -> None:
    reason = run(sandbox, "function handler(webhook) {\n\n  return webhook.payload.customer.id\n}", {})
    assert f"failed: {reason.reason}\n" in PAGE.read_text()  # type: ignore[union-attr]
