"""Styles and scripts, from memory: compressed once, and addressed by what is in them, so that browsers keep them."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import NotFound

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"

router: Final = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    compressed: bytes
    media_type: str


@cache
def _files() -> dict[str, _File]:
    paths = sorted(path for path in _FOLDER.rglob("*") if path.suffix in _TYPES)
    contents = {path.relative_to(_FOLDER).as_posix(): path.read_bytes() for path in paths}
    return {
        name: _File(content, gzip.compress(content, 9, mtime=0), _TYPES[Path(name).suffix])
        for name, content in contents.items()
    }


@cache
def _version() -> str:
    """Changes with any of the files."""
    digest = hashlib.sha256()
    for name, file in _files().items():
        digest.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
    return digest.hexdigest()[:12]


@cache
def static_url(name: str) -> str:
    """The address of a file in app/web/static. KeyError if there is none."""
    assert name in _files(), f"app/web/static has no {name}"
    return f"/static/{_version()}/{name}"


@router.get("/static/{version}/{name:path}")
async def static_file(request: Request, version: str, name: str) -> Response:
    """A style, a script, an icon. NotFound if there is none of that name."""
    file = _files().get(name)
    if file is None:
        raise NotFound
    # Of another version of Postrider, whose pages are still open somewhere: as long as it is asked for.
    headers = {"cache-control": _FOR_EVER if version == _version() else "no-cache", "vary": "accept-encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(file.content, headers=headers, media_type=file.media_type)
    return Response(file.compressed, headers={**headers, "content-encoding": "gzip"}, media_type=file.media_type)
