"""The certificate of the key that signs a node's log: Ed25519, issued by the unit's CA, good for nothing else.

    SubjectAltName      DNS 03.12.h41.tram.internal, URI urn:tram:log:h41-12-03
    extendedKeyUsage    logSigning (`crypto.certificates.LOG_SIGNING`) alone
    origin of the log   03.12.h41.tram.internal/log, and after a loss 03.12.h41.tram.internal/log/2

The same key cosigns the checkpoints of the logs below, under its own log's origin: what it signs begins with
"cosignature/v1" then, which no checkpoint does (C2SP tlog-cosignature).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from crypto.certificates import LOG_SIGNING, parse_certificate
from crypto.chain import revocation_on_path
from crypto.crl import Crl, CrlSet
from crypto.errors import Malformed, UntrustedChain
from crypto.event import fingerprint_of
from crypto.names import parse_leaf_names, parse_unit_dns, unit_dns
from crypto.note import COSIGNATURE_V1, ED25519, NoteKey
from crypto.path import TrustAnchors, read_leaf_extensions, verify_path_of

_ORIGIN = re.compile(r"([a-z0-9.-]+)/log(?:/([2-9]|[1-9][0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The holder of a log key, proven. `revoked_at` is when its signatures stop to count, None if they do not."""

    unit: str
    fingerprint: str
    key: Ed25519PublicKey = field(repr=False)
    not_after: datetime
    revoked_at: datetime | None

    def log_key(self, generation: int = 1) -> NoteKey:
        """Return the key under which the unit's log signs its own checkpoints."""
        return NoteKey(log_origin(self.unit, generation), self.key, ED25519)

    def witness_key(self) -> NoteKey:
        """Return the key under which the unit cosigns the checkpoints of others."""
        return NoteKey(log_origin(self.unit), self.key, COSIGNATURE_V1)


def log_origin(unit: str, generation: int = 1) -> str:
    """Return the name of a unit's log; from the second generation on it ends in the number."""
    return f"{unit_dns(unit)}/log" + (f"/{generation}" if generation > 1 else "")


def parse_log_origin(origin: str) -> tuple[str, int]:
    """Return (unit, generation) of a log's name. Raises `Malformed` unless `log_origin` gives it."""
    match = _ORIGIN.fullmatch(origin)
    if not match:
        raise Malformed(f"not the name of a unit's log: {origin[:120]!a}")
    return parse_unit_dns(match[1]), int(match[2] or 1)


def is_log_certificate(certificate: x509.Certificate) -> bool:
    """Say whether a certificate is for signing logs."""
    try:
        return LOG_SIGNING in certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False


def verify_log_certificate(
    der: bytes,
    intermediates_der: Sequence[bytes],
    *,
    anchors: TrustAnchors,
    at: datetime,
    crls: CrlSet | Iterable[Crl] = (),
) -> LogSigner:
    """Return the log key in `der`, proven up to an anchor for the instant `at`; RFC 5280 §6 as in `crypto.chain`.

    A revocation is told in the answer and refuses nothing: what was signed before it counts. Raises `UntrustedChain`,
    `Malformed`, `TooLarge`.
    """
    leaf = parse_certificate(der)
    unit, dns, key = _profile(leaf)
    chain = verify_path_of(leaf, intermediates_der, dns=dns, anchors=anchors, at=at)
    revoked_at, _ = revocation_on_path(chain, crls if isinstance(crls, CrlSet) else CrlSet(crls))
    not_after = min(each.not_valid_after_utc for each in chain)
    return LogSigner(unit, fingerprint_of(leaf), key, not_after, revoked_at)


def _profile(leaf: x509.Certificate) -> tuple[str, str, Ed25519PublicKey]:
    """Return (unit, DNS name, key) of a certificate that is for signing logs and nothing else."""
    constraints, usage, purposes, names = read_leaf_extensions(leaf)
    dns = names.get_values_for_type(x509.DNSName)
    urns = names.get_values_for_type(x509.UniformResourceIdentifier)
    key = leaf.public_key()
    if constraints.ca or usage.key_cert_sign or not usage.digital_signature or list(purposes) != [LOG_SIGNING]:
        raise UntrustedChain("a log's key is for signing logs and nothing else", "not_a_signer")
    if len(dns) != 1 or len(urns) != 1 or len(names) != 2 or not isinstance(key, Ed25519PublicKey):
        raise UntrustedChain("a log's certificate has one DNS name, one URN and an Ed25519 key", "not_a_signer")
    try:
        found = parse_leaf_names(dns[0], urns[0])
    except Malformed as exc:
        raise UntrustedChain(f"the log's names do not agree: {exc}", "not_a_signer") from exc
    if found.kind != "log":
        raise UntrustedChain(f"{urns[0]} is not the name of a log", "not_a_signer")
    return found.unit, dns[0], key
