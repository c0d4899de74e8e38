"""TLS to a neighbour whose certificate is pinned: an office's own certificate, which no public authority has signed.

The pin is the thumbprint of the certificate itself, told from one administrator to the other. It takes the place of
names and authorities: whoever shows that certificate and holds its key is the neighbour, nobody else is.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import ssl
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from crypto import base64url
from crypto.errors import CryptoError
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


def is_readable_on_the_way(url: str) -> bool:
    """Say whether others on the network can read what goes to this address: http to anything but this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname != "localhost"
