"""Plaid: https://plaid.com/docs/api/webhooks/webhook-verification/.

`Plaid-Verification` is a JWT (ES256) with `iat`, at most five minutes old, and `request_body_sha256`, the hex of the
body's SHA-256. Its key (`kid`) is asked for at /webhook_verification_key/get, with the credentials of the API; a key
with `expired_at` no longer counts. Webhooks have no id, and one that says the same is a new one.
"""

import hashlib
import re
from typing import Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from app.receiving import keys, schemes
from app.receiving.contract import (
    CannotSign,
    Config,
    Event,
    Field,
    Moment,
    Provider,
    Rejection,
    Request,
    Wanted,
    within,
)

_HEADER: Final = "plaid-verification"
_ALGORITHM: Final = "ES256"
_KEY_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_HOSTS: Final = {"production": "https://production.plaid.com", "sandbox": "https://sandbox.plaid.com"}
_EXAMPLE_KEYS: Final = (
    '{"keys": [{"kid": "bfbd5111-8e33-4643-8ced-b2e642a72f3c", "kty": "EC", "crv": "P-256", "alg": "ES256", '
    '"x": "IVCLNbSv4PAa0IV-fh28x0lojckR46dMig6DF0yMYJw", "y": "4vj10_WL4s2DaB5BStZK6YzNU_xEb-EtlAjfQUD3_LU"}]}'
)
_UNTRUE: Final = "The key that Plaid has answered cannot be read, or has expired."


def _verify(request: Request, config: Config, moment: Moment) -> Event | Wanted:
    token = request.header(_HEADER)
    key_id = schemes.key_id_of(token)
    if key_id is None or not _KEY_ID.fullmatch(key_id):
        raise Rejection("The token does not say with which key it is signed.")
    document = config.options.get("keys", "").encode()
    if not document:
        wanted = _wanted(key_id, config)
        if wanted.url not in moment.fetched:
            return wanted
        document = moment.fetched[wanted.url]
    claims = schemes.check_token(token, [_key(document, key_id)], [_ALGORITHM], moment.now)
    issued, digest = claims.get("iat"), claims.get("request_body_sha256")
    if isinstance(issued, bool) or not isinstance(issued, int | float) or not isinstance(digest, str):
        raise Rejection("The token has no iat, or no request_body_sha256.")
    within(issued, moment.now)
    if not schemes.same(digest, hashlib.sha256(request.body).hexdigest()):
        raise Rejection("The token is of another body.")
    kind, code = request.text("webhook_type"), request.text("webhook_code")
    return Event(f"{kind}.{code}" if kind and code else kind)


def _wanted(key_id: str, config: Config) -> Wanted:
    if not config.secrets:
        raise Rejection("The source has no secret, with which Plaid is asked for its keys, and no keys: set either.")
    asked = {"client_id": config.option("clientId"), "secret": config.secrets[0], "key_id": key_id}
    host = _HOSTS.get(config.options.get("environment", ""), _HOSTS["production"])
    # What Plaid does not answer to one source's credentials must not be missing for the others.
    whose = schemes.mac(config.secrets[0], asked["client_id"].encode()).hex()[:16]
    return Wanted(f"{host}/webhook_verification_key/get#{key_id}.{whose}", post=orjson.dumps(asked))


def _key(document: bytes, key_id: str) -> schemes.PublicKey:
    """Of what Plaid answers (`{"key": …}`), one key, or a set of them."""
    try:
        listed = _listed(orjson.loads(document))
        current = [key for key in listed if isinstance(key, dict) and key.get("expired_at") is None]
        found = orjson.dumps({"keys": current})
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        raise Rejection(_UNTRUE) from None
    return schemes.key_of_set(found, key_id)


def _listed(found: dict[str, object]) -> list[object]:
    listed = found.get("keys")
    return listed if isinstance(listed, list) else [found.get("key", found)]


def _check_keys(text: str) -> str:
    try:
        _listed(orjson.loads(text))
    except (orjson.JSONDecodeError, AttributeError):
        raise ValueError("give the keys as JSON, as Plaid answers them: {…} with kid, or a set of those") from None
    return text


def _check_environment(text: str) -> str:
    if text not in _HOSTS:
        raise ValueError("the environment is production or sandbox")
    return text


def _check_config(config: Config) -> None:
    if not config.options.get("keys") and not (config.secrets and config.options.get("clientId")):
        raise ValueError("give clientId and secret, with which Plaid is asked for its keys; or keys")


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    key = keys.private_key(config)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CannotSign("Plaid signs with ECDSA (P-256): give such a key as privateKey")
    claims = {"iat": int(now), "request_body_sha256": hashlib.sha256(body).hexdigest()}
    token = jwt.encode(claims, key, _ALGORITHM, {"kid": config.options.get("keyId", "sample")})
    return Request("POST", url, (("content-type", "application/json"), (_HEADER, token)), body)


PROVIDERS: Final = (
    Provider(
        name="plaid",
        title="Plaid",
        documentation="https://plaid.com/docs/api/webhooks/webhook-verification/",
        header="`Plaid-Verification`",
        algorithm="JWT (ES256) with the SHA-256 of the body, by a key that Plaid's API tells",
        timestamp="`iat` of the token, 5 min",
        dedupe=None,
        oracle="none: plaid-python does not verify; joserfc (PyPI) signs as the documentation says",
        fields=(
            Field("clientId", "The client id of the API.", "5f1a2b3c4d5e6f7a8b9c0d1e", required=False, secret=False),
            Field("secret", "The API's secret, with which keys are asked for.", "9a8b7c6d5e4f3a2b1c0d", required=False),
            Field(
                "environment",
                "`production`, which it is if nothing is said, or `sandbox`.",
                "production",
                required=False,
                secret=False,
                check=_check_environment,
            ),
            Field(
                "keys",
                "Plaid's keys (JSON), for installations that may not ask for them. Renew them when Plaid does.",
                _EXAMPLE_KEYS,
                required=False,
                secret=False,
                check=_check_keys,
            ),
        ),
        verify=_verify,
        check=_check_config,
        sign=_sign,
        setup="Give the source's URL as `webhook` to /link/token/create; client id and secret are under Developers, "
        "Keys.",
    ),
)
