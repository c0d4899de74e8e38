"""Addresses of peers as people write them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

# What a path may hold as it is (RFC 3986 §3.3), and what is encoded already.
_PATH = "/%:@!$&'()*+,;=~"


def parse_server_url(url: str) -> tuple[str, int, bool, str, str | None, str | None]:
    """Return (host, port, is TLS, path, user, password) of an http(s) URL. Raises `ValueError` with what to write.

    Host and path are ASCII, as they travel: "đơn-vị.vn" is its IDNA form (RFC 3490), "/đường" percent-encoded.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a peer; write http(s)://user:password@host:port/db")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    user = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password) if parts.password is not None else None
    return _to_ascii(parts.hostname), port, secure, quote(parts.path.rstrip("/"), safe=_PATH), user, password


def _to_ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise ValueError(f"{host!r} is no name of a machine: {exc}") from exc


def build_basic(user: str, password: str) -> dict[str, str]:
    """Return the Authorization header of RFC 7617."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")}


@dataclass(frozen=True, slots=True)
class SplitUrl:
    """A database URL as (server URL with credentials, database name)."""

    server: str
    database: str


def split_database_url(url: str) -> SplitUrl:
    """Return server and database of `http(s)://…/db`; "%2F" in the last part is a "/" in the name."""
    server, _slash, name = url.rstrip("/").rpartition("/")
    if "://" not in server or server.endswith(":/") or not name:
        raise ValueError(f"{url!r} names no database; write http(s)://user:password@host:port/db")
    return SplitUrl(server, unquote(name))
