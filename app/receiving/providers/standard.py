"""Standard Webhooks 1.0, and all who send as Svix does.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: `webhook-signature` holds
one or more signatures, divided by blanks: `v1,` and the base64 of HMAC-SHA256 of `id.timestamp.body`, or `v1a,` and
that of an Ed25519 signature. The secret is `whsec_` and base64 of the key, or `whpk_` and base64 of the public key.
https://docs.svix.com/receiving/verifying-payloads/how-manual: the same with headers that begin with `svix-`.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from app.receiving import schemes
from app.receiving.contract import (
    CannotSign,
    Config,
    Event,
    Field,
    Moment,
    Provider,
    Rejection,
    Request,
    within,
)

_SECRET: Final = "whsec_"  # noqa: S105 - the prefix of secrets
_PUBLIC: Final = "whpk_"
# Senders send one for each secret that is being rotated.
_MOST_SIGNATURES: Final = 20


def check_secret(text: str) -> str:
    """ValueError, with what to do, for what is no secret of theirs."""
    try:
        if text.startswith(_PUBLIC):
            schemes.public_key(text.removeprefix(_PUBLIC))
        elif not schemes.from_base64(text.removeprefix(_SECRET)):
            raise ValueError("with an empty key anybody can sign")
    except (Rejection, ValueError):
        raise ValueError("the secret is whsec_ (or whpk_) and base64: copy it as the sender shows it") from None
    return text


def verify(request: Request, config: Config, moment: Moment) -> Event:
    """Rejection if none of the secrets signed it. For those, too, who only sign in this way."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    if request.find("webhook-id") is None and request.find("svix-id") is not None:
        names = ("svix-id", "svix-timestamp", "svix-signature")
    message_id, stamp, signatures = (request.header(name) for name in names)
    within(schemes.seconds(stamp), moment.now)
    content = f"{message_id}.{stamp}.".encode("latin-1") + request.body
    given = signatures.split(" ", _MOST_SIGNATURES)
    if len(given) > _MOST_SIGNATURES:
        raise Rejection(f"The header {names[2]} holds more than {_MOST_SIGNATURES} signatures.")
    # Once, however many signatures there are: the body may be long.
    macs = [schemes.mac(_key(secret), content) for secret in config.secrets if not secret.startswith(_PUBLIC)]
    publics = [secret.removeprefix(_PUBLIC) for secret in config.secrets if secret.startswith(_PUBLIC)]
    if not any(_is_signed(signature, macs, publics, content) for signature in given):
        raise Rejection(schemes.WRONG)
    name = request.text("type") or request.text("eventType") or request.text("event_type")
    return Event(name, message_id)


def _is_signed(signature: str, macs: Sequence[bytes], publics: Sequence[str], content: bytes) -> bool:
    version, _, encoded = signature.partition(",")
    try:
        given = schemes.from_base64(encoded)
    except Rejection:
        return False
    if version == "v1":
        return schemes.any_same([given], macs)
    return version == "v1a" and any(_is_signed_by(public, given, content) for public in publics)


def _is_signed_by(public: str, given: bytes, content: bytes) -> bool:
    try:
        schemes.check_signature(schemes.public_key(public), given, content)
    except Rejection:
        return False
    return True


def _key(secret: str) -> bytes:
    return schemes.from_base64(secret.removeprefix(_SECRET))


class Signer:
    """Signs as a sender of that family of headers does."""

    def __init__(self, family: str) -> None:
        self._family = family

    def __call__(self, event: str, body: bytes, config: Config, now: float, url: str) -> Request:
        """With the newest secret, if it is a `whsec_`. CannotSign for a public key."""
        if config.secrets[0].startswith(_PUBLIC):
            raise CannotSign("whpk_ is a public key and cannot sign: use a source with a whsec_ secret")
        message_id = f"msg_{schemes.mac(event, body).hex()[:27]}"
        signed = signature_headers(self._family, config.secrets[0], message_id, body, now)
        return Request("POST", url, (("content-type", "application/json"), *signed), body)


def signature_headers(family: str, secret: str, message_id: str, body: bytes, now: float) -> list[tuple[str, str]]:
    """The three headers, whose names begin with the family's."""
    content = f"{message_id}.{int(now)}.".encode() + body
    signature = "v1," + b64encode(schemes.mac(_key(secret), content)).decode()
    return [(f"{family}-id", message_id), (f"{family}-timestamp", str(int(now))), (f"{family}-signature", signature)]


def _provider(name: str, title: str, documentation: str, family: str = "svix") -> Provider:
    return Provider(
        name=name,
        title=title,
        documentation=documentation,
        header=f"`{family}-signature`",
        algorithm="HMAC-SHA256 (`v1`) or Ed25519 (`v1a`) of `id.timestamp.body`, base64",
        timestamp=f"`{family}-timestamp`, 5 min",
        dedupe=f"`{family}-id`",
        oracle=("standardwebhooks (PyPI)" if family == "webhook" else "svix (PyPI)")
        + (", resend (npm)" if name == "resend" else ""),
        fields=(
            Field(
                "secret",
                "The signing secret, as the sender shows it; or `whpk_…`, its public key.",
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                check=check_secret,
            ),
        ),
        verify=verify,
        sign=Signer(family),
        setup="At the sender, add an endpoint with the URL; the page of the endpoint has the signing secret.",
    )


_SVIX: Final = "https://docs.svix.com/receiving/verifying-payloads/how"

PROVIDERS: Final = (
    _provider("standard-webhooks", "Standard Webhooks", "https://www.standardwebhooks.com/", "webhook"),
    _provider("svix", "Svix", _SVIX),
    _provider("beehiiv", "beehiiv", "https://developers.beehiiv.com/webhooks"),
    _provider("brex", "Brex", "https://developer.brex.com/docs/webhooks/"),
    _provider("clerk", "Clerk", "https://clerk.com/docs/webhooks/overview"),
    _provider("guesty", "Guesty", "https://open-api-docs.guesty.com/docs/webhooks"),
    _provider("incident-io", "incident.io", "https://api-docs.incident.io/tag/Webhooks", "webhook"),
    _provider("lithic", "Lithic", "https://docs.lithic.com/docs/webhooks", "webhook"),
    _provider("nash", "Nash", "https://docs.usenash.com/docs/webhooks"),
    _provider("open-ai", "OpenAI", "https://platform.openai.com/docs/guides/webhooks", "webhook"),
    _provider("pleo", "Pleo", "https://developers.pleo.io/docs/webhooks"),
    _provider("psi-fi", "PsiFi", "https://docs.psifi.app/webhooks"),
    _provider("render", "Render", "https://render.com/docs/webhooks", "webhook"),
    _provider("replicate", "Replicate", "https://replicate.com/docs/topics/webhooks/verify-webhook", "webhook"),
    _provider("resend", "Resend", "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests"),
    _provider("safebase", "SafeBase", "https://docs.safebase.io/"),
    _provider("sardine", "Sardine", "https://docs.sardine.ai/"),
    _provider("stych", "Stytch", "https://stytch.com/docs/guides/webhooks"),
)
