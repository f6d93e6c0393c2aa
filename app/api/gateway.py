"""FastAPI with what this product puts around it: the outermost layer, and the pages beside the API."""

from threading import Lock
from typing import Any, Final

import orjson
from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.api import ingesting, router
from app.api.document import complete
from app.api.documentation import page
from app.api.middleware import RequestMiddleware
from app.settings import Settings


class Gateway(FastAPI):
    """The application that uvicorn serves."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._writing = Lock()
        self._document: bytes | None = None
        # FastAPI's own pages load their parts from servers of other people; it makes the document, which takes seconds,
        # where everybody waits for it.
        super().__init__(docs_url=None, redoc_url=None, openapi_url=None, **options)
        page.install(self)
        # The second is where Svix has it.
        for path in ("/openapi.json", f"{router.prefix}/openapi.json"):
            self.add_api_route(path, self._written, include_in_schema=False)

    def build_middleware_stack(self) -> ASGIApp:
        """Our own layer is the outermost."""
        settings = self._settings
        bodies = _JsonBodies(super().build_middleware_stack())
        return RequestMiddleware(bodies, max_body_bytes=settings.max_body_bytes, log_level=settings.log_level)

    def _written(self) -> Response:
        """The OpenAPI document. Not a coroutine: so it is made in a thread, once."""
        with self._writing:
            if self._document is None:
                self._document = orjson.dumps(self.openapi())
        return Response(self._document, media_type="application/json")

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with what FastAPI does not know."""
        if self.openapi_schema is None:
            complete(super().openapi())
        assert self.openapi_schema is not None
        return self.openapi_schema


_PREFIXES: Final = (router.prefix, ingesting.prefix)


class _JsonBodies:
    """A body of the API is JSON, whatever its content type says: `curl -d` calls it a form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_PREFIXES):
            others = [header for header in scope["headers"] if header[0] != b"content-type"]
            scope["headers"] = [*others, (b"content-type", b"application/json")]
        await self._app(scope, receive, send)
