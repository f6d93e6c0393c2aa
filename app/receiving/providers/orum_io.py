"""Orum: https://docs.orum.io/api-reference/webhooks/secure-webhooks (signatures) and
https://docs.orum.io/reference/event-types-and-payloads (events).

`Signature` is the base64 of an RSA-SHA256 signature (PKCS #1 v1.5) of the body and, once more, its `created_at`. That
is the time of the event, not of the attempt; retries go on for a day.
"""

from base64 import b64encode
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from app.receiving import keys, schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "signature"
_EXAMPLE_KEY: Final = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2aZojdFnIyIItHppOERvE/p0Sdj5OGjRDYE0+OwJbvquhebBUVqX"
    "eV77QqhquuPVlzIAybIh/tsj3E6lZqDcPaLhLx4d4Er15orNq/aBmNoNbYP1U5d7bqDBCJpJEiCrHg61iZA5uUw0MDvWws0i"
    "zX7aTMgr1Yh5YSfogF4Sp8FmBSqF3P4a+uq+2vJEZyaEQyxz5cHQCaLDnknEJROhwFhG4VPRI4iYkrgzeb6Zgum0R2TpGn4G"
    "awJsHXY29oKKS1cQV7azouTwFwFDqOoHxjN0UnkKi8+cgof6yPgjSKholxAR9BtJW54onJVV/8RvNwNF6JVeAELzDm/CacHR"
    "IQIDAQAB"
)


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    given = schemes.from_base64(request.header(_HEADER))
    created = request.text("created_at")
    if created is None:
        raise Rejection("The body has no created_at.", 400)
    schemes.check_signature(keys.public_key_of(config), given, request.body + created.encode("utf-8", "surrogatepass"))
    return Event(request.text("event_type"), request.text("event_id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    created = Request("POST", url, (), body).text("created_at") or ""
    signature = keys.rsa_key(config).sign(body + created.encode("utf-8", "surrogatepass"), PKCS1v15(), SHA256())
    headers = (("content-type", "application/json"), (_HEADER, b64encode(signature).decode()))
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="orum-io",
        title="Orum",
        documentation="https://docs.orum.io/api-reference/webhooks/secure-webhooks",
        header="`Signature`",
        algorithm="RSA-SHA256 of the body and its `created_at`, base64",
        timestamp=None,
        dedupe="`event_id` of the body",
        oracle="none: Orum publishes neither vectors nor a package that verifies",
        fields=(
            Field(
                "publicKey",
                "The public key (RSA, PEM or base64) that GET /webhooks/secret answers.",
                _EXAMPLE_KEY,
                secret=False,
                check=keys.check_public_key,
            ),
        ),
        verify=_verify,
        sign=_sign,
        setup="Register the source's URL with the webhook configuration endpoint, or in Monitor; POST and GET "
        "/webhooks/secret make and tell the public key.",
    ),
)
