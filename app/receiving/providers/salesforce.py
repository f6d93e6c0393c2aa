"""Salesforce: https://help.salesforce.com/s/articleView?id=xcloud.nc_custom_headers_basic_auth.htm (callouts),
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_understanding.htm
(outbound messages).

Callouts of flows and Apex with a named credential send basic authentication (RFC 7617), and a body of the customer's
own. Nothing of it is signed. An outbound message is SOAP: up to 100 notifications, each with an id that stays the same
when it is sent again, which goes on for 24 hours until the answer is an `Ack` in SOAP.
"""

import re
from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import id_of_all

_OUTBOUND: Final = b"http://soap.sforce.com/2005/09/outbound"
# Read without an XML parser, which would have to be kept from entities: ids are letters and digits.
_NOTIFICATION: Final = re.compile(rb"<(?:[\w.-]+:)?Notification\s*>\s*<(?:[\w.-]+:)?Id\s*>\s*([A-Za-z0-9]{15,18})\s*<")
_OBJECT: Final = re.compile(rb"<(?:[\w.-]+:)?sObject\b[^>]{0,500}?\bxsi:type\s*=\s*[\"'](?:[\w.-]+:)?(\w{1,100})[\"']")
# Bytes: the first object stands near the beginning.
_FURTHEST: Final = 16_384
_ACK: Final = Answer(
    200,
    b'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
    b'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>",
    "text/xml; charset=utf-8",
)


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    given = b":".join(schemes.basic_credentials(request))
    user = config.option("username").encode()
    if not schemes.any_same([given], [user + b":" + secret.encode() for secret in config.secrets]):
        raise Rejection("The user or the password is not this source's.")
    if _OUTBOUND not in request.body:
        return Event(request.text("event") or request.text("type"), request.text("id"))
    ids = [each.decode() for each in _NOTIFICATION.findall(request.body)]
    kind = _OBJECT.search(request.body, 0, _FURTHEST)
    return Event(kind[1].decode() if kind else None, id_of_all(ids), _ACK)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    credentials = b64encode(f"{config.options.get('username', '')}:{config.secrets[0]}".encode()).decode()
    kind = "text/xml; charset=utf-8" if body.lstrip().startswith(b"<") else "application/json"
    headers = (
        ("user-agent", "SFDC-Callout/62.0"),
        ("content-type", kind),
        ("authorization", f"Basic {credentials}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="salesforce",
        title="Salesforce",
        documentation="https://help.salesforce.com/s/articleView?id=xcloud.nc_custom_headers_basic_auth.htm",
        header="`Authorization`",
        algorithm="basic authentication; the body is not signed",
        timestamp=None,
        dedupe="the `Id` of each notification of an outbound message; `id` of a JSON body",
        oracle="httpx (PyPI), for RFC 7617; Salesforce publishes none",
        fields=(
            Field("username", "The user that the named credential sends.", "salesforce", secret=False),
            Field("secret", "Its password.", "tr0ub4dor-and-three-more"),
        ),
        verify=_verify,
        sign=_sign,
        handshake="answers outbound messages with `Ack` in SOAP",
        credentials=frozenset({"authorization"}),
        setup="Setup, Named Credentials: make an external credential with basic authentication by user and password, "
        "and a named credential of it with the source's URL; a flow or Apex calls out through it.",
    ),
)
