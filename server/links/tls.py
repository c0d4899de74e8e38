"""TLS to a neighbour: who may stand at the other end (`Neighbour.trust` of `neighbours`, decisions 0113 and 0115).

In the tree's own TLS a neighbour shows a certificate of its unit's CA. It names the unit, so the address may be any.
A pin is the thumbprint of the certificate itself, told from one administrator to the other. It takes the place of
names and authorities: whoever shows that certificate and holds its key is the neighbour, nobody else is.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import base64url
from crypto.errors import CryptoError
from crypto.names import parse_unit_dns
from server.errors import Refused

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def parse_pin(text: str) -> str:
    """Return a thumbprint (SHA-256 of the certificate in DER) as 64 hexadecimal digits.

    Takes those with or without colons, as openssl and browsers show them, or 43 base64url characters. Raises
    `Refused("bad_link")`.
    """
    plain = text.strip().lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if _HEX.fullmatch(plain):
        return plain
    try:
        digest = base64url.decode(text.strip())
    except CryptoError:
        digest = b""
    if len(digest) != 32:
        raise Refused("bad_link", "a pin is the SHA-256 thumbprint of a certificate: 64 hex digits or 43 base64url")
    return digest.hex()


def build_pinned_context(pin: str) -> ssl.SSLContext:
    """Return a client's context in which a handshake succeeds with the certificate of this thumbprint (hex) alone."""

    class PinnedSocket(ssl.SSLSocket):
        def do_handshake(self, *arguments: Any, **options: Any) -> None:
            super().do_handshake(*arguments, **options)
            shown = sha256(self.getpeercert(binary_form=True) or b"").hexdigest()
            if not hmac.compare_digest(shown, pin):
                error = ssl.SSLCertVerificationError(f"its certificate is {shown}, pinned is {pin}")
                error.reason = str(error)  # OpenSSL sets it, and whoever tells the error reads it
                raise error

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # the pin says who it is
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = PinnedSocket
    return context


def build_tree_context(
    roots: Sequence[x509.Certificate], *, is_expected: Callable[[str], bool], expected: str
) -> ssl.SSLContext:
    """Return a client's context in which a handshake succeeds with a certificate that leads to one of `roots` and names
    a unit that `is_expected` says yes to, whatever the address. `expected` says in words who that is."""

    class TreeSocket(ssl.SSLSocket):
        def do_handshake(self, *arguments: Any, **options: Any) -> None:
            super().do_handshake(*arguments, **options)
            shown: Any = (self.getpeercert() or {}).get("subjectAltName", ())
            names = [str(name) for kind, name in shown if kind == "DNS"]
            if not any(is_expected(unit) for unit in _units_of(names)):
                error = ssl.SSLCertVerificationError(f"its certificate is for {names[:3]}, expected is {expected}")
                error.reason = str(error)  # OpenSSL sets it, and whoever tells the error reads it
                raise error

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # the unit's name in the tree takes the place of the address
    context.verify_mode = ssl.CERT_REQUIRED
    for root in roots:
        context.load_verify_locations(cadata=root.public_bytes(Encoding.DER))
    context.sslsocket_class = TreeSocket
    return context


def build_ca_context(pem: str) -> ssl.SSLContext:
    """Return a client's context that believes the authorities in a PEM text alone, under the address's own name.

    Raises `Refused("bad_certificate")`.
    """
    try:
        return ssl.create_default_context(cadata=pem)
    except ssl.SSLError as exc:
        raise Refused("bad_certificate", f"these are no certificates of authorities in PEM: {exc.reason}") from exc
    except TypeError as exc:  # not ASCII: most likely the same certificate in DER
        raise Refused("bad_certificate", "these are no certificates of authorities in PEM, which is text") from exc


def parse_url(text: str) -> str:
    """Return a node's address without a slash at its end. Raises `Refused("bad_link")` if nothing can answer there."""
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port beyond 65535, half an IPv6 address
        named = False
    if not named:
        raise Refused("bad_link", f"a node's address looks like http://host:port or https://host, got {text[:200]!r}")
    return text.rstrip("/")


def _units_of(names: Sequence[str]) -> list[str]:
    """Return the units among DNS names of a certificate."""
    found = []
    for name in names:
        with suppress(CryptoError):  # the host name of something that is no node
            found.append(parse_unit_dns(name))
    return found


def is_readable_on_the_way(url: str) -> bool:
    """Say whether others on the network can read what goes to this address: http to anything but this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname != "localhost"
