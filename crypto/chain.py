"""From a signer's certificate to a trust anchor (RFC 5280 §6), at a given instant.

Order of the checks, which is also the order in which a reason is given:

 1. the leaf has the profile of a signer: exactly one DNS name and one URN that agree, documentSigning, not a CA;
 2. a path of valid certificates and signatures leads to an anchor (the `cryptography` library);
 3. every CA on it is confined to one branch of the administration, each inside its parent's, the leaf inside all;
 4. no certificate of the path had been revoked by that instant, by the newest CRL its issuer signed.

Left to the caller: that the instant is the earliest one *proven* for the signature, never the author's own claim;
`verify_actor`; that the certificate is in its issuer's log; and what roles the subject held.

Without rule 1 the library's name constraints would bind nothing: a leaf without DNS name escapes them. Rule 3 repeats
them by hand, because it also refuses CAs that carry none and covers constraints on the anchor itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from threading import Lock
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from crypto import base64url
from crypto.certificates import parse_certificate
from crypto.crl import Crl, CrlSet, Revocation, is_issued_by, revocation_of
from crypto.errors import CryptoError, ReasonCode, UntrustedChain
from crypto.names import SignerKind
from crypto.path import TrustAnchors, find_begins, verify_ca, verify_leaf_profile, verify_path

__all__ = [
    "ChainCache",
    "Freshness",
    "TrustAnchors",
    "Verdict",
    "VerifiedSigner",
    "judge",
    "verify_actor",
    "verify_ca",
    "verify_chain",
]

Status = Literal["valid", "invalid", "indeterminate"]
Freshness = Literal["fresh", "stale", "unknown"]

# What may still change when a certificate, a CRL or an earlier proof of time arrives (EN 319 102-1 §5.1.3).
_INDETERMINATE: frozenset[ReasonCode] = frozenset({"unknown_issuer", "expired", "not_yet_valid", "revoked"})

_NO_CRLS = CrlSet()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about a signature: `reason` is a `ReasonCode`, an error's name, or a word on freshness.

    `indeterminate` means that it may become valid or invalid when more arrives; it is never treated as valid.
    """

    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedSigner:
    """A leaf whose path has been verified, and what it says. It is a `Signer` for `verify_event_signature`.

    `chain` runs from the leaf to the anchor; between `not_before` and `not_after` all of it is valid. `revoked_at` is
    the instant from which its signatures no longer count, None if no CRL names any of the path; `revoked_on` is when
    the CA said so, which for a lost key is later. `crls_due` is when the first CRL behind this answer is due for
    renewal, None if for some CA of the path there was none.
    """

    certificate: x509.Certificate = field(repr=False)
    fingerprint: str
    public_key: ec.EllipticCurvePublicKey = field(repr=False)
    kind: SignerKind
    subject_urn: str
    unit: str
    dns: str
    chain: tuple[x509.Certificate, ...] = field(repr=False)
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None
    crls_due: datetime | None
    revoked_on: datetime | None = None

    def freshness(self, at: datetime) -> Freshness:
        """Say how much the CRLs know about `at`: stale ones do not refuse an event, but forbid irreversible steps."""
        if self.crls_due is None:
            return "unknown"
        return "fresh" if at <= self.crls_due else "stale"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cached answer and the CRLs, by issuer name, that it rests on."""

    signer: VerifiedSigner
    crls: tuple[tuple[bytes, tuple[Crl, ...]], ...]


class ChainCache:
    """Paths that have been verified, so that the next event of the same signer costs microseconds.

    An answer is kept for one leaf and one set of anchors, counts only inside its path's validity, and is dropped as
    soon as any CRL of an issuer on the path came or went. Refusals are not kept. Threads may share a cache.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._entries: dict[tuple[bytes, str], _Entry] = {}
        self._lock = Lock()

    def find(self, leaf: bytes, anchors: TrustAnchors, at: datetime, crls: CrlSet) -> VerifiedSigner | None:
        """Return the verified signer for the SHA-256 of a leaf, if it is still good for `at` and these CRLs."""
        entry = self._entries.get((leaf, anchors.key))
        if entry is None or not entry.signer.not_before <= at <= entry.signer.not_after:
            return None
        return entry.signer if all(crls.of(issuer) == known for issuer, known in entry.crls) else None

    def keep(self, leaf: bytes, anchors: TrustAnchors, signer: VerifiedSigner, crls: CrlSet) -> None:
        """Remember `signer`; the oldest entry makes room."""
        issuers = (issuer.subject.public_bytes() for issuer in signer.chain[1:])
        entry = _Entry(signer, tuple((issuer, crls.of(issuer)) for issuer in issuers))
        with self._lock:
            self._entries.pop((leaf, anchors.key), None)
            if len(self._entries) >= self._capacity:
                del self._entries[next(iter(self._entries))]
            self._entries[leaf, anchors.key] = entry


def verify_chain(
    leaf_der: bytes,
    intermediates_der: Sequence[bytes],
    *,
    anchors: TrustAnchors,
    at: datetime,
    crls: CrlSet | Iterable[Crl] = _NO_CRLS,
    cache: ChainCache | None = None,
) -> VerifiedSigner:
    """Return who signs with the leaf in `leaf_der`, proven up to an anchor for the instant `at` (aware).

    `intermediates_der` may hold more than the path needs, in any order. `crls` need no prior check: one that its
    issuer did not sign counts for nothing. Raises `UntrustedChain` with a `reason_code`, `Malformed` or `TooLarge` for
    bytes that are no certificate.
    """
    signer = _verify_path(leaf_der, intermediates_der, anchors, at, crls, cache)
    if signer.revoked_at is not None and at >= signer.revoked_at:
        raise UntrustedChain(
            f"revoked from {signer.revoked_at:%Y-%m-%dT%H:%MZ}, signature first proven at {at:%Y-%m-%dT%H:%MZ}",
            "revoked",
        )
    return signer


def verify_claim(
    leaf_der: bytes,
    intermediates_der: Sequence[bytes],
    *,
    anchors: TrustAnchors,
    claimed: datetime,
    crls: CrlSet | Iterable[Crl] = _NO_CRLS,
    cache: ChainCache | None = None,
) -> VerifiedSigner:
    """Return who signs with the leaf in `leaf_der`, for a signature of which only its author says when it was made.

    As `verify_chain`, with two differences. A claim from before the certificates of the path began counts as one from
    the instant they did: the signature names the leaf by its hash, so it was made once there was one, and it is the
    author's clock that stood too far back (a box without a battery wakes in 1970). And `revoked` is raised only for a
    claim at or after the day the CA revoked: a key that was lost stops counting earlier than that, and what it signed
    in between is in doubt, not false: nobody had said yet that the key was lost. `revoked_at` of the answer may lie
    before `claimed`.
    """
    signer = _verify_path_begun(leaf_der, intermediates_der, anchors, claimed, crls, cache)
    if signer.revoked_on is not None and claimed >= signer.revoked_on:
        raise UntrustedChain(
            f"revoked on {signer.revoked_on:%Y-%m-%dT%H:%MZ}, the signature claims {claimed:%Y-%m-%dT%H:%MZ}", "revoked"
        )
    return signer


def verify_actor(signer: VerifiedSigner, actor: object) -> str:
    """Return `actor` once it is proven to be the signer. Raises `UntrustedChain` (`actor_mismatch`)."""
    if actor != signer.subject_urn:
        raise UntrustedChain(
            f"the event says {str(actor)[:80]!a}, its signer is {signer.subject_urn}", "actor_mismatch"
        )
    return signer.subject_urn


def judge(outcome: VerifiedSigner | CryptoError, *, at: datetime) -> Verdict:
    """Return the three-valued verdict on what `verify_chain` (or any other check of this package) returned or raised.

    A good path is `valid`, with reason `crl_stale` or `crl_unknown` where the CRLs cannot vouch for `at`.
    """
    if isinstance(outcome, VerifiedSigner):
        freshness = outcome.freshness(at)
        return Verdict("valid", "" if freshness == "fresh" else f"crl_{freshness}")
    if isinstance(outcome, UntrustedChain):
        status: Status = "indeterminate" if outcome.reason_code in _INDETERMINATE else "invalid"
        return Verdict(status, outcome.reason_code)
    return Verdict("invalid", type(outcome).__name__)


def _verify_path_begun(
    leaf_der: bytes,
    intermediates_der: Sequence[bytes],
    anchors: TrustAnchors,
    claimed: datetime,
    crls: CrlSet | Iterable[Crl],
    cache: ChainCache | None,
) -> VerifiedSigner:
    """As `_verify_path`, for `claimed` or the first instant after it at which the whole path had begun."""
    try:
        return _verify_path(leaf_der, intermediates_der, anchors, claimed, crls, cache)
    except UntrustedChain as exc:
        if exc.reason_code != "not_yet_valid":
            raise
        refusal = exc
    for at in find_begins(leaf_der, intermediates_der, anchors, after=claimed):
        try:
            return _verify_path(leaf_der, intermediates_der, anchors, at, crls, cache)
        except UntrustedChain as exc:
            if exc.reason_code != "not_yet_valid":
                raise
    raise refusal


def _verify_path(
    leaf_der: bytes,
    intermediates_der: Sequence[bytes],
    anchors: TrustAnchors,
    at: datetime,
    crls: CrlSet | Iterable[Crl],
    cache: ChainCache | None,
) -> VerifiedSigner:
    """Return the signer for `at`, revocation noted and not yet judged."""
    if at.tzinfo is None:
        raise ValueError("`at` must be aware, in UTC")
    known = crls if isinstance(crls, CrlSet) else CrlSet(crls)
    digest = sha256(leaf_der).digest()
    signer = cache.find(digest, anchors, at, known) if cache is not None else None
    if signer is None:
        signer = _verify_cold(leaf_der, intermediates_der, anchors, at, known)
        if cache is not None:
            cache.keep(digest, anchors, signer, known)
    return signer


def _verify_cold(
    leaf_der: bytes, intermediates_der: Sequence[bytes], anchors: TrustAnchors, at: datetime, crls: CrlSet
) -> VerifiedSigner:
    leaf = parse_certificate(leaf_der)
    profile = verify_leaf_profile(leaf)
    chain = verify_path(leaf, intermediates_der, profile=profile, anchors=anchors, at=at)
    revoked, crls_due = _revocations(chain, crls)
    return VerifiedSigner(
        certificate=leaf,
        fingerprint=base64url.encode(sha256(leaf_der).digest()),
        public_key=profile.public_key,
        kind="node" if profile.names.kind == "node" else "person",
        subject_urn=profile.urn,
        unit=profile.names.unit,
        dns=profile.dns,
        chain=chain,
        not_before=max(certificate.not_valid_before_utc for certificate in chain),
        not_after=min(certificate.not_valid_after_utc for certificate in chain),
        revoked_at=min((each.effective_at for each in revoked), default=None),
        crls_due=crls_due,
        revoked_on=min((each.revoked_at for each in revoked), default=None),
    )


def revocation_on_path(chain: Sequence[x509.Certificate], crls: CrlSet) -> tuple[datetime | None, datetime | None]:
    """Return (instant from which the path is revoked, when the first CRL asked is due), as in `VerifiedSigner`."""
    revoked, due = _revocations(chain, crls)
    return min((each.effective_at for each in revoked), default=None), due


def _revocations(chain: Sequence[x509.Certificate], crls: CrlSet) -> tuple[list[Revocation], datetime | None]:
    """Return (what the newest lists revoke of a path, when the first of them is due if there is one for each CA)."""
    revoked: list[Revocation] = []
    due: list[datetime] = []
    for certificate, issuer in pairwise(chain):
        candidates = crls.of(issuer.subject.public_bytes())
        newest = next((crl for crl in candidates if is_issued_by(crl, issuer)), None)
        if newest is None:
            continue
        due.append(newest.next_update)
        revocation = revocation_of(newest, certificate.serial_number)
        if revocation is not None:
            revoked.append(revocation)
    complete = len(due) == len(chain) - 1
    return revoked, min(due) if complete else None
