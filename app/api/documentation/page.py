"""The page and its parts over HTTP."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse

_FOLDER: Final = Path(__file__).parent
_PARTS: Final = {
    "swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui/swagger-ui.css",
    "favicon-32x32.png": "swagger-ui/favicon-32x32.png",
    "page.js": "page.js",
}
# Everything from here and nothing from elsewhere; the page sets styles while it draws, and its icons are data URLs.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# References are relative, so that the page also works below a proxy's prefix.
_HTML: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Postrider's API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"><noscript>The document itself is at <a href="openapi.json">openapi.json</a>.</noscript></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/page.js"></script>
</body>
</html>
"""


def install(app: FastAPI) -> None:
    """Serve the page at /docs."""
    app.add_api_route("/docs", _page, include_in_schema=False)
    for name, path in _PARTS.items():
        app.add_api_route(f"/docs/{name}", _Part(_FOLDER / path), include_in_schema=False)


class _Part:
    """A file of the page."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self) -> FileResponse:
        # The same until the next version of Postrider; it is asked each time whether that has come.
        return FileResponse(self._path, headers={"cache-control": "no-cache"})


async def _page() -> HTMLResponse:
    return HTMLResponse(_HTML, headers={"content-security-policy": _POLICY})
