"""What a transformation may do, and what comes of whatever else it does."""

import gc
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.transformation.contract import Canceled, Draft, Failed, Limits, Result, Transformation, Transformed
from app.transformation.sandbox import Sandbox

PAYLOAD = b'{"id": 12345678901234567890, "price": 1.50, "name": "Zo\xc3\xab"}'
DRAFT = Draft("https://example.com/in", PAYLOAD, "invoice.paid", ("a", "b"), b'{"tier": 2}')
PATIENT = Limits(fuel=10**13, seconds=0.2)


def run(sandbox: Sandbox, code: str, webhook: Draft = DRAFT, limits: Limits | None = None, **env: str) -> Result:
    return sandbox.run(Transformation(code, env), webhook, limits or Limits())


def handler(body: str) -> str:
    return f"function handler(webhook) {{ {body}; return webhook }}"


def body_of(result: Result) -> Any:
    assert isinstance(result, Transformed), result
    assert result.body is not None
    return json.loads(result.body)


def test_the_handler_is_given_all_there_is_to_know(sandbox: Sandbox) -> None:
    result = run(sandbox, handler("webhook.payload = {given: JSON.parse(JSON.stringify(webhook))}"), KEY="k")
    given = body_of(result)["given"]
    assert given.pop("payload") == {"id": 12345678901234567000, "price": 1.5, "name": "Zoë"}
    assert given == {
        "method": "POST",
        "url": "https://example.com/in",
        "eventType": "invoice.paid",
        "channels": ["a", "b"],
        "env": {"KEY": "k"},
        "transformationsParams": {"tier": 2},
        "headers": {},
        "cancel": False,
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", Transformed("POST", DRAFT.url, {}, None)),
        ("webhook.url = 'https://example.org/'", Transformed("POST", "https://example.org/", {}, None)),
        ("webhook.method = 'PUT'", Transformed("PUT", DRAFT.url, {}, None)),
        ("webhook.headers['X-A'] = 'b'", Transformed("POST", DRAFT.url, {"X-A": "b"}, None)),
        ("webhook.headers = null", Transformed("POST", DRAFT.url, {}, None)),
        ("webhook.payload = {b: webhook.payload.name}", Transformed("POST", DRAFT.url, {}, '{"b":"Zoë"}'.encode())),
        ("webhook.payload = 'a=b&c=ë\\n'", Transformed("POST", DRAFT.url, {}, "a=b&c=ë\n".encode())),
        ("webhook.payload = ''", Transformed("POST", DRAFT.url, {}, b"")),
        ("webhook.payload = null", Transformed("POST", DRAFT.url, {}, b"null")),
        ("webhook.payload = [1]", Transformed("POST", DRAFT.url, {}, b"[1]")),
        ("webhook = {payload: [1]}", Transformed("POST", DRAFT.url, {}, b"[1]")),
        ("webhook.cancel = true", Canceled()),
        ("webhook.cancel = true; webhook.payload = undefined", Canceled()),
        ("console.log('seen'); webhook.method = 'PATCH'", Transformed("PATCH", DRAFT.url, {}, None)),
    ],
)
def test_what_the_handler_returns_is_sent(sandbox: Sandbox, body: str, expected: Result) -> None:
    result = run(sandbox, handler(body))
    assert result == expected
    if isinstance(result, Transformed) and isinstance(expected, Transformed):
        assert (result.body, result.headers) == (expected.body, expected.headers)


@pytest.mark.parametrize("form", ["const handler = (w) => w", "var handler = function (w) { return w } // end"])
def test_a_handler_may_be_declared_in_any_way(sandbox: Sandbox, form: str) -> None:
    assert run(sandbox, form) == Transformed("POST", DRAFT.url, {}, None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("let x = 1", "the code must declare a function named handler"),
        ("function handler(w) {\n\n  throw new Error('no')\n}", "line 3: Error: no"),
        ("function handler(w) {\n  return w.a.b\n}", "line 2: TypeError: cannot read property 'b' of undefined"),
        ("function handler(w) {\n  a b\n}", "line 2: SyntaxError"),
        ("throw 'at once'", "at once"),
        ("async function handler(w) { return w }", "must not be async"),
        ("function handler(w) {}", "handler must return the webhook"),
        ("function handler(w) { return 'w' }", "handler must return the webhook"),
        (handler("webhook.method = 'GET'"), "must be POST, PUT or PATCH, not GET"),
        (handler("webhook.url = 5"), "not of the right form: Expected `str | null`, got `int` - at `$.url`"),
        (handler("webhook.headers = {a: 1}"), "the header 'a' of the returned webhook must be a text"),
        (handler("webhook.headers = []"), "not of the right form"),
        (handler("webhook.cancel = 'yes'"), "not of the right form"),
        (handler("delete webhook.payload"), "payload of the returned webhook must be JSON"),
        (handler("webhook.payload = () => 1"), "payload of the returned webhook must be JSON"),
        (handler("webhook.payload.a = 1n"), "TypeError"),
        (handler("webhook.payload.a = webhook.payload"), "circular"),
        (handler("webhook.payload = 'a\\0b'"), "NUL"),
        (handler("webhook.payload = '\\ud800'"), "half of a character"),
        (handler("webhook.payload = 'x'.repeat(1048577)"), "a body may have 1048576 bytes"),
        (handler("webhook.payload = 'x'.repeat(3e6)"), "a body may have 1048576 bytes"),
        ("function handler(w) { return w }\0", "NUL"),
    ],
)
def test_what_cannot_be_sent_fails_with_a_reason(sandbox: Sandbox, code: str, reason: str) -> None:
    result = run(sandbox, code)
    assert isinstance(result, Failed)
    assert reason in result.reason


HOSTILE = {
    "a loop": "while (1);",
    "a loop in the handler": handler("for (;;);"),
    "a loop that swallows what it throws": "for (;;) { try { null.a } catch {} }",
    "a regular expression that backtracks": handler("/^(a+)+$/.test('a'.repeat(60) + 'b')"),
    "a regular expression of many groups": "new RegExp('('.repeat(1e6) + ')'.repeat(1e6))",
    "a list without an end": handler("const a = []; for (;;) a.push(new Uint8Array(1e6))"),
    "objects without an end": "const a = []; for (;;) a.push({a: [a]})",
    "a text that doubles": handler("let s = 'x'; for (;;) s = (s + s).slice(0, 4e8).split('').join('')"),
    "a large array": "new Array(2 ** 32 - 1).fill(1)",
    "a large buffer": "new ArrayBuffer(2 ** 40)",
    "copies within a buffer": "const u = new Uint8Array(12e6); for (;;) u.copyWithin(0, 1)",
    "recursion": "(function f() { f() })()",
    "recursion through built-ins": "(function f() { [1].map(f) })()",
    "recursion through getters": handler("Object.defineProperty(webhook, 'url', {get() { return this.url }})"),
    "a parser that nests": "JSON.parse('['.repeat(1e6))",
    "code that nests": "eval('('.repeat(1e6))",
    "a value that nests": handler("let a = []; for (let i = 0; i < 1e6; i++) a = [a]; webhook.payload = a"),
    "a Proxy that never answers": "function handler(w) { return new Proxy(w, {get() { for (;;); }}) }",
    "a Proxy of other values": "function handler(w) { return new Proxy({}, {get: () => ({})}) }",
    "a getter that throws": handler("Object.defineProperty(webhook, 'payload', {get() { throw {} }})"),
    "toJSON without an end": handler("webhook.payload.toJSON = () => { for (;;); }"),
    "throwing nothing": "throw undefined",
    "throwing what cannot be shown": "throw {toString() { throw 1 }}",
    "throwing what shows itself for ever": "throw {toString() { for (;;); }}",
    "throwing an error with a stack that throws": "throw Object.defineProperty(Error(), 'stack', {get() { throw 1 }})",
    "throwing a huge error": "throw Error('x'.repeat(5e6))",
    "throwing a revoked Proxy": "const r = Proxy.revocable({}, {}); r.revoke(); throw r.proxy",
    "throwing controls": "throw '\\u0000\\u001b[2J\\u2028\\n\\ud800'",
    "a promise that never settles": "function handler() { return new Promise(() => {}) }",
    "waiting": "function handler(w) { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) }",
    "timers": "setTimeout(() => {}, 1e9)",
    "printing of its own": 'print(\'{"url": "http://127.0.0.1/"}\')',
    "reading a file": "std.loadFile('/etc/passwd')",
    "importing the system": "import * as std from 'std'",
    "the environment": "std.getenviron()",
    "the network": "fetch('http://127.0.0.1')",
    "a process": "os.exec(['id'])",
    "requiring": "require('fs')",
    "replaced built-ins": "JSON.stringify = () => { for (;;); }; Array.prototype.map = null; throw 1",
    "a poisoned prototype": "Object.prototype.toJSON = () => 1; " + handler(""),
    "another realm's end": "globalThis.handler = undefined; delete globalThis.JSON; null.x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_fails_soon_and_the_next_runs_as_if_nothing_had_been(sandbox: Sandbox, name: str) -> None:
    started = time.perf_counter()
    result = run(sandbox, HOSTILE[name])
    assert time.perf_counter() - started < 3
    assert isinstance(result, Failed)
    assert 0 < len(result.reason) <= 600
    assert result.reason.isprintable()
    assert body_of(run(sandbox, handler("webhook.payload = {ok: [1].map(x => x)}"))) == {"ok": [1]}


@pytest.mark.parametrize("promise", ["import('std')", "import('/etc/passwd')", "import('os')"])
def test_nothing_is_imported(sandbox: Sandbox, promise: str) -> None:
    """Nothing that is asked for is ever there: promises are not even looked at."""
    code = f"var seen = 'nothing'; {promise}.then((m) => {{ seen = m }}, (e) => {{ seen = 'no' }}); "
    assert body_of(run(sandbox, code + handler("webhook.payload = [seen]"))) == ["nothing"]


def test_nothing_of_the_host_is_within_reach(sandbox: Sandbox) -> None:
    """All names that a run can see: the language's own, and nothing that leads outside."""
    code = handler(
        "webhook.payload = Object.getOwnPropertyNames(globalThis).filter((n) => !(n[0] >= 'A' && n[0] <= 'Z'))"
    )
    assert set(body_of(run(sandbox, code))) == {
        *("parseInt", "parseFloat", "isNaN", "isFinite", "decodeURI", "decodeURIComponent", "encodeURI"),
        *("encodeURIComponent", "escape", "unescape", "undefined", "eval", "globalThis", "btoa", "atob", "console"),
        "handler",
    }


def test_nothing_is_left_of_one_run_for_the_next(sandbox: Sandbox) -> None:
    run(sandbox, "globalThis.kept = 1; Object.prototype.kept = 1; Array.prototype.push = null; " + handler(""))
    found = handler("webhook.payload = [typeof kept, typeof {}.kept, typeof [].push]")
    assert body_of(run(sandbox, found)) == ["undefined", "undefined", "function"]


def test_nothing_is_left_in_memory_for_the_next(sandbox: Sandbox) -> None:
    """A buffer is made of whatever memory there is: it must be empty, whoever ran in it before."""
    marked = handler("for (const u of Array(8).fill(0).map(() => new Uint8Array(1e6))) u.fill(77)")
    assert isinstance(run(sandbox, marked), Transformed)
    looking = handler("webhook.payload = Array(8).fill(0).map(() => new Uint8Array(1e6).indexOf(77))")
    assert body_of(run(sandbox, looking)) == [-1] * 8


def test_memory_is_given_back(sandbox: Sandbox) -> None:
    bomb = "const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))"
    run(sandbox, bomb)
    gc.collect()
    before = _resident()
    for _ in range(20):
        result = run(sandbox, bomb)
        assert isinstance(result, Failed)
        assert "memory" in result.reason
    gc.collect()
    assert _resident() - before < 40_000_000


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_run_ends_by_the_clock_too(sandbox: Sandbox) -> None:
    started = time.perf_counter()
    result = run(sandbox, "while (1);", limits=PATIENT)
    assert isinstance(result, Failed)
    assert "too long" in result.reason
    assert 0.2 <= time.perf_counter() - started < 2


def test_other_threads_go_on_meanwhile(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run, sandbox, "while (1);", limits=PATIENT)
        turns = 0
        while not running.done():
            time.sleep(0.001)
            turns += 1
    assert turns > 20


def test_the_time_is_that_at_which_the_run_began(sandbox: Sandbox) -> None:
    code = handler("const a = Date.now(); for (let i = 0; i < 1e5; i++); webhook.payload = [a, Date.now()]")
    first, second = body_of(run(sandbox, code))
    assert first == second
    assert abs(first / 1000 - time.time()) < 60


def test_chance_differs_from_run_to_run(sandbox: Sandbox) -> None:
    code = handler("webhook.payload = [Math.random()]")
    assert len({run(sandbox, code).body for _ in range(5)}) == 5  # type: ignore[union-attr]


def test_the_largest_payload_can_be_changed(sandbox: Sandbox) -> None:
    rows = [{"id": number, "name": f"name {number}", "v": [1.5, True, None]} for number in range(17_000)]
    payload = json.dumps({"rows": rows}).encode()
    assert 900_000 < len(payload) < 1_048_576
    changed = body_of(run(sandbox, handler("webhook.payload.rows.length = 2"), Draft("u", payload, "t")))
    assert changed == {"rows": rows[:2]}


def test_larger_bodies_have_larger_limits() -> None:
    assert Limits.for_bodies_of(1_048_576) == Limits()
    assert Limits.for_bodies_of(4_000_000) == Limits(memory=96_000_000, output=4_000_000)


@pytest.mark.parametrize("depth", [10, 500, 1000])
def test_deep_payloads_can_be_changed(sandbox: Sandbox, depth: int) -> None:
    payload = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    result = run(sandbox, handler("webhook.payload.b = 1"), Draft("u", payload, "t"))
    assert isinstance(result, Transformed)
    assert result.body == payload[:-1] + b',"b":1}'


def test_nothing_shows_the_code_or_what_it_is_given() -> None:
    shown = repr([Transformation("canary", {"k": "canary"}), Draft("u", b"canary", "t", (), b"canary")])
    assert "canary" not in shown + repr(Transformed("POST", "u", {"a": "canary"}, b"canary"))
