"""backup.json and the manifest inside the archive, as values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from crypto import strictjson
from crypto.errors import CryptoError
from server.backup.seals import Kind
from server.errors import Refused
from server.home import read_bounded

VERSION = 1
HEADER_NAME = "backup.json"
KEY_NAME = "key.age"
MANIFEST_NAME = "manifest.json"
MAX_HEADER_BYTES = 64 * 1024
MAX_MANIFEST_BYTES = 64 * 1024 * 1024  # 400,000 files of a home; one has some hundreds
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Header:
    """backup.json: all that can be read without a key. `plain_bytes` bounds what is unpacked."""

    unit: str
    made_at: str  # RFC 3339, UTC
    sealed: Kind
    archive_bytes: int
    archive_sha256: str
    plain_bytes: int

    @property
    def archive_name(self) -> str:
        return "home.tar.zst" + ("" if self.sealed == "open" else ".age")

    def to_json(self) -> bytes:
        return _dump({"v": VERSION, **asdict(self), "archive": self.archive_name})


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `path` is relative to the home, with "/"."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything in the archive but the manifest itself. `documents` counts by database what stood in it."""

    unit: str
    made_at: str
    engine: str
    documents: Mapping[str, int]
    files: tuple[Entry, ...]

    def to_json(self) -> bytes:
        return _dump({"v": VERSION, **asdict(self)})


def _dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def read_header(folder: Path) -> Header:
    """Return what `folder` says it is. Raises `Refused("bad_backup")` for anything but a backup of this version."""
    path = folder / HEADER_NAME
    if not path.exists():
        raise Refused("bad_backup", f"{folder} is not a backup made by: tram backup DIR OUT")
    value = _parse(read_bounded(path, MAX_HEADER_BYTES), str(path), MAX_HEADER_BYTES)
    try:
        header = Header(
            _text(value["unit"]),
            _text(value["made_at"]),
            value["sealed"],
            _size(value["archive_bytes"]),
            _sha256(value["archive_sha256"]),
            _size(value["plain_bytes"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise Refused("bad_backup", f"{path} is damaged: {exc!r}; use another copy of this backup") from exc
    if header.sealed not in get_args(Kind):
        raise Refused("bad_backup", f"{path}: sealed in a way this program does not know; update it")
    return header


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest. Raises `Refused("bad_backup")`."""
    value = _parse(data, MANIFEST_NAME, MAX_MANIFEST_BYTES)
    try:
        files = tuple(
            Entry(check_path(item["path"]), _size(item["size"]), _sha256(item["sha256"])) for item in value["files"]
        )
        counts = {_text(name): _size(count) for name, count in value["documents"].items()}
        return Manifest(_text(value["unit"]), _text(value["made_at"]), _text(value["engine"]), counts, files)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise Refused("bad_backup", f"{MANIFEST_NAME} is damaged: {exc!r}; use another copy of this backup") from exc


def check_path(text: Any) -> str:
    """Return a path that stays inside the home. Raises `Refused("bad_backup")`."""
    path = PurePosixPath(_text(text))
    if path.is_absolute() or not path.parts or ".." in path.parts or str(path) != text or "\\" in text or "\0" in text:
        raise Refused("bad_backup", f"the archive names {str(text)[:100]!r}, which is no file of a home")
    return str(path)


def _parse(data: bytes, origin: str, limit_bytes: int) -> Any:
    try:
        value = strictjson.parse(data, max_bytes=limit_bytes)
    except CryptoError as exc:
        raise Refused("bad_backup", f"{origin} is damaged: {exc}; use another copy of this backup") from exc
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise Refused("bad_backup", f"{origin} was made by another version of Trạm; update the program")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("expected a number of bytes")
    return value


def _sha256(value: Any) -> str:
    if not _SHA256.fullmatch(_text(value)):
        raise ValueError("expected a SHA-256 in hex")
    return str(value)
