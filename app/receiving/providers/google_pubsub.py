"""Google Pub/Sub push: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions (tokens) and
https://cloud.google.com/pubsub/docs/push (format, acknowledgement).

`Authorization: Bearer` holds an OpenID Connect token that Google signed (RS256) for the subscription's audience and
service account. It says who sends, not what: the body is not signed, and a token serves for up to an hour. `messageId`
stays the same when a message is sent again. What an address is called that notifies through Pub/Sub is in its
attributes: `eventType` of Cloud Storage, `ce-type` of CloudEvents.
"""

from typing import Final

import jwt

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, Verdict, Wanted
from app.receiving.keys import EXAMPLE_KEYS, rsa_key

_KEYS: Final = "https://www.googleapis.com/oauth2/v3/certs"
_ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
_LIFETIME: Final = 3600


def _verify(request: Request, config: Config, moment: Moment) -> Verdict:
    token = schemes.bearer_token(request)
    key_id = schemes.key_id_of(token)
    document = config.options.get("keys", "").encode() or moment.fetched.get(_KEYS)
    if document is None:
        return Wanted(_KEYS)
    key = schemes.key_of_set(document, key_id)
    claims = schemes.check_token(token, [key], ["RS256"], moment.now, audience=config.option("audience"))
    if claims.get("iss") not in _ISSUERS or "exp" not in claims:
        raise Rejection("The token was issued by somebody else than Google.")
    if claims.get("email") != config.option("serviceAccount") or claims.get("email_verified") is not True:
        raise Rejection("The token is of another service account than this source's.")
    attributes = ("message", "attributes")
    name = request.text(*attributes, "eventType") or request.text(*attributes, "ce-type")
    # Without its wrapper a message has its id in a header, if the subscription writes metadata.
    return Event(name, request.text("message", "messageId") or request.find("x-goog-pubsub-message-id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    claims = {
        "aud": config.options.get("audience", ""),
        "azp": "113774264463038321964",
        "email": config.options.get("serviceAccount", ""),
        "email_verified": True,
        "sub": "113774264463038321964",
        "iat": int(now),
        "exp": int(now) + _LIFETIME,
        "iss": _ISSUERS[0],
    }
    token = jwt.encode(claims, rsa_key(config), "RS256")
    headers = (
        ("user-agent", "CloudPubSub-Google"),
        ("content-type", "application/json"),
        ("authorization", f"Bearer {token}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="google-pubsub",
        title="Google Pub/Sub",
        documentation="https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
        header="`Authorization`",
        algorithm="OpenID Connect token (RS256) of the audience and the service account; the body is not signed",
        timestamp="`exp` of the token, an hour after `iat`",
        dedupe="`messageId` of the message; `x-goog-pubsub-message-id` without the wrapper",
        oracle="google-auth (PyPI)",
        fields=(
            Field(
                "audience", "The audience of the push subscription.", "https://hooks.example.com/orders", secret=False
            ),
            Field(
                "serviceAccount",
                "The service account (email) that the subscription pushes as.",
                "push@acme-prod.iam.gserviceaccount.com",
                secret=False,
            ),
            Field(
                "keys",
                "Google's set of keys (JSON), for installations that may not fetch it; it changes within weeks.",
                EXAMPLE_KEYS,
                required=False,
                secret=False,
                check=schemes.check_key_set,
            ),
        ),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({"authorization"}),
        setup="Create a push subscription with the source's URL and authentication: choose a service account, and an "
        "audience (without one it is the URL).",
    ),
)
