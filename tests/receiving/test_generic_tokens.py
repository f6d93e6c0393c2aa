"""Senders without a module of their own who send a JSON Web Token: joserfc's are accepted, and forged ones are not."""

import base64
import hmac
from collections.abc import Callable
from typing import Final

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwk
from joserfc import jwt as joserfc_jwt
from jwt.algorithms import ECAlgorithm

from app.receiving.contract import Config, Event, Moment, Rejected, Request, Wanted
from app.receiving.registry import all_providers, judge
from tests.receiving.mutations import NOW, URL, Trial, changed, gaps, sample, table, try_out

SECRET: Final = "t2vK9xQ4mZ7wLb1NcR8yHs5dGf3jTa6e"
OTHER: Final = "e6aT3jfG5dsH8yRcN1bLw7Zm4Qx9Kv2t"
NAMED: Final = {"eventPath": "type", "idPath": "data.id"}
NAME: Final = Event("order.created", "ord_8Qm2xK9vTz4Lb")
BODY: Final = sample("jwt", "order.created")
JWKS: Final = "https://auth.example.com/.well-known/jwks.json"
KEY: Final = ec.generate_private_key(ec.SECP256R1())
PRIVATE: Final = base64.b64encode(KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()
PUBLIC: Final = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
KEY_SET: Final = orjson.dumps({"keys": [ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)]})
STRANGERS: Final = base64.b64encode(ed25519.Ed25519PrivateKey.generate().private_bytes_raw()).decode()
LIVES: Final = {"audience": "https://hooks.example.com", "issuer": "https://auth.example.com/", **NAMED}


def _not_bearer(request: Request) -> Request:
    return changed(request, "authorization", lambda value: value.removeprefix("Bearer "))


def _later(request: Request) -> Request:
    """The token with its time put off, as whoever has no key would."""

    def put_off(value: str) -> str:
        head, claims, signature = value.split(".")
        read = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        written = base64.urlsafe_b64encode(orjson.dumps({**read, "exp": read["exp"] + 60})).decode().rstrip("=")
        return f"{head}.{written}.{signature}"

    return changed(request, "authorization", put_off)


def _token_trial(label: str, config: Config, stranger: Config) -> Trial:
    return Trial(
        "jwt",
        "order.created",
        config,
        stranger,
        headers=("authorization",),
        # A sample's token lives for five minutes; clocks may differ by one.
        tolerance=360,
        own={"tampered timestamp": _later, "wrong encoding": _not_bearer},
        exempt={
            "tampered body": "a token does not cover the body",
            **({} if config.secrets else {"old secret while rotating": "the key set holds as many keys as it has"}),
        },
        fetched={JWKS: KEY_SET},
        label=label,
    )


TRIALS: Final = (
    _token_trial("secret", Config((SECRET,), LIVES), Config((OTHER,), LIVES)),
    _token_trial(
        "public key",
        Config((), LIVES | {"publicKey": PUBLIC, "privateKey": PRIVATE}),
        Config((), LIVES | {"privateKey": STRANGERS}),
    ),
    _token_trial(
        "key set",
        Config((), LIVES | {"jwksUrl": JWKS, "privateKey": PRIVATE}),
        Config((), LIVES | {"privateKey": STRANGERS}),
    ),
)


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_sender_proved_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_the_table_leaves_nothing_out() -> None:
    assert gaps(TRIALS) == []


def test_a_sample_is_named_as_the_source_says() -> None:
    assert [trial.judged(trial.signed()) for trial in TRIALS] == [NAME] * len(TRIALS)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "PS256", "ES384"])
def test_joserfcs_tokens_are_accepted(algorithm: str) -> None:
    claims = {"iss": LIVES["issuer"], "aud": [LIVES["audience"], "else"], "exp": int(NOW) + 10}
    key: jwk.Key
    if algorithm == "HS256":
        key = jwk.OctKey.import_key(SECRET)
        config, moment = Config((OTHER, SECRET), LIVES), Moment(NOW)
    else:
        key = jwk.ECKey.generate_key("P-384") if algorithm == "ES384" else jwk.RSAKey.generate_key(2048)
        document = orjson.dumps({"keys": [{**key.as_dict(private=False), "kid": "newest"}]})
        config, moment = Config((), LIVES | {"jwksUrl": JWKS}), Moment(NOW, {JWKS: document})
    token = joserfc_jwt.encode({"alg": algorithm, "kid": "newest"}, claims, key, algorithms=[algorithm])
    request, rule = Request("POST", URL, (("authorization", f"bearer {token}"),), BODY), all_providers()["jwt"]
    assert judge(rule, request, config, moment) == NAME
    for name, reason in (("audience", "another audience"), ("issuer", "somebody else")):
        verdict = judge(rule, request, Config(config.secrets, {**config.options, name: "other"}), moment)
        assert isinstance(verdict, Rejected)
        assert reason in verdict.reason


def test_a_key_set_is_fetched_first() -> None:
    trial = next(trial for trial in TRIALS if trial.label == "key set")
    assert judge(trial.rule, trial.signed(), trial.config, Moment(NOW)) == Wanted(JWKS, 300)


def _written(header: dict[str, str], sign: Callable[[bytes], bytes]) -> Request:
    """A token as RFC 7515 writes it, by hand."""

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    content = part(orjson.dumps(header)) + b"." + part(orjson.dumps({"exp": int(NOW) + 60}))
    token = content + b"." + part(sign(content))
    return Request("POST", URL, (("authorization", f"Bearer {token.decode()}"),), BODY)


def test_an_ed25519_key_signs_tokens() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    config = Config((), {"publicKey": base64.b64encode(key.public_key().public_bytes_raw()).decode()})
    request, rule = _written({"alg": "EdDSA"}, key.sign), all_providers()["jwt"]
    assert judge(rule, request, config, Moment(NOW)) == Event()
    assert isinstance(judge(rule, _written({"alg": "EdDSA"}, lambda _: bytes(64)), config, Moment(NOW)), Rejected)


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_a_public_key_is_no_secret_of_an_hmac(algorithm: str) -> None:
    def sign(content: bytes) -> bytes:
        return hmac.digest(PUBLIC.encode(), content, "sha256") if algorithm == "HS256" else b""

    request, config = _written({"alg": algorithm}, sign), Config((), {"publicKey": PUBLIC})
    assert isinstance(judge(all_providers()["jwt"], request, config, Moment(NOW)), Rejected)


def test_joserfc_accepts_the_token_of_a_sample() -> None:
    trial = next(trial for trial in TRIALS if trial.label == "secret")
    token = trial.signed().header("authorization").removeprefix("Bearer ")
    claims = joserfc_jwt.decode(token, jwk.OctKey.import_key(SECRET), algorithms=["HS256"]).claims
    assert claims["aud"] == LIVES["audience"]
    assert claims["exp"] == NOW + 300


def test_a_token_without_a_key_of_the_source_is_rejected() -> None:
    request = Request("POST", URL, (("authorization", "Bearer a.b.c"),), BODY)
    verdict = judge(all_providers()["jwt"], request, Config(), Moment(NOW))
    assert isinstance(verdict, Rejected)
    assert "set one of them" in verdict.reason
    unlisted = joserfc_jwt.encode({"alg": "HS256", "kid": "x"}, {}, jwk.OctKey.import_key(SECRET))
    request = Request("POST", URL, (("authorization", f"Bearer {unlisted}"),), BODY)
    moment = Moment(NOW, {JWKS: KEY_SET.replace(b'"kty"', b'"kid":"y","kty"')})
    verdict = judge(all_providers()["jwt"], request, Config((), {"jwksUrl": JWKS}), moment)
    assert verdict == Rejected(401, "The token is signed with a key that the provider does not list.")


WEAK: Final = ec.generate_private_key(ec.SECP256K1()).public_key()
WEAK_PEM: Final = WEAK.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret", "short"),
        ("publicKey", "no key"),
        ("publicKey", WEAK_PEM),
        ("jwksUrl", "http://auth.example.com/keys"),
        ("jwksUrl", "https://user@auth.example.com/keys"),
        ("jwksUrl", "https://[/keys"),
    ],
)
def test_what_can_never_work_is_refused_when_it_is_said(name: str, value: str) -> None:
    [field] = [field for field in all_providers()["jwt"].fields if field.name == name]
    assert field.check is not None
    with pytest.raises(ValueError, match=r"give|must have"):
        field.check(value)
