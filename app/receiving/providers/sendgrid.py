"""SendGrid, Event Webhook:
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features

`X-Twilio-Email-Event-Webhook-Signature` is base64 of an ECDSA signature (P-256, SHA-256) of the timestamp
(`X-Twilio-Email-Event-Webhook-Timestamp`, Unix seconds) and the body, without anything between. The documentation
names no tolerance, and SendGrid sends again for 24 hours: what is older than that is rejected. Bodies are lists of
events, each with an `sg_event_id`.
"""

from base64 import b64encode
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from app.receiving import keys, schemes
from app.receiving.contract import CannotSign, Config, Event, Field, Moment, Provider, Request, within
from app.receiving.naming import id_of_all, name_of_all

_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_TOLERANCE: Final = 24 * 3600.0 + 300.0


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    stamp, given = request.header(_TIMESTAMP), schemes.from_base64(request.header(_SIGNATURE))
    within(schemes.seconds(stamp), moment.now, _TOLERANCE)
    schemes.check_signature(keys.public_key_of(config), given, stamp.encode() + request.body)
    return Event(name_of_all(request.texts("event")), id_of_all(request.texts("sg_event_id")))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    stamp = str(int(now))
    key = keys.private_key(config)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CannotSign("SendGrid signs with ECDSA: give a P-256 key as privateKey")
    signature = key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = (
        ("user-agent", "SendGrid Event API"),
        ("content-type", "application/json; charset=utf-8"),
        (_TIMESTAMP, stamp),
        (_SIGNATURE, b64encode(signature).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="sendgrid",
        title="SendGrid",
        documentation="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/"
        "getting-started-event-webhook-security-features",
        header="`X-Twilio-Email-Event-Webhook-Signature`",
        algorithm="ECDSA P-256, SHA-256, of the timestamp and the body, base64",
        timestamp="`X-Twilio-Email-Event-Webhook-Timestamp`, 24 h: for so long SendGrid sends again",
        dedupe="`sg_event_id` of each event of the body",
        oracle="sendgrid (PyPI)",
        fields=(
            Field(
                "publicKey",
                "The verification key of the Signed Event Webhook, as SendGrid shows it (base64).",
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
                secret=False,
                check=keys.check_public_key,
            ),
        ),
        verify=_verify,
        sign=_sign,
        setup="Settings, Mail Settings, Event Webhooks: Post URL; turn on Signed Event Webhook there, and copy its "
        "verification key.",
    ),
)
