"""A small provider of OpenID Connect on loopback, as strict as one should be, which can be told to go wrong."""

import asyncio
import base64
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app import clock

CLIENT = "postrider"
SECRET = "a secret of the client: with / and %"


Key = RSAKey | ECKey | OctKey


@cache
def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@dataclass
class OpenIdProvider:
    """`person` are the claims of whoever is signed in there; `spoil` overrides what the ID token says."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    spoil: dict[str, Any] = field(default_factory=dict)
    # With which key tokens are signed, and those that are shown.
    key: Key = field(default_factory=lambda: new_key("first"))
    shown: list[Key] = field(default_factory=list)
    algorithm: str = "RS256"
    token_status: int = 200
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def reset(self, person: dict[str, Any]) -> None:
        """Be as at first, with somebody else signed in."""
        self.person, self.spoil, self.key = person, {}, new_key("first")
        self.shown, self.algorithm, self.token_status = [self.key], "RS256", 200
        self.asked.clear()

    def rotate(self, key: Key) -> None:
        """Sign with another key, and show both."""
        self.key = key
        self.shown.append(key)

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self._configuration),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/keys", self._keys),
        ]

    async def _configuration(self, _request: Request) -> Response:
        self.asked.append("configuration")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        """Somebody is signed in already, and agrees."""
        query = dict(request.query_params)
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = urlencode({"code": code, "state": query["state"]})
        return RedirectResponse(f"{query['redirect_uri']}?{answer}", 302)

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        if self.token_status != 200:
            return JSONResponse({"error": "server_error"}, self.token_status)
        form = await request.form()
        begun = self._codes.pop(str(form["code"]), None)
        expected = base64.b64encode(f"{CLIENT}:a%20secret%20of%20the%20client%3A%20with%20%2F%20and%20%25".encode())
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        if (
            begun is None
            or request.headers["authorization"] != f"Basic {expected.decode()}"
            or form["redirect_uri"] != begun["redirect_uri"]
            or challenge.rstrip(b"=").decode() != begun["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(clock.unix())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        claims |= self.person | self.spoil
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        token = jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "id_token": token})

    async def _keys(self, _request: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse(KeySet(list(self.shown)).as_dict(private=False))


@asynccontextmanager
async def providing() -> AsyncIterator[OpenIdProvider]:
    """A provider that this event loop runs."""
    provider = OpenIdProvider()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider.issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(Starlette(routes=provider.routes()), lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield provider
        server.should_exit = True
        await serving
