"""The providers' own JavaScript packages accept what ours signs, refuse what ours refuses, and sign for ours."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import pytest

import tests.sdk
from app.receiving.contract import Answer, Config, Event, Moment, Rejected, Request
from app.receiving.registry import all_providers, judge
from tests.receiving.mutations import URL, changed, sample, tampered

JAVASCRIPT: Final = Path(tests.sdk.__file__).with_name("javascript")
SECRET: Final = "oK5XkD3sB1yQz8vT2mR7wL4nC6hJ9pF0"
STRANGER: Final = "AK5XkD3sB1yQz8vT2mR7wL4nC6hJ9pF0"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine"),
    pytest.mark.skipif((JAVASCRIPT / ".not-installed").exists(), reason="npm reaches no packages here"),
]


@dataclass(frozen=True)
class Oracle:
    """A package, and what of the provider it is asked about."""

    provider: str
    package: str
    event: str
    # The header with the signature.
    header: str
    secret: str = SECRET
    stranger: str = STRANGER
    signs: bool = False
    # Whether it refuses what is an hour old, too.
    timed: bool = False


ORACLES: Final = (
    Oracle("linear", "@linear/sdk", "Issue.create", "linear-signature", timed=True),
    Oracle("nango", "@nangohq/node", "auth", "x-nango-hmac-sha256"),
    Oracle("notion", "@notionhq/client", "page.content_updated", "x-notion-signature", signs=True),
    Oracle(
        "resend",
        "resend",
        "email.delivered",
        "svix-signature",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        timed=True,
    ),
    Oracle("shopify", "@shopify/shopify-api", "orders.create", "x-shopify-hmac-sha256", signs=True),
    Oracle("zoom", "@zoom/rivet", "meeting.started", "x-zm-signature"),
)


def _asked(oracle: Oracle, requests: Sequence[Request]) -> tuple[list[object], str | None]:
    """What the package says of each request (False: refused), and its own signature of the first one's body."""
    told = [{"body": each.body.decode(), "headers": dict(each.headers)} for each in requests]
    node = subprocess.run(
        ["node", "provider_packages.mjs"],
        cwd=JAVASCRIPT,
        input=json.dumps({"provider": oracle.provider, "secret": oracle.secret, "requests": told}).encode(),
        capture_output=True,
        timeout=30,
    )
    assert node.returncode == 0, node.stderr.decode()
    answer = json.loads(node.stdout)
    return answer["verdicts"], answer["signature"]


def _signed(oracle: Oracle, body: bytes, at: float, secret: str) -> Request:
    return all_providers()[oracle.provider].sign(oracle.event, body, Config((secret,)), at, URL)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.package)
def test_the_package_and_ours_agree(oracle: Oracle) -> None:
    now, rule = time.time(), all_providers()[oracle.provider]
    # As short as can be: Zoom's package verifies what it makes of the parsed body. Not of ASCII alone.
    body = orjson.dumps({**json.loads(sample(oracle.provider, oracle.event)), "note": "Zoë"})
    genuine = _signed(oracle, body, now, oracle.secret)
    others = [
        Request("POST", URL, genuine.headers, tampered(genuine.body)),
        _signed(oracle, body, now, oracle.stranger),
        changed(genuine, oracle.header, lambda value: value[:-8] + "AAAAAAA="),
    ]
    if oracle.timed:
        others.append(_signed(oracle, body, now - 3600, oracle.secret))
    theirs, signature = _asked(oracle, [genuine, *others])
    ours = [judge(rule, each, Config((oracle.secret,)), Moment(now)) for each in (genuine, *others)]
    assert [bool(verdict) for verdict in theirs] == [True] + [False] * len(others)
    assert [isinstance(verdict, Event) for verdict in ours] == [True] + [False] * len(others)
    assert all(isinstance(verdict, Rejected) for verdict in ours[1:])
    assert (signature is not None) == oracle.signs
    if signature is not None:
        headers = [(name, signature if name == oracle.header else value) for name, value in genuine.headers]
        assert isinstance(
            judge(rule, Request("POST", URL, tuple(headers), body), Config((oracle.secret,)), Moment(now)), Event
        )


def test_zooms_package_answers_the_validation_of_a_url_as_ours_does() -> None:
    [zoom] = [oracle for oracle in ORACLES if oracle.provider == "zoom"]
    told = {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}
    body = orjson.dumps({**told, "event_ts": 1794990000000})
    request = _signed(zoom, body, time.time(), SECRET)
    answer = judge(all_providers()["zoom"], request, Config((SECRET,)), Moment(time.time()))
    assert isinstance(answer, Answer)
    [theirs], _ = _asked(zoom, [request])
    assert theirs == orjson.loads(answer.body)


def test_the_packages_are_those_that_the_providers_name() -> None:
    named = json.loads((JAVASCRIPT / "package.json").read_bytes())["dependencies"]
    for oracle in ORACLES:
        assert oracle.package in named
        assert f"{oracle.package} (npm" in all_providers()[oracle.provider].oracle
