"""Secrets that are watched: through success, refusal, failure and crash, none of them is in a log or in an error."""

import asyncio
import base64
import gc
import io
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import trustme
from fastapi import FastAPI
from loguru import logger

from app import logs
from app.delivery import signing
from app.settings import Settings
from tests import factories
from tests.receiver import Answer, Arrival, Receiver
from tests.worker.stage import Stage, staged

MARK: Final = "Xcanary"
RAW: Final = f"{MARK}InTheSigningSecret0123456789".encode()
CANARIES: Final = {
    "signing secret": "whsec_" + base64.b64encode(RAW).decode(),
    "secret of the crash": "whsec_" + base64.b64encode(RAW[::-1]).decode(),
    "header value": f"{MARK}-header-value",
    "authorization": f"{MARK}.authorization",
    "password": f"{MARK}:password/+?",
    "credential": f"{MARK}-credential",
    "client secret": f"{MARK} client&secret",
    "parameter": f"{MARK}-parameter",
    "idempotency key": f"{MARK}-idempotency-key",
    "payload": f"{MARK} in the payload ü",
    "answer": f"{MARK} in the answer",
    "token of a receiver": f"{MARK}.bearer.token",
}
# They make later statements fail in Postgres, with the whole row in the error's DETAIL, or with all parameters.
POISON: Final = (
    "ALTER TABLE messages ADD CHECK (event_type <> 'poison')",
    "ALTER TABLE endpoints ALTER description TYPE varchar(5)",
    "ALTER TABLE attempts ADD CHECK (response_status_code <> 418)",
)


@dataclass
class Sinks:
    """Everything that a process says, and every error that a caller was answered with."""

    log: io.StringIO = field(default_factory=io.StringIO)
    answers: list[str] = field(default_factory=list)

    async def keep(self, response: httpx.Response) -> None:
        """An answer that repeats what the caller may see again is none of these."""
        if response.status_code >= 400:
            await response.aread()
            self.answers.append(response.text + str(response.headers))


def spellings(secret: str) -> Iterator[str]:
    """As it is, and as programs write it."""
    plain = secret.encode()
    yield secret
    yield secret.removeprefix("whsec_")
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield plain.hex()
    yield repr(plain)[2:-1]
    for before in ("", "x", "xx"):
        # In the middle of a longer base64, whatever stands before it.
        yield base64.b64encode(before.encode() + plain).decode()[4:-4]


@pytest.fixture
async def told(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[tuple[Stage, Sinks]]:
    """A stage whose every word is kept, at the level at which it says most."""
    sinks = Sinks()
    own = settings.model_copy(
        update={"db_dsn": empty_dsn, "retry_schedule": (0,), "log_level": "trace", "log_format": "json"}
    )
    async with staged(own, token) as stage:
        logs.configure(own, stream=sinks.log)
        stage.client.event_hooks["response"].append(sinks.keep)
        for statement in POISON:
            await stage.database.pool.execute(statement)
        yield stage, sinks
    logger.remove()
    logger.configure(extra={}, patcher=None)
    logger.add(lambda _message: None)


def echoing(arrival: Arrival) -> Answer:
    """A receiver that says back what it was sent, as careless ones do; at `/token`, an authorization server."""
    said = json.dumps([CANARIES["answer"], arrival.headers, arrival.body.decode()]).encode()
    match arrival.path:
        case "/token":
            granted = {"access_token": CANARIES["token of a receiver"], "expires_in": 60}
            return Answer(200, body=json.dumps(granted).encode())
        case "/no-token":
            return Answer(401, body=json.dumps({"error": CANARIES["client secret"], "error_description": "x"}).encode())
        case "/teapot":
            return Answer(418, body=said)
        case "/refuses":
            return Answer(500, {"location": CANARIES["answer"]}, said)
        case _:
            return Answer(200, body=said)


async def endpoints(stage: Stage, url: str) -> list[str]:
    """One with each kind of secret."""
    path = f"/app/{stage.application}/endpoint"
    own: dict[str, Any] = {
        "headers": {"X-Mine": CANARIES["header value"], "Authorization": f"Bearer {CANARIES['authorization']}"}
    }
    made = [
        await stage.endpoint(f"{url}/{name}", secret=CANARIES["signing secret"], **own) for name in ("ok", "refuses")
    ]
    await stage.endpoint(f"{url}/never", secret=CANARIES["secret of the crash"])
    made += [await stage.endpoint(f"{url}/teapot"), await stage.endpoint(f"{url}/basic")]
    basic = {"type": "basic", "username": "u", "password": CANARIES["password"]}
    assert (await stage.client.put(f"{path}/{made[-1]}/authentication", json=basic)).status_code == 204
    made.append(await stage.endpoint(f"{url}/header"))
    header = {"type": "header", "name": "X-Mine", "value": CANARIES["credential"]}
    assert (await stage.client.put(f"{path}/{made[-1]}/authentication", json=header)).status_code == 204
    for name in ("token", "no-token"):
        made.append(await stage.endpoint(f"{url}/oauth"))
        client = {
            "grantType": "clientCredentials",
            "authMethod": "clientSecretPost",
            "clientId": "c",
            "clientSecret": CANARIES["client secret"],
            "tokenUrl": f"{url}/{name}",
            "extraParams": {"audience": CANARIES["parameter"]},
        }
        assert (await stage.client.put(f"{path}/{made[-1]}/oauth", json=client)).status_code == 204
    return made


async def refused(stage: Stage, token: str) -> None:
    """What callers get wrong with a secret in their hands."""
    path, url = f"/app/{stage.application}/endpoint", factories.URL
    for body in (
        {"url": f"http://u:{CANARIES['password']}@example.com/"},
        {"url": url, "secret": CANARIES["signing secret"] + "!"},
        {"url": url, "headers": {"X-Mine": CANARIES["header value"] + "\n"}},
        {"url": url, "headers": CANARIES["header value"]},
        {"url": url, "headers": {"X-Mine": [CANARIES["header value"]]}},
    ):
        assert (await stage.client.post(path, json=body)).status_code == 422
    for content in (
        f'{{"eventType": "a", "payload": {CANARIES["payload"]}}}',
        f'{{"eventType": 7, "payload": {{"a": "{CANARIES["payload"]}"}}}}',
        f'{{"eventType": "a", "payload": "{CANARIES["payload"]}"}}',
    ):
        headers = {"content-type": "application/json"}
        answer = await stage.client.post(f"/app/{stage.application}/msg", content=content.encode(), headers=headers)
        assert answer.status_code == 422
    for bad in (token[:-4] + "AAAA", f"Bearer {CANARIES['authorization']}"):
        answer = await stage.client.get("/app", headers={"authorization": f"Bearer {bad}"})
        assert answer.status_code == 401


async def crashed(stage: Stage, app: FastAPI) -> None:
    """Failures of Postgres that quote the row, in both ways of reaching it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    stage.client._transport = transport
    path = f"/app/{stage.application}/endpoint"
    body = {"url": f"http://example.com/{MARK}", "description": "poison", "metadata": {"k": CANARIES["payload"]}}
    assert (await stage.client.post(path, json=body)).status_code == 500
    message = {"eventType": "poison", "payload": {"a": CANARIES["payload"]}}
    headers = {"idempotency-key": CANARIES["idempotency key"] + "-of-another"}
    answer = await stage.client.post(f"/app/{stage.application}/msg", json=message, headers=headers)
    assert answer.status_code == 500


async def test_no_secret_is_in_any_log_error_or_repr_whatever_happens(
    told: tuple[Stage, Sinks],
    token: str,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    stage, sinks = told
    receiver.answer = echoing
    made = await endpoints(stage, receiver.url)
    key = trustme.CA().issue_cert("me.example").private_key_and_cert_chain_pem.bytes().decode()
    mtls = f"/app/{stage.application}/endpoint/{made[0]}/mtls"
    assert (await stage.client.put(mtls, json={"identity": key})).status_code == 204
    await refused(stage, token)
    headers = {"idempotency-key": CANARIES["idempotency key"]}
    message = {"eventType": "invoice.paid", "payload": {"a": CANARIES["payload"]}}
    answer = await stage.client.post(f"/app/{stage.application}/msg", json=message, headers=headers)
    assert answer.status_code == 202, answer.text
    different = {"eventType": "invoice.paid", "payload": {"b": CANARIES["payload"]}}
    answer = await stage.client.post(f"/app/{stage.application}/msg", json=different, headers=headers)
    assert answer.status_code == 409
    real = signing.sign
    broken: set[str] = set()

    def sign(message_id: str, timestamp: int, body: bytes, keys: Any) -> str:
        if keys[0].text == CANARIES["secret of the crash"]:
            broken.add(message_id)
            raise RuntimeError(f"our bug while {len(body)} bytes were signed")
        return real(message_id, timestamp, body, keys)

    monkeypatch.setattr(signing, "sign", sign)
    async with stage.draining():
        # Those that were answered, and the retries of those that were not.
        await receiver.wait_for(10, 30)
        # Not an event that can be awaited: the log's own words.
        logged = ("could not be handled", "CheckViolationError", "no more")
        async with asyncio.timeout(30):
            while not all(text in sinks.log.getvalue() for text in logged):
                await asyncio.sleep(0.02)
        shown = [repr(held) for held in gc.get_objects() if _is_ours(held)]
    await crashed(stage, stage.app)
    assert broken
    assert len(shown) > 30
    assert len(sinks.answers) >= 13
    # What somebody printed, or a library wrote without our logging.
    log = sinks.log.getvalue() + "".join(capfd.readouterr())
    assert log.count("Traceback") >= 4
    secrets = {**CANARIES, "private key": key.split("-----")[2].strip()[100:140], "api token": token}
    for name, secret in secrets.items():
        for text in spellings(secret):
            assert text not in log, f"the {name} is in the log: {_around(log, text)}"
            assert text not in "".join(sinks.answers), f"the {name} is in an answer"
            assert not any(text in one for one in shown), f"the {name} is in a repr"


def _is_ours(held: object) -> bool:
    module = type(held).__module__
    return isinstance(module, str) and module.partition(".")[0] in {"app", "worker"} and module in sys.modules


def _around(text: str, found: str) -> str:
    place = text.index(found)
    return text[max(place - 200, 0) : place + 80]
