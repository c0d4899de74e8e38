"""TLS of a serving node, without files of the administrator's: keys/tls.key and certs/tls.pem, issued by the unit's CA.

The key is the node's TLS key and nothing else. The certificate follows by itself: issued again well before it ends,
when the unit's CA has a new certificate, and when the addresses asked for are others. New connections are greeted with
the new one at once; those that are open go on.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from crypto.errors import CryptoError
from crypto.keys import PrivateKey
from server.errands import Errand
from server.errors import Refused, ServerError
from server.home import Home, parse_certificates, read_bounded, write_atomically
from server.pki.authority import Authority

_LOG = logging.getLogger(__name__)

LIFE = timedelta(days=90)
RENEW_BEFORE = timedelta(days=30)
LOOK_EVERY_S = 3600.0
MAX_ADDRESSES = 16
_MAX_PEM_BYTES = 256 * 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> Address:
    """Return an IP address for the certificate. Raises `Refused("bad_name")`, for host names too, and says why."""
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        raise Refused(
            "bad_name",
            f"{text[:80]!r} is no IP address. The unit's CA may certify its own branch of the tree alone, so browsers"
            " would refuse any other host name; links need none. For a public name use --certificate and --key",
        ) from None


class ServerTls:
    """The TLS key and certificate in a home. `now` is the time the certificate is judged by."""

    def __init__(self, home: Home, addresses: Sequence[Address], now: Callable[[], datetime]) -> None:
        if len(addresses) > MAX_ADDRESSES:
            raise Refused("bad_name", f"{len(addresses)} addresses, at most {MAX_ADDRESSES} go into a certificate")
        self._home = home
        self._addresses = sorted(set(addresses), key=str)
        self._now = now
        self._is_shown = True  # whether new connections are greeted with what `prepare` issued last
        self._errand: Errand | None = None

    @property
    def certificate(self) -> Path:
        """The file with the certificate and the CAs up to, without, the root."""
        return self._home.path / "certs" / "tls.pem"

    @property
    def key(self) -> Path:
        """The file with the private key, 0600."""
        return self._home.path / "keys" / "tls.key"

    def prepare(self) -> bool:
        """See to it that key and certificate are there and good for a while; return whether one was issued.

        Raises `Refused` where that needs the CA's key and it is locked or elsewhere.
        """
        key, now = self._read_key(), self._now()
        current = self._current()
        chain = self._home.chain()
        if current and self._is_good(current, key, chain) and current[0].not_valid_after_utc - now > RENEW_BEFORE:
            return False
        authority = Authority.open(self._home)
        leaf = authority.issue_server(key.public_key(), addresses=self._addresses, now=now, life=LIFE)
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in (leaf, *_without_root(authority.chain)))
        write_atomically(self.certificate, pem)
        _LOG.info("a TLS certificate was issued, good until %s", leaf.not_valid_after_utc.date())
        return True

    def follow(self, reload: Callable[[], None]) -> None:
        """Look every hour from now on, and call `reload` after a new certificate."""
        self._errand = Errand("tls", lambda _: self.renew(reload), every_s=LOOK_EVERY_S, at_once=False)
        self._errand.start()

    def renew(self, reload: Callable[[], None]) -> None:
        """Look now. A CA key that is not at hand is told in the journal: the present certificate still serves."""
        try:
            self._is_shown = not self.prepare() and self._is_shown
            if not self._is_shown:
                reload()
                self._is_shown = True
        except (ServerError, OSError) as exc:
            _LOG.warning("the TLS certificate could not be renewed: %s", exc)

    def stop(self) -> None:
        """Look no more; returns when the thread has ended."""
        if self._errand is not None:
            self._errand.stop()
            self._errand = None

    def _read_key(self) -> PrivateKey:
        if not self.key.exists():
            write_atomically(self.key, keys.private_to_pem(keys.generate_p256()))
        try:
            return keys.parse_private_pem(read_bounded(self.key, keys.MAX_PEM_BYTES))
        except CryptoError as exc:
            raise Refused("bad_key", f"{self.key} is damaged ({exc}); remove it and a new one is made") from exc

    def _current(self) -> list[x509.Certificate]:
        if not self.certificate.exists():
            return []
        return parse_certificates(read_bounded(self.certificate, _MAX_PEM_BYTES), str(self.certificate))

    def _is_good(self, current: list[x509.Certificate], key: PrivateKey, chain: list[x509.Certificate]) -> bool:
        """Say whether the certificate is of this key, this CA and these addresses, whenever it ends."""
        names = current[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            current[0].public_key() == key.public_key()
            and current[1:] == _without_root(chain)
            and sorted(names.get_values_for_type(x509.IPAddress), key=str) == self._addresses
            and current[0].issuer == chain[0].subject
        )


def _without_root(chain: list[x509.Certificate]) -> list[x509.Certificate]:
    return [each for each in chain if each.issuer != each.subject]
