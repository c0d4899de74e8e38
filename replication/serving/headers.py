"""Header fields read as RFC 9112 §5 writes them, and nothing repaired.

Two servers in a row that read one request differently let a sender hide a second request in the first. So what
could be read in two ways is refused: a space before the colon, a folded line, control characters, a length or an
encoding said twice.
"""

from __future__ import annotations

import re
from typing import Any

from cheroot import server as cheroot_server

MAX_FIELDS = 200
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# RFC 3986 §3.2.2, §3.2.3: a name, an IPv4 address or an IPv6 one in brackets, and a port.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::([0-9]{0,5}))?")
_ONCE = frozenset((b"Content-Length", b"Transfer-Encoding", b"Host"))


class StrictHeaders(cheroot_server.HeaderReader):
    """cheroot's reader of header fields, without its leniency. What it refuses is a `ValueError` with the reason."""

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        """Read fields up to the empty line into `hdict` and return it."""
        headers = {} if hdict is None else hdict
        for _ in range(MAX_FIELDS + 1):
            line = rfile.readline()
            if line == b"\r\n":
                return headers
            if not line.endswith(b"\r\n"):
                raise ValueError("A header line must end with CR LF, and an empty line must end the headers.")
            name, value = parse_field(line[:-2])
            if name in headers:
                if name in _ONCE:
                    raise ValueError(f"{name.decode()} may stand in the headers once.")
                if name in cheroot_server.comma_separated_headers:  # type: ignore[attr-defined]  # the stubs leave it out
                    value = b", ".join((headers[name], value))
            headers[name] = value
        raise ValueError(f"More than {MAX_FIELDS} header lines.")


def parse_field(line: bytes) -> tuple[bytes, bytes]:
    """Return name (as "Content-Length" is written) and value of one header line. Raises `ValueError`."""
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.fullmatch(name):
        raise ValueError("A header line is a name, a colon directly behind it, and a value.")
    if _CONTROL.search(value):
        raise ValueError("A header value holds a control character.")
    name, value = name.title(), value.strip(b" \t")
    if name == b"Transfer-Encoding" and value.lower().count(b"chunked") > 1:
        raise ValueError("Transfer-Encoding says chunked twice.")
    if name == b"Host":
        check_host(value)
    return name, value


def check_host(value: bytes) -> None:
    """Raise `ValueError` unless a Host field names a host and perhaps a port."""
    found = _HOST.fullmatch(value)
    if not found or int(found[1] or 0) > 65535:
        raise ValueError("Host is no host name with an optional port.")
