"""FastAPI with what this product puts around it: the outermost layer, and what is said of tokens."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.api import router
from app.api.middleware import RequestMiddleware
from app.settings import Settings

_OPEN_TAGS = {"Health"}


class Gateway(FastAPI):
    """The application that uvicorn serves."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        super().__init__(**options)
        self.add_api_route("/", _documentation, include_in_schema=False)
        # Where Svix has it.
        self.add_api_route(f"{router.prefix}/openapi.json", self.openapi, include_in_schema=False)

    def build_middleware_stack(self) -> ASGIApp:
        """Our own layer is the outermost."""
        settings = self._settings
        bodies = _JsonBodies(super().build_middleware_stack())
        return RequestMiddleware(bodies, max_body_bytes=settings.max_body_bytes, log_level=settings.log_level)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, which says that every operation wants a bearer token, but for those on health."""
        document = super().openapi()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer", "description": "`make -s token` prints one."}
        document["security"] = [{"token": []}]
        for operations in document["paths"].values():
            for operation in operations.values():
                if _OPEN_TAGS & set(operation.get("tags", ())):
                    operation["security"] = []
        return document


class _JsonBodies:
    """A body of the API is JSON, whatever its content type says: `curl -d` calls it a form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(router.prefix):
            others = [header for header in scope["headers"] if header[0] != b"content-type"]
            scope["headers"] = [*others, (b"content-type", b"application/json")]
        await self._app(scope, receive, send)


async def _documentation() -> RedirectResponse:
    return RedirectResponse("/docs", status_code=307)
