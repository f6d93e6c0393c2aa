"""FastAPI with what this product puts around it: the outermost layer, and the pages beside the API."""

from typing import Any, Final

from fastapi import FastAPI
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
        # FastAPI's own pages load their parts from servers of other people.
        super().__init__(docs_url=None, redoc_url=None, **options)
        page.install(self)
        # Where Svix has it.
        self.add_api_route(f"{router.prefix}/openapi.json", self.openapi, include_in_schema=False)

    def build_middleware_stack(self) -> ASGIApp:
        """Our own layer is the outermost."""
        settings = self._settings
        bodies = _JsonBodies(super().build_middleware_stack())
        return RequestMiddleware(bodies, max_body_bytes=settings.max_body_bytes, log_level=settings.log_level)

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
