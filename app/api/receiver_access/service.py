"""The rules of receiver access: one kind of authentication at a time; client certificate and authorities beside it."""

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.endpoint import headers as header_rules
from app.api.receiver_access.models import (
    BasicAuthenticationIn,
    EndpointAuthenticationIn,
    EndpointAuthenticationOut,
    EndpointMtlsConfigIn,
    EndpointMtlsConfigOut,
    EndpointMtlsOut,
    EndpointOauthConfigIn,
    EndpointOauthConfigOut,
    EndpointOauthOut,
    EndpointServerCaIn,
    EndpointServerCaOut,
)
from app.db.application.model import ApplicationRow
from app.db.endpoint.access import (
    Authentication,
    BasicAuthentication,
    HeaderAuthentication,
    OAuthAuthentication,
    open_authentication,
    seal_authentication,
    seal_identity,
)
from app.db.endpoint.model import EndpointRow
from app.db.endpoint.table import EndpointsTable
from app.db.operational_webhook.table import OperationalEvents
from app.errors import NotFound, ValidationFailed, Violation, existing
from app.sealing import Sealer
from app.settings import Settings


class ReceiverAccessService:
    """Keeps how an application's endpoints are reached. All raise NotFound for an endpoint that is not there."""

    def __init__(self, session: AsyncSession, sealer: Sealer, settings: Settings) -> None:
        self._endpoints = EndpointsTable(session)
        self._events = OperationalEvents(session)
        self._sealer = sealer
        self._settings = settings

    async def authentication(self, app: ApplicationRow, reference: str) -> EndpointAuthenticationOut:
        """How requests are authenticated. NotFound if they are not."""
        match await self._authentication(app, reference):
            case BasicAuthentication(username=username):
                return EndpointAuthenticationOut(type="basic", username=username)
            case HeaderAuthentication(name=name):
                return EndpointAuthenticationOut(type="header", name=name)
            case OAuthAuthentication():
                return EndpointAuthenticationOut(type="oauth2")
            case None:
                raise NotFound

    async def set_authentication(self, app: ApplicationRow, reference: str, body: EndpointAuthenticationIn) -> None:
        """Authenticate with a password or a header, instead of what was set before."""
        authentication: Authentication
        if isinstance(body, BasicAuthenticationIn):
            authentication = BasicAuthentication(body.username, body.password)
        else:
            authentication = HeaderAuthentication(body.name, body.value)
        await self._set_authentication(app, reference, authentication)

    async def delete_authentication(self, app: ApplicationRow, reference: str) -> None:
        """Authenticate in no way any more."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        row.authentication = None
        await self._save(row)

    async def oauth(self, app: ApplicationRow, reference: str) -> EndpointOauthConfigOut:
        """How tokens are asked for. NotFound if they are not."""
        config = (await self.oauth_status(app, reference)).config
        if config is None:
            raise NotFound
        return config

    async def oauth_status(self, app: ApplicationRow, reference: str) -> EndpointOauthOut:
        """Whether and how tokens are asked for."""
        authentication = await self._authentication(app, reference)
        if not isinstance(authentication, OAuthAuthentication):
            return EndpointOauthOut(enabled=False)
        return EndpointOauthOut(enabled=True, config=_oauth_out(authentication))

    async def set_oauth(self, app: ApplicationRow, reference: str, body: EndpointOauthConfigIn) -> None:
        """Authenticate with tokens, instead of what was set before. ValidationFailed for what the settings forbid."""
        if self._settings.endpoint_https_only and body.token_url[:6].lower() != "https:":
            raise ValidationFailed(Violation(("body", "tokenUrl"), "the token URL must be https, as all URLs here"))
        authentication = OAuthAuthentication(
            body.token_url,
            body.client_id,
            body.client_secret,
            body.auth_method,
            body.scopes or [],
            body.extra_params or {},
            body.extra_headers or {},
        )
        await self._set_authentication(app, reference, authentication)

    async def delete_oauth(self, app: ApplicationRow, reference: str) -> None:
        """Ask for no tokens any more; another kind of authentication stays."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        if isinstance(open_authentication(self._sealer, row.id, row.authentication), OAuthAuthentication):
            row.authentication = None
            await self._save(row)

    async def mtls(self, app: ApplicationRow, reference: str) -> EndpointMtlsConfigOut:
        """NotFound if there is no client certificate."""
        if (existing(await self._endpoints.find(app.id, reference))).client_identity is None:
            raise NotFound
        return EndpointMtlsConfigOut()

    async def mtls_status(self, app: ApplicationRow, reference: str) -> EndpointMtlsOut:
        """Whether there is a client certificate."""
        if (existing(await self._endpoints.find(app.id, reference))).client_identity is None:
            return EndpointMtlsOut(enabled=False)
        return EndpointMtlsOut(enabled=True, config=EndpointMtlsConfigOut())

    async def set_mtls(self, app: ApplicationRow, reference: str, body: EndpointMtlsConfigIn) -> None:
        """Present a client certificate."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        row.client_identity = seal_identity(self._sealer, row.id, body.identity)
        await self._save(row)

    async def delete_mtls(self, app: ApplicationRow, reference: str) -> None:
        """Present no client certificate any more."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        row.client_identity = None
        await self._save(row)

    async def server_ca(self, app: ApplicationRow, reference: str) -> EndpointServerCaOut:
        """The endpoint's own authorities."""
        return EndpointServerCaOut(cert=(existing(await self._endpoints.find(app.id, reference))).server_authorities)

    async def set_server_ca(self, app: ApplicationRow, reference: str, body: EndpointServerCaIn) -> None:
        """Verify the receiver with these authorities too, or with the system's alone."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        row.server_authorities = body.cert
        await self._save(row)

    async def _authentication(self, app: ApplicationRow, reference: str) -> Authentication | None:
        row = existing(await self._endpoints.find(app.id, reference))
        return open_authentication(self._sealer, row.id, row.authentication)

    async def _set_authentication(self, app: ApplicationRow, reference: str, authentication: Authentication) -> None:
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        row.authentication = seal_authentication(self._sealer, row.id, authentication)
        await self._save(row)

    async def _save(self, row: EndpointRow) -> None:
        row.updated_at = clock.now()
        await self._endpoints.save(row)
        await self._events.tell_of_endpoint(row.id, {"endpoint.updated": {}})


def _oauth_out(client: OAuthAuthentication) -> EndpointOauthConfigOut:
    shown = {name: value for name, value in client.headers.items() if not header_rules.is_sensitive(name)}
    return EndpointOauthConfigOut(
        grant_type="clientCredentials",
        auth_method=client.method,
        client_id=client.client_id,
        token_url=client.token_url,
        scopes=client.scopes or None,
        extra_params=client.parameters or None,
        extra_headers=shown or None,
    )
