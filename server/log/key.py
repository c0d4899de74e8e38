"""The log's key and certificate in a home: keys/log.key (PKCS #8, Ed25519, 0600) and certs/log.pem.

The certificate needs the unit's CA key. Where that key is locked or elsewhere, the log goes on being written and signed
under a key nobody else can check yet; `tram doctor` says so, and the next start with the CA key at hand certifies it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from crypto.certificates import Issuer, build_leaf
from crypto.event import fingerprint_of
from crypto.logcert import log_origin
from crypto.note import cosign_note, sign_note
from server.errors import Refused
from server.home import Home, parse_certificates, read_bounded, write_atomically

LOG_KEY_LIFE = timedelta(days=3 * 365)
RENEW_BEFORE = timedelta(days=90)
_BACKDATED = timedelta(days=1)  # as `server.pki.authority` does, for the clocks of two offices
_MAX_BYTES = 64 * 1024


class LogKey:
    """What signs checkpoints and cosigns those of others. `certificate` is None until the CA has issued it."""

    def __init__(self, unit: str, key: Ed25519PrivateKey, certificate: x509.Certificate | None) -> None:
        self.unit = unit
        self.public_key = key.public_key()
        self.certificate = certificate
        self._key = key

    @property
    def fingerprint(self) -> str:
        """The certificate's thumbprint, "" while there is none."""
        return fingerprint_of(self.certificate) if self.certificate is not None else ""

    def sign(self, text: str, generation: int) -> str:
        """Return the note of a checkpoint of the unit's own log."""
        return sign_note(text, name=log_origin(self.unit, generation), key=self._key)

    def cosign(self, note: str, at: datetime) -> str:
        """Return another log's note with this unit's cosignature added. The witness has checked it first."""
        return cosign_note(note, name=log_origin(self.unit), key=self._key, time_s=int(at.timestamp()))


def has_log_key(home: Home) -> bool:
    """Say whether the home has a log key already, so that there may have been a log."""
    return _key_path(home).exists()


def open_log_key(home: Home, now: datetime) -> LogKey:
    """Return the home's log key, made if there is none, with a certificate if the CA's key is at hand to issue one.

    Raises `Refused("bad_key")` for a key file that cannot be read: a new key would orphan the log.
    """
    path = _key_path(home)
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomically(path, pem)
    try:
        key = load_pem_private_key(read_bounded(path, _MAX_BYTES), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise Refused("bad_key", f"{path} is damaged ({exc}); restore it from a backup") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("bad_key", f"{path} is not an Ed25519 key; restore it from a backup")
    return LogKey(home.unit, key, _certificate(home, key, now))


def _key_path(home: Home) -> Path:
    return home.path / "keys" / "log.key"


def _certificate(home: Home, key: Ed25519PrivateKey, now: datetime) -> x509.Certificate | None:
    path = home.path / "certs" / "log.pem"
    found = parse_certificates(read_bounded(path, _MAX_BYTES), str(path)) if path.exists() else []
    current = found[0] if found and found[0].public_key() == key.public_key() else None
    if current is not None and current.not_valid_after_utc - now > RENEW_BEFORE:
        return current
    chain = home.chain()
    try:
        if not chain or (ca_key := home.ca_key()).public_key() != chain[0].public_key():
            return current
    except Refused:  # the CA's key is locked or elsewhere
        return current
    issued = build_leaf(
        Issuer(chain[0], ca_key),
        kind="log",
        public_key=key.public_key(),
        unit=home.unit,
        name=f"{home.unit} log",
        not_before=now - _BACKDATED,
        not_after=min(now + LOG_KEY_LIFE, chain[0].not_valid_after_utc),
        serial=x509.random_serial_number(),
    )
    write_atomically(path, issued.public_bytes(Encoding.PEM))
    return issued
