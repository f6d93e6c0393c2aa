"""The rules of showing what was sent: as it would be sent now, at the attempt's time, without what is secret."""

from base64 import b64encode
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.api.attempt.headers import SIGNATURES, headers_of, headers_of_message
from app.api.message.history import stored_payload
from app.api.message.substitute import substituted
from app.api.sent_request.models import BodyEncoding, SentRequestOut
from app.db.application.model import ApplicationRow
from app.db.attempt.model import AttemptRow
from app.db.attempt.table import AttemptsTable
from app.db.endpoint.model import EndpointRow, open_secrets
from app.db.endpoint.table import EndpointsTable
from app.db.message.model import MessageRow
from app.db.message.table import MessagesTable
from app.db.transformation.table import TransformationsTable
from app.delivery import signing
from app.delivery.curl import curl_command
from app.delivery.exchange import HIDDEN
from app.errors import existing
from app.payload_store.store import PayloadStore
from app.sealing import Sealer


class SentRequestService:
    """Shows what went to a receiver, of the attempts of one application."""

    def __init__(self, session: AsyncSession, store: PayloadStore | None, sealer: Sealer, *, whitelabel: bool) -> None:
        self._session = session
        self._store = store
        self._sealer = sealer
        self._whitelabel = whitelabel

    async def get(self, app: ApplicationRow, message: str, attempt_id: str, *, with_signature: bool) -> SentRequestOut:
        """What was sent with an attempt. NotFound if there is none; Unavailable if the payload store is away.

        `with_signature` is for who may read the endpoint's secret: what it made of the body is then shown, too.
        """
        messages = MessagesTable(self._session)
        row = existing(await messages.find(app.id, message))
        attempts = AttemptsTable(self._session, with_content=False)
        attempt = existing(await attempts.find_of(app.id, row.id, attempt_id))
        endpoint = await EndpointsTable(self._session).get(app.id, attempt.endpoint_id)
        transformation = await TransformationsTable(self._session).get(app.id, attempt.endpoint_id)
        how_sent = await messages.how_sent(app.id, row.id)
        headers = headers_of(
            attempt, endpoint, headers_of_message(*how_sent), self._sealer, whitelabel=self._whitelabel
        )
        body = await self._body(row, substituted(*how_sent))
        shown, hidden = headers.sent_headers, headers.sensitive
        if with_signature and body is not None and endpoint is not None:
            signature = self._signature(attempt, endpoint, body)
            shown = shown | {name: signature for name in hidden if name in SIGNATURES}
            hidden = [name for name in hidden if name not in SIGNATURES]
        pairs = [(name, value) for name, value in shown.items()] + [(name, HIDDEN) for name in hidden]
        return _sent_request(attempt.url, pairs, hidden, body, transformation is not None and transformation.enabled)

    async def _body(self, row: MessageRow, substitute: bytes | None) -> bytes | None:
        if row.stored is not None and substitute is None:
            # The transaction has only read, and ends here: none waits for the payload store.
            await self._session.close()
            return await stored_payload(self._store, row.stored)
        if row.payload is None and row.stored is None:
            return None
        return row.payload if substitute is None else substitute

    def _signature(self, attempt: AttemptRow, endpoint: EndpointRow, body: bytes) -> str:
        """As the endpoint's secrets that are live now make it."""
        at = ids.created_at(attempt.id).timestamp()
        live = [secret for secret in open_secrets(self._sealer, endpoint.id, endpoint.secrets) if secret.is_live(at)]
        keys = [signing.SigningKey.parse(secret.key) for secret in live]
        return signing.sign(attempt.message_id, int(at), body, keys)


def _sent_request(
    url: str, headers: Sequence[tuple[str, str]], hidden: list[str], body: bytes | None, transformed: bool
) -> SentRequestOut:
    text, encoding = None, BodyEncoding.TEXT
    if body is not None:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text, encoding = b64encode(body).decode("ascii"), BodyEncoding.BASE64
    return SentRequestOut(
        url=url,
        headers=[list(pair) for pair in headers],
        sensitive=hidden,
        body=text,
        body_encoding=encoding,
        transformed=transformed,
        curl=None if body is None else curl_command(url, headers, body),
    )
