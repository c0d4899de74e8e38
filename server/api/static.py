"""The PWA's files, served as written: at `/`, with entity tags and gzip, and the list of them for the service worker.

The files are read once, when the node starts: 150 KB, and no path from a request ever touches the file system.
`/precache.js` is made of their hashes, so a changed file changes the list, and the worker fetches what changed.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Response, request

from server.errors import Missing

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_NOT_SERVED = frozenset({"node_modules", "test", "tests"})
_DEVELOPER_FILES = frozenset({"package.json", "package-lock.json", "tsconfig.json", "jsconfig.json"})
_INCOMPRESSIBLE = frozenset({".png", ".woff2", ".ico"})
_WORKER = "sw.js"  # the worker itself is fetched by the browser, never by its own cache


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file in memory: `gzipped` is None where compressing does not pay; `tag` is a hash of the bytes."""

    data: bytes
    gzipped: bytes | None
    content_type: str
    tag: str


def read_files(folder: Path) -> dict[str, StaticFile]:
    """Return the files of the PWA by their path under `/`, e.g. "lib/jws.js"; empty if there is no such folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") or part in _NOT_SERVED for part in name.parts)
        if hidden or name.name in _DEVELOPER_FILES or path.suffix not in TYPES or not path.is_file():
            continue
        found[name.as_posix()] = static_file(path.read_bytes(), path.suffix)
    return found


def static_file(data: bytes, suffix: str) -> StaticFile:
    """Return `data` ready to be served as a file whose name ends in `suffix`."""
    gzipped = None if suffix in _INCOMPRESSIBLE else gzip.compress(data, 9, mtime=0)
    if gzipped is not None and len(gzipped) >= len(data):
        gzipped = None
    return StaticFile(data, gzipped, TYPES[suffix], sha256(data).hexdigest()[:20])


def build_precache(files: dict[str, StaticFile]) -> bytes:
    """Return the module that lists every file with its tag: what the worker must hold to start without a network."""
    listed = {"/" + ("" if name == "index.html" else name): file.tag for name, file in files.items() if name != _WORKER}
    version = sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()[:20]
    text = json.dumps({"version": version, "files": listed}, indent=1, sort_keys=True)
    return f"// Made by the node from its files.\nself.PRECACHE = {text};\n".encode()


def static_blueprint(folder: Path) -> Blueprint:
    """Return the blueprint for `/` and every file below it that the PWA has."""
    files = read_files(folder)
    files["precache.js"] = static_file(build_precache(files), ".js")
    blueprint = Blueprint("pwa", __name__)

    @blueprint.get("/")
    def index() -> Response:
        return _answer(files, "index.html")

    @blueprint.get("/r")
    def receipt() -> Response:
        return _answer(files, "index.html")  # the receipt is in the fragment, which never comes here

    @blueprint.get("/<path:name>")
    def file(name: str) -> Response:
        return _answer(files, name)

    return blueprint


def _answer(files: dict[str, StaticFile], name: str) -> Response:
    found = files.get(name)
    if found is None:
        raise Missing(f"there is no page /{name[:200]}")
    zipped = found.gzipped is not None and request.accept_encodings["gzip"] > 0
    response = Response(found.gzipped if zipped else found.data, content_type=found.content_type)
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = "no-cache"  # ask each time; the tag makes the answer 304 and empty
    response.set_etag(found.tag + ("-gz" if zipped else ""))
    response.make_conditional(request)
    return response
