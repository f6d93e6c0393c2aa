"""Secrets are compared in constant time: how long a comparison takes would tell how much of a guess was right."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_structure import sources

SECRET = re.compile(
    r"(^|_)(secret|secrets|password|token|tokens|signature|signatures|digest|mac|hash|hashes|fingerprint|hmac|expected)$",
    re.IGNORECASE,
)
DIGESTS = re.compile(r"(^|\.)(digest|hexdigest|sign|get_secret_value)$")
# Comparisons of which nobody learns anything by their time.
ALLOWED = {
    # Both sides are the caller's own: two requests of an organization, two spellings of what was sent.
    ("app/api/message/service.py", "earlier.request_hash != message.request_hash"),
    ("app/api/trial/service.py", "earlier.request_hash != message.request_hash"),
    ("app/api/idempotency.py", "earlier.request_hash != request_hash"),
    ("app/claims.py", "base64.urlsafe_b64encode(decoded).rstrip(b'=').decode() == signature"),
    # Whether a file is whole.
    ("app/payload_store/stored.py", "hashlib.sha256(payload).digest() == self.digest"),
    ("app/web/sign_in/people.py", "password != view.secret('again')"),
    # Both are the database's, read twice: whether it changed meanwhile.
    ("app/api/sign_in/service.py", "row.password != found.password"),
    # The names of headers.
    ("app/api/attempt/headers.py", "lower in SIGNATURES"),
    ("app/api/sent_request/service.py", "name in SIGNATURES"),
    ("app/api/sent_request/service.py", "name not in SIGNATURES"),
    # Hashes, looked up in a set of hashes.
    ("app/tokens.py", "principal.fingerprint in changed"),
}


def _is_secret(side: ast.expr) -> bool:
    match side:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return SECRET.search(name) is not None
        case ast.Call(func=called):
            return DIGESTS.search(ast.unparse(called)) is not None
        case ast.Subscript(value=whole):
            return _is_secret(whole)
        case _:
            return False


def comparisons(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a secret is compared with `==`, `!=` or `in`; not with a constant, which is a question about its form."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        equals = any(isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops)
        if equals and not any(isinstance(side, ast.Constant) for side in sides) and any(map(_is_secret, sides)):
            yield node.lineno, ast.unparse(node)


def test_no_secret_is_compared_with_an_operator() -> None:
    found = {(path, text) for path, tree in sources().items() for _, text in comparisons(tree)}
    assert found - ALLOWED == set()


def test_what_is_allowed_is_still_there() -> None:
    found = {(path, text) for path, tree in sources().items() for _, text in comparisons(tree)}
    assert ALLOWED - found == set()


@pytest.mark.parametrize(
    "code",
    [
        "signature == wanted",
        "wanted != self.token",
        "row.secret_hash == x",
        "given in signatures",
        "hmac.digest(a, b, 'sha256') == c",
        "x == hashlib.sha256(t).hexdigest()",
        "settings.main_secret.get_secret_value() == y",
        "digest[:8] == z",
    ],
)
def test_the_rule_notices_a_breach(code: str) -> None:
    assert list(comparisons(ast.parse(code)))


@pytest.mark.parametrize("code", ["token is None", "hmac.compare_digest(a, b)", "secret == ''", "kind == other"])
def test_the_rule_lets_other_comparisons_be(code: str) -> None:
    assert not list(comparisons(ast.parse(code)))
