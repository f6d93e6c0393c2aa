"""Microsoft Graph: https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks (validation, state)
and https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data (tokens of rich notifications).

The address is validated by a POST with `validationToken` in the query, which is to come back as text. Notifications
come several at a time; each has the `clientState` that the subscription was made with. Those with resource data also
have `validationTokens`, JWTs of Microsoft's identity platform for the app, which Graph's own publisher asked for.
"""

import re
from typing import Final

import jwt
import orjson

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request, Verdict, Wanted
from app.receiving.keys import EXAMPLE_KEYS, rsa_key
from app.receiving.naming import id_of_all, name_of_all

_KEYS: Final = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
# "Microsoft Graph Change Tracking", the same in all tenants.
_PUBLISHER: Final = "0bf30f3b-4a52-48df-9a82-234910c4a086"
_TENANT: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ISSUER: Final = re.compile(
    rf"https://(?:sts\.windows\.net/{_TENANT}/|login\.microsoftonline\.com/{_TENANT}/v2\.0)", re.IGNORECASE
)
_MOST_TOKENS: Final = 50
_LIFETIME: Final = 3600


def _verify(request: Request, config: Config, moment: Moment) -> Verdict:
    if token := request.query("validationToken"):
        body = token.encode("utf-8", "replace")
        return Answer(200, body, "text/plain; charset=utf-8", {"X-Content-Type-Options": "nosniff"})
    whole = request.json
    items = whole.get("value") if isinstance(whole, dict) else None
    if not isinstance(whole, dict) or not isinstance(items, list) or not items:
        raise Rejection("The body is no collection of notifications: it has no value.", 400)
    for state in request.texts("value", "clientState"):
        if not schemes.any_same([state or ""], config.secrets):
            raise Rejection("A notification's clientState is none of this source's secrets.")
    tokens = whole.get("validationTokens") or []
    rich = any(isinstance(item, dict) and item.get("encryptedContent") for item in items)
    if tokens or rich:
        if not isinstance(tokens, list) or not 1 <= len(tokens) <= _MOST_TOKENS:
            raise Rejection("The notification has resource data, and no validationTokens.")
        document = config.options.get("keys", "").encode() or moment.fetched.get(_KEYS)
        if document is None:
            return Wanted(_KEYS)
        for each in tokens:
            _check(each, document, config.option("appId"), moment.now)
    changes = zip(request.texts("value", "lifecycleEvent"), request.texts("value", "changeType"), strict=True)
    return Event(name_of_all([event or change for event, change in changes]), id_of_all(request.texts("value", "id")))


def _check(token: object, document: bytes, app_id: str, now: float) -> None:
    if not isinstance(token, str):
        raise Rejection("A validation token is no text.", 400)
    key = schemes.key_of_set(document, schemes.key_id_of(token))
    claims = schemes.check_token(token, [key], ["RS256"], now, audience=app_id)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not _ISSUER.fullmatch(issuer):
        raise Rejection("A validation token was issued by somebody else than Microsoft.")
    # The name of the claim depends on the version of the token.
    publisher = claims.get("azp", claims.get("appid"))
    if publisher != _PUBLISHER or "exp" not in claims:
        raise Rejection("A validation token was not made for Microsoft Graph.")


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    whole = orjson.loads(body)
    for item in whole["value"]:
        item["clientState"] = config.secrets[0]
    if any("encryptedContent" in item for item in whole["value"]):
        tenant = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
        claims = {
            "aud": config.options.get("appId", ""),
            "iss": f"https://sts.windows.net/{tenant}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + _LIFETIME,
            "appid": _PUBLISHER,
            "tid": tenant,
        }
        whole["validationTokens"] = [jwt.encode(claims, rsa_key(config), "RS256")]
    headers = (("content-type", "application/json; charset=utf-8"),)
    return Request("POST", url, headers, orjson.dumps(whole))


PROVIDERS: Final = (
    Provider(
        name="microsoft-graph",
        title="Microsoft Graph",
        documentation="https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
        header="`clientState` of the body; `validationTokens` with resource data",
        algorithm="the secret itself; RS256 (JWT) with resource data. The body is not signed",
        timestamp=None,
        dedupe="`id` of the notifications, where they have one (most have none)",
        oracle="none: PyJWT signs tokens as Microsoft's documentation shows them",
        fields=(
            Field("secret", "The `clientState` of the subscriptions, at most 128 characters.", "9a1f0c5e-graph-state"),
            Field(
                "appId",
                "The app that subscribed (client id). Required for notifications with resource data.",
                "8e460676-ae3f-4b1e-8790-ee0fb5d6148f",
                required=False,
                secret=False,
            ),
            Field(
                "keys",
                "The platform's set of keys (JSON), for installations that may not fetch it. It changes often.",
                EXAMPLE_KEYS,
                required=False,
                secret=False,
                check=schemes.check_key_set,
            ),
        ),
        verify=_verify,
        sign=_sign,
        handshake="`validationToken` of the query: answers it as text",
        # What Graph asks for.
        accepted=Answer(202),
        setup="Create subscriptions with the source's URL as `notificationUrl` and `lifecycleNotificationUrl`, and "
        "the secret as `clientState`.",
    ),
)
