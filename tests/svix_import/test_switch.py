"""After an import: the tokens that the Svix server gave out, and its official client, find everything where it was."""

import asyncio
import os
import socket
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import jwt
import pytest
import uvicorn
from pydantic import SecretStr
from svix.api import SvixAsync, SvixOptions
from svix.api.message import MessageGetOptions
from svix.api.message_attempt import MessageAttemptListByMsgOptions
from svix.exceptions import HttpError

from app import clock
from tests import factories
from tests.svix_import.conftest import Importing
from tests.svix_import.svix_server import SvixServer, encrypted

JWT_SECRET = "the JWT secret of a Svix server, which is as long as HS256 wants it"
KEY = os.urandom(24)


def svix_token(subject: str, **claims: object) -> str:
    """As a Svix server makes them: for an organization, or with `org` for an application's portal."""
    now = int(time.time()) - 86_400
    made = {"iat": now, "exp": now + 10 * 365 * 86_400, "nbf": now, "iss": "svix-server", "sub": subject, **claims}
    return jwt.encode(made, JWT_SECRET, algorithm="HS256")


@asynccontextmanager
async def switched(importing: Importing) -> AsyncIterator[str]:
    """The address of a Postrider with the imported database and the Svix server's JWT secret."""
    changes = {"db_dsn": importing.dsn, "jwt_secret": SecretStr(JWT_SECRET)}
    async with factories.running(importing.settings.model_copy(update=changes)) as app:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving


@asynccontextmanager
async def client(address: str, token: str) -> AsyncIterator[SvixAsync]:
    svix = SvixAsync(token, SvixOptions(server_url=address))
    try:
        yield svix
    finally:
        # It has no way to close its connections.
        await svix._httpx_client.aclose()


async def test_svix_tokens_and_the_svix_client_find_all_that_was_imported(
    importing: Importing, svix: SvixServer
) -> None:
    svix.add_event_type("invoice.paid")
    application, other = svix.add_application({"plan": "gold"}, uid="acme"), svix.add_application()
    endpoint = svix.add_endpoint(
        application, encrypted(KEY), uid="ep-1", event_types_ids=["invoice.paid"], headers={"x-tenant": "t0"}
    )
    message = svix.add_message(application, clock.now() - timedelta(days=2), b'{"n": 1}', uid="evt-1")
    attempt = svix.add_attempt(message, endpoint, at=clock.now() - timedelta(days=2), response="thanks")
    importing.run()
    async with switched(importing) as address:
        async with client(address, svix_token(svix.organization)) as whole:
            listed = await whole.application.list()
            assert {(one.id, one.uid) for one in listed.data} == {(application, "acme"), (other, None)}
            assert (await whole.application.get("acme")).metadata == {"plan": "gold"}
            assert (await whole.event_type.get("invoice.paid")).description == "It happened."
            got = await whole.endpoint.get("acme", "ep-1")
            assert (got.id, got.url, got.event_types) == (endpoint, "http://127.0.0.1:1024/in", ["invoice.paid"])
            secret = await whole.endpoint.get_secret("acme", endpoint)
            assert secret.key == f"whsec_{b64encode(KEY).decode()}"
            assert (await whole.endpoint.get_headers("acme", endpoint)).headers == {"x-tenant": "t0"}
            assert (await whole.message.get("acme", message, MessageGetOptions(with_content=True))).payload == {"n": 1}
            (tried,) = (
                await whole.message_attempt.list_by_msg(
                    "acme", message, MessageAttemptListByMsgOptions(with_content=True)
                )
            ).data
            assert (tried.id, tried.endpoint_id, tried.response, tried.status) == (attempt, endpoint, "thanks", 0)
        # A portal's token, which names an application, reaches that one and nothing else.
        async with client(address, svix_token(application, org=svix.organization, feature_flags=[])) as portal:
            assert [one.id for one in (await portal.endpoint.list(application)).data] == [endpoint]
            with pytest.raises(HttpError) as refused:
                await portal.endpoint.list(other)
            assert refused.value.status_code == 404
        forged = jwt.encode({"sub": svix.organization, "iss": "svix-server", "exp": 2**40}, "x" * 40, algorithm="HS256")
        async with httpx.AsyncClient() as plain:
            refusal = await plain.get(f"{address}/api/v1/app", headers={"authorization": f"Bearer {forged}"})
        assert refusal.status_code == 401
