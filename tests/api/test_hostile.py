"""What people send who mean no good, to every operation of the OpenAPI document: refused in the documented shape,
nothing written, and nobody else kept waiting. Slow senders are in test_http_guard.py."""

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from app.settings import Settings
from tests.api.operations import Operation, operations
from tests.api.tenants import Tenant, fingerprint, make_tenant
from tests.factories import Json

PROBLEM: Final = {"code", "detail", "correlation_id", "timestamp"}
# The longest that one request may hold up the others, in seconds.
PATIENCE: Final = 0.2


@pytest.fixture(scope="module")
async def tenant(app: FastAPI, settings: Settings, database: Database) -> Tenant:
    return await make_tenant(app, settings, database)


def with_bodies(app: FastAPI) -> list[tuple[Operation, Json]]:
    return [
        (operation, operation.body)
        for operation in operations(app)
        # One takes what publishing takes, and would wait for a worker with each of it.
        if operation.body is not None and not operation.waits_for_worker
    ]


def is_documented(answer: httpx.Response) -> bool:
    """Whether an answer that refuses has the shape that the document gives it."""
    if answer.status_code == 422:
        violations = answer.json()["detail"]
        return bool(violations) and all(found.keys() == {"loc", "msg", "type"} for found in violations)
    return 400 <= answer.status_code < 500 and answer.json().keys() == PROBLEM


def beside(sample: Json, member: bytes) -> bytes:
    """A good body with one member more."""
    document = json.dumps(sample).encode()
    return document[:-1] + (b", " if len(document) > 2 else b"") + member + b"}"


def malformed(sample: Json) -> dict[str, bytes]:
    """Bodies that are not JSON in UTF-8, each nearly a good one."""
    document = json.dumps(sample).encode()
    return {
        "nested too deep": beside(sample, b'"x": ' + b"[" * 100_000 + b"]" * 100_000),
        "nested too deep, open": b'{"x":' * 100_000,
        "NaN": beside(sample, b'"x": NaN'),
        "Infinity": beside(sample, b'"x": -Infinity'),
        "an integer that nobody can count": beside(sample, b'"x": ' + b"9" * 100_000 + b"x"),
        "half a surrogate pair": beside(sample, rb'"x": "\ud800"'),
        "half a surrogate pair in a name": beside(sample, rb'"\udfff": 1'),
        "invalid UTF-8": beside(sample, b'"x": "\xff"'),
        "overlong UTF-8": beside(sample, b'"x": "\xc0\x80"'),
        "a surrogate as UTF-8": beside(sample, b'"x": "\xed\xa0\x80"'),
        "a byte order mark": b"\xef\xbb\xbf" + document,
        "UTF-16": document.decode().encode("utf-16"),
        "something behind it": document + b"x",
        "twice": document * 2,
        "a raw NUL": document[:-1] + b"\0}",
        "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        "a form": b"name=x&url=y",
    }


async def test_what_is_not_json_is_refused_by_every_operation(app: FastAPI, tenant: Tenant, database: Database) -> None:
    before = await fingerprint(database.pool, tenant.organization_id)
    for operation, sample in with_bodies(app):
        for kind, content in malformed(sample).items():
            answer = await tenant.client.request(
                operation.method, operation.url(tenant.names(0, operation)), content=content
            )
            assert answer.status_code == 422, f"{operation} with {kind}: {answer.status_code} {answer.text[:300]}"
            assert is_documented(answer)
            assert len(answer.content) < 1000
    assert await fingerprint(database.pool, tenant.organization_id) == before


CODED: Final[dict[str, tuple[str, bytes]]] = {
    "a gzip bomb": ("gzip", gzip.compress(b"[" + b"0," * 5_000_000 + b"0]")),
    "gzip in gzip": ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
    "deflate": ("deflate", zlib.compress(b"{}")),
    "br": ("br", b"\x0b\x01\x80{}\x03"),
    "a coding that nobody knows": ("x-unknown", b"{}"),
}


@pytest.mark.parametrize(("coding", "content"), CODED.values(), ids=CODED.keys())
async def test_nothing_is_inflated(
    app: FastAPI, tenant: Tenant, database: Database, coding: str, content: bytes
) -> None:
    before = await fingerprint(database.pool, tenant.organization_id)
    for operation, _ in with_bodies(app):
        began = time.thread_time()
        answer = await tenant.client.request(
            operation.method,
            operation.url(tenant.names(0, operation)),
            content=content,
            headers={"content-encoding": coding},
        )
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding"), operation
        assert answer.headers["accept-encoding"] == "identity"
        assert is_documented(answer)
        assert time.thread_time() - began < PATIENCE
    assert await fingerprint(database.pool, tenant.organization_id) == before


def properties(app: FastAPI) -> Iterator[tuple[Operation, Json, str, Json]]:
    """Each operation's sample body, and each member that the document names, with its schema."""
    schemas = app.openapi()["components"]["schemas"]
    for operation, sample in with_bodies(app):
        for schema in operation.schemas:
            for name, declared in schemas[schema].get("properties", {}).items():
                yield operation, sample, name, declared


# Values that a member of a body may be given, JSON all of them.
ODD: Final[dict[str, bytes]] = {
    "NUL": rb'"a\u0000b"',
    "an integer of 400 digits": b"9" * 400,
    "an object": b'{"__proto__": {"a": 1}, "constructor": null, "a": 1, "a": 2, "": {"\\u0000": "\\u0000"}}',
    "lists": b"[" * 200 + b"]" * 200,
    "text that is no name": '"../..%00\\n\\r\u202e\U0001f4a9"'.encode(),
}


async def check_odd(tenant: Tenant, operation: Operation, sample: Json, name: str, kind: str) -> None:
    rest = {key: held for key, held in sample.items() if key != name}
    content = beside(rest, b'"%b": %b' % (name.encode(), ODD[kind]))
    answer = await tenant.client.request(operation.method, operation.url(tenant.names(0, operation)), content=content)
    assert answer.is_success or is_documented(answer), f"{operation}, {name}: {kind}: {answer.text[:300]}"


@pytest.mark.parametrize(
    "kind", ["NUL", *(pytest.param(kind, marks=pytest.mark.chaos) for kind in ODD if kind != "NUL")]
)
async def test_no_member_of_a_body_can_be_given_a_value_that_breaks_anything(
    app: FastAPI, tenant: Tenant, kind: str
) -> None:
    for operation, sample, name, _ in properties(app):
        await check_odd(tenant, operation, sample, name, kind)


LARGE: Final[dict[str, bytes]] = {
    "numbers": b"[" + b",".join([b"1"] * 500_000) + b"]",
    "empty texts": b"[" + b",".join([b'""'] * 340_000) + b"]",
    "names": b"[" + b",".join(b'"%d"' % n for n in range(117_000)) + b"]",
    "lists": b"[" + b",".join([b"[]"] * 330_000) + b"]",
    "members": b"{" + b",".join(b'"%d":1' % n for n in range(96_000)) + b"}",
    "texts by name": b"{" + b",".join(b'"%d":""' % n for n in range(88_000)) + b"}",
    "deep lists, many": b"[" + b",".join([b"[" * 250 + b"]" * 250] * 2000) + b"]",
    "one text": b'"' + b"a" * 1_000_000 + b'"',
    "one name": b'{"' + b"a" * 1_000_000 + b'": 1}',
    "10,000 long names": b"{" + b",".join(b'"%088d":1' % n for n in range(10_000)) + b"}",
}


async def check_large(tenant: Tenant, operation: Operation, sample: Json, name: str, kind: str) -> None:
    rest = {key: held for key, held in sample.items() if key != name}
    content = beside(rest, b'"%b": %b' % (name.encode(), LARGE[kind]))
    assert 900_000 < len(content) < 1_048_576
    began = time.thread_time()
    answer = await tenant.client.request(operation.method, operation.url(tenant.names(0, operation)), content=content)
    spent = time.thread_time() - began
    where = f"{operation}, {name}: a megabyte of {kind}"
    assert answer.is_success or is_documented(answer), f"{where}: {answer.status_code} {answer.text[:300]}"
    assert answer.is_success or len(answer.content) < 50_000, f"{where}: an answer of {len(answer.content)} bytes"
    assert spent < PATIENCE, f"{where} took {spent:.3f} s of the processor"


async def test_a_megabyte_that_is_wrong_everywhere_holds_nobody_up(app: FastAPI, tenant: Tenant) -> None:
    for operation, sample, name, declared in properties(app):
        text = json.dumps(declared)
        if '"array"' in text:
            await check_large(tenant, operation, sample, name, "numbers")
        if '"additionalProperties"' in text:
            await check_large(tenant, operation, sample, name, "members")


@pytest.mark.chaos
@pytest.mark.parametrize("kind", LARGE)
async def test_no_megabyte_holds_anybody_up(app: FastAPI, tenant: Tenant, kind: str) -> None:
    for operation, sample, name, _ in properties(app):
        await check_large(tenant, operation, sample, name, kind)


# Percent-encoded, as they stand in a path.
NAMES: Final = {
    "NUL": "a%00b",
    "a line": "a%0d%0aX-Injected:%20b",
    "a slash": "..%2f..%2fetc%2fpasswd",
    "a wildcard": "%25",
    "SQL": "'%3B%20DROP%20TABLE%20messages--",
    "not UTF-8": "%ff%fe",
    "10,000 characters": "x" * 10_000,
}
SHORT: Final = ("NUL", "a slash", "10,000 characters")


@pytest.mark.parametrize(
    "kind", [*SHORT, *(pytest.param(kind, marks=pytest.mark.chaos) for kind in NAMES if kind not in SHORT)]
)
async def test_a_name_that_is_none_names_nothing(app: FastAPI, tenant: Tenant, database: Database, kind: str) -> None:
    before = await fingerprint(database.pool, tenant.organization_id)
    for operation in operations(app):
        if operation.is_management:
            continue  # It is refused before its names are looked at.
        for parameter in operation.path_parameters:
            own = tenant.names(0, operation)
            url = operation.url({**own, parameter: NAMES[kind]})
            query = dict(operation.required_query)
            answer = await tenant.client.request(operation.method, url, params=query, json=operation.body)
            assert answer.status_code in {404, 422}, f"{operation}, {parameter}: {answer.status_code} {answer.text}"
            assert is_documented(answer)
            assert "x-injected" not in answer.headers
    assert await fingerprint(database.pool, tenant.organization_id) == before


QUERIES: Final = {
    "limit=-1": {422},
    "limit=0": {422},
    "limit=251": {422},
    "limit=1e9": {400},
    "limit=abc": {400},
    "limit=": {400},
    "limit=99999999999999999999": {422},
    "limit=1&limit=2": {200},
    "order=id;DROP": {400},
    "iterator=a%00": {422},
    "iterator=%25": {200, 422},
    "iterator=" + "a" * 10_000: {200, 422},
    "iterator=" + "-" * 10: {200, 422},
    "unknown=1": {200},
}


async def test_a_list_is_asked_for_in_its_limits(app: FastAPI, tenant: Tenant) -> None:
    for operation in operations(app):
        if "iterator" in operation.query_parameters and not operation.is_management:
            for query, statuses in QUERIES.items():
                name = query.partition("=")[0]
                if name not in operation.query_parameters and name != "unknown":
                    continue
                needed = "".join(f"{name}={value}&" for name, value in operation.required_query.items())
                answer = await tenant.client.get(f"{operation.url(tenant.names(0, operation))}?{needed}{query}")
                assert answer.status_code in statuses, (
                    f"{operation} with {query[:40]}: {answer.status_code} {answer.text}"
                )
                assert answer.is_success or is_documented(answer)


# Of a field that they do not know they say so, because it might have been the one that restricts who may post.
REFUSING = {"v1.ingest.source.create", "v1.ingest.source.upsert", "v1.ingest.source.patch"}


async def test_what_is_not_the_callers_to_say_is_not_heard(
    app: FastAPI, settings: Settings, database: Database
) -> None:
    us, them = await make_tenant(app, settings, database), await make_tenant(app, settings, database)
    before = await fingerprint(database.pool, them.organization_id)
    theirs = them.customers[0].ids
    past = "2001-02-03T04:05:06Z"
    said: dict[str, Any] = {
        **dict.fromkeys(("organizationId", "orgId"), them.organization_id),
        **dict.fromkeys(("appId", "applicationId"), theirs["app_id"]),
        **dict.fromkeys(("id", "endpointId"), theirs["endpoint_id"]),
        **dict.fromkeys(("createdAt", "updatedAt", "deletedAt", "timestamp", "expiresAt"), past),
        **dict.fromkeys(("disabledReason", "token"), "said"),
        **dict.fromkeys(("shard", "revision", "status", "operational"), 1),
    }

    def snaked(name: str) -> str:
        return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)

    said |= {snaked(key): value for key, value in said.items()}
    known = app.openapi()["components"]["schemas"]
    for operation, sample in with_bodies(app):
        own = {name for schema in operation.schemas for name in known[schema].get("properties", {})}
        more = {name: value for name, value in said.items() if name not in own | {snaked(one) for one in own}}
        answer = await us.client.request(
            operation.method, operation.url(us.names(0, operation)), json={**more, **sample}
        )
        if operation.is_management or operation.is_open or operation.name.startswith("v1.account."):
            assert answer.status_code in {401, 403, 404}, operation
            continue
        if operation.name in REFUSING:
            assert answer.status_code == 422, operation
            assert {found["loc"][1] for found in answer.json()["detail"]} <= more.keys()
        else:
            assert answer.is_success, f"{operation}: {answer.text}"
        for word in (past[:19], "said", them.organization_id, *theirs.values()):
            assert word not in answer.text, f"{operation} says {word}"
    assert await fingerprint(database.pool, them.organization_id) == before
    rows = await database.pool.fetch(
        "SELECT id FROM endpoints WHERE application_id = ANY ($1::text[]) AND"
        " (created_at < '2002-01-01' OR deleted_at IS NOT NULL OR disabled_reason IS NOT NULL)",
        [customer.ids["app_id"] for customer in us.customers],
    )
    assert rows == []
