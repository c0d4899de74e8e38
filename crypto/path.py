"""The path of certificates itself: who may sign, who issued whom, and within which branch (RFC 5280 §6).

Rules 1 to 3 of `crypto.chain`, which adds revocation and remembers the answers. The path is checked by the
`cryptography` library; what the library leaves open is checked here by hand, and its sentences are turned into reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from crypto.certificates import DOCUMENT_SIGNING, dns_suffix_of, parse_certificate
from crypto.errors import Malformed, TooLarge, UntrustedChain
from crypto.event import fingerprint_of
from crypto.names import LeafNames, is_within, parse_leaf_names

MAX_DEPTH = 10  # CAs between leaf and anchor: eight tiers, and two generations of a key
MAX_INTERMEDIATES = 2000  # a province's whole register; only those on the way up are looked at
MAX_CLIMBED = 32  # of those; more means many certificates of one name, made to cost us signatures

_LEAF_POLICY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
    .require_present(x509.KeyUsage, Criticality.CRITICAL, None)
    .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    .require_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)
    .may_be_present(x509.CertificatePolicies, Criticality.AGNOSTIC, None)
)
_CA_POLICY = ExtensionPolicy.webpki_defaults_ca()


class TrustAnchors:
    """The roots to which paths may lead: at least one, fixed once made. `key` names the set in caches."""

    __slots__ = ("key", "roots", "store")

    def __init__(self, roots: Iterable[x509.Certificate]) -> None:
        self.roots = tuple(roots)
        if not self.roots:
            raise ValueError("no trust anchor: nothing could ever be verified")
        self.store = Store(list(self.roots))
        self.key = sha256("".join(sorted(map(fingerprint_of, self.roots))).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LeafProfile:
    """What a signer's certificate says about its holder, before anybody vouches for it."""

    public_key: ec.EllipticCurvePublicKey = field(repr=False)
    dns: str
    urn: str
    names: LeafNames


def read_leaf_extensions(
    leaf: x509.Certificate,
) -> tuple[x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName]:
    """Return the four extensions that the leaf of a signer has. Raises `UntrustedChain` (`not_a_signer`)."""
    find = leaf.extensions.get_extension_for_class
    try:
        return (
            find(x509.BasicConstraints).value,
            find(x509.KeyUsage).value,
            find(x509.ExtendedKeyUsage).value,
            find(x509.SubjectAlternativeName).value,
        )
    except x509.ExtensionNotFound as exc:
        raise UntrustedChain(f"the leaf lacks an extension every signer has: {exc}", "not_a_signer") from exc


def verify_leaf_profile(leaf: x509.Certificate) -> LeafProfile:
    """Return what a certificate that may sign says. Raises `UntrustedChain` (`not_a_signer`)."""
    constraints, usage, purposes, names = read_leaf_extensions(leaf)
    if constraints.ca or usage.key_cert_sign:
        raise UntrustedChain("a CA certificate signs certificates, not documents", "not_a_signer")
    if not usage.digital_signature or DOCUMENT_SIGNING not in purposes:
        raise UntrustedChain("key usage lacks digitalSignature or documentSigning", "not_a_signer")
    dns = names.get_values_for_type(x509.DNSName)
    urns = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(dns) != 1 or len(urns) != 1 or len(names) != 2:
        raise UntrustedChain("a signer's certificate has one DNS name, one URN and no other name", "not_a_signer")
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UntrustedChain("a signer's key is on P-256", "not_a_signer")
    try:
        found = parse_leaf_names(dns[0], urns[0])
    except Malformed as exc:
        raise UntrustedChain(f"the leaf's names do not agree: {exc}", "not_a_signer") from exc
    if found.kind == "log":
        raise UntrustedChain("the key of a log signs no documents", "not_a_signer")
    return LeafProfile(key, dns[0], urns[0], found)


def verify_path(
    leaf: x509.Certificate,
    intermediates_der: Sequence[bytes],
    *,
    profile: LeafProfile,
    anchors: TrustAnchors,
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """Return the certificates from `leaf` to an anchor, all valid at `at` and each inside its issuer's branch.

    Raises `UntrustedChain`, or `Malformed` or `TooLarge` for the intermediates.
    """
    return verify_path_of(leaf, intermediates_der, dns=profile.dns, anchors=anchors, at=at)


def verify_path_of(
    leaf: x509.Certificate,
    intermediates_der: Sequence[bytes],
    *,
    dns: str,
    anchors: TrustAnchors,
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """As `verify_path`, for a leaf of any purpose whose profile the caller has checked and whose DNS name is `dns`."""
    chain = _library_path(leaf, _on_the_way_up(leaf, intermediates_der), dns, anchors, at)
    _check_branches(chain, dns)
    return chain


def find_begins(
    leaf_der: bytes, intermediates_der: Sequence[bytes], anchors: TrustAnchors, *, after: datetime
) -> list[datetime]:
    """Return the instants after `after` at which a leaf and those that may stand above it begin, the earliest first.

    A path that has not begun at one of them may have at the next: clocks of two offices that issue differ. Raises
    `Malformed` or `TooLarge` for bytes that are no certificate or too many.
    """
    leaf = parse_certificate(leaf_der)
    begins = {each.not_valid_before_utc for each in (leaf, *anchors.roots, *_on_the_way_up(leaf, intermediates_der))}
    return sorted(each for each in begins if each > after)


def _on_the_way_up(leaf: x509.Certificate, intermediates_der: Sequence[bytes]) -> list[x509.Certificate]:
    """Return those certificates whose names make them possible issuers, of the leaf or of one another."""
    if len(intermediates_der) > MAX_INTERMEDIATES:
        raise TooLarge(f"{len(intermediates_der)} certificates at once, at most {MAX_INTERMEDIATES}")
    by_name: dict[bytes, list[x509.Certificate]] = {}
    for der in dict.fromkeys(intermediates_der):
        certificate = parse_certificate(der)
        by_name.setdefault(certificate.subject.public_bytes(), []).append(certificate)
    found: list[x509.Certificate] = []
    wanted = [leaf.issuer.public_bytes()]
    while wanted:
        issuers = by_name.pop(wanted.pop(), [])
        found += issuers
        wanted += (issuer.issuer.public_bytes() for issuer in issuers)
        if len(found) > MAX_CLIMBED:
            raise TooLarge(f"more than {MAX_CLIMBED} certificates could stand between this leaf and an anchor")
    return found


def _library_path(
    leaf: x509.Certificate, above: list[x509.Certificate], dns: str, anchors: TrustAnchors, at: datetime
) -> tuple[x509.Certificate, ...]:
    """Return the path from leaf to anchor that the library accepts at `at`, or raise why there is none."""
    verifier = (
        PolicyBuilder()
        .store(anchors.store)
        .time(at.astimezone(UTC).replace(tzinfo=None))
        .max_chain_depth(MAX_DEPTH)
        .extension_policies(ca_policy=_CA_POLICY, ee_policy=_LEAF_POLICY)
        .build_client_verifier()
    )
    try:
        return tuple(verifier.verify(leaf, above).chain)
    except VerificationError as exc:
        raise _diagnosis(leaf, above, dns, anchors, at, str(exc)) from exc


def _diagnosis(
    leaf: x509.Certificate, above: list[x509.Certificate], dns: str, anchors: TrustAnchors, at: datetime, said: str
) -> UntrustedChain:
    """Return the reason for a refusal. The library gives sentences; this finds the word by going the path by hand."""
    try:
        path = _climb(leaf, above, anchors)
        _check_times(path, at)
        _check_branches(path, dns)
    except UntrustedChain as exc:
        return exc
    return UntrustedChain(f"the path breaks RFC 5280: {said}", "bad_chain")


def verify_ca(
    ca_der: bytes, intermediates_der: Sequence[bytes], *, anchors: TrustAnchors, at: datetime
) -> tuple[x509.Certificate, ...]:
    """Return the path from a CA certificate to an anchor, for whoever stores CA certificates that others send.

    Only CAs that pass belong among the intermediates of later checks, or a stranger could bury the true ones under
    namesakes. The library checks paths of leaves only, so here all of it is done by hand: signatures, CA flag, key
    usage, path lengths, validity at `at`, branches. Raises `UntrustedChain`, `Malformed`, `TooLarge`.
    """
    ca = parse_certificate(ca_der)
    path = _climb(ca, _on_the_way_up(ca, intermediates_der), anchors)
    _check_times(path, at)
    for below, certificate in enumerate(path):
        _check_is_ca(certificate, below)
    if len(path) > 1:
        suffix = _suffix(ca)
        if suffix is None:
            raise UntrustedChain(f"{ca.subject.rfc4514_string()} is confined to no branch", "name_constraint")
        _check_branches(path, suffix)
    return tuple(path)


def verify_self_signed(root: x509.Certificate) -> x509.Certificate:
    """Return `root` once it is proven to be a CA certificate that its own key signed, confined as ours are.

    Raises `UntrustedChain`.
    """
    if not _is_directly_issued(root, root):
        raise UntrustedChain(f"{root.subject.rfc4514_string()} did not sign itself", "bad_chain")
    _check_is_ca(root, 0)
    _suffix(root)
    return root


def _check_is_ca(certificate: x509.Certificate, below: int) -> None:
    """Return if `certificate` may issue CAs with `below` further CAs under it on this path."""
    who = certificate.subject.rfc4514_string()
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as exc:
        raise UntrustedChain(f"{who} is no CA: {exc}", "bad_chain") from exc
    if not constraints.ca or not usage.key_cert_sign:
        raise UntrustedChain(f"{who} is no CA", "bad_chain")
    if constraints.path_length is not None and below > constraints.path_length:
        raise UntrustedChain(f"{who} allows {constraints.path_length} CAs below it, here are {below}", "bad_chain")


def _climb(start: x509.Certificate, above: list[x509.Certificate], anchors: TrustAnchors) -> list[x509.Certificate]:
    """Return the certificates from `start` to an anchor, each signed by the next; nothing else is checked.

    Raises `UntrustedChain`: `forged_issuer` or `unknown_issuer`.
    """
    path = [start]
    while path[-1] not in anchors.roots:
        namesakes = [c for c in (*anchors.roots, *above) if c.subject == path[-1].issuer and c not in path]
        issuer = next((c for c in namesakes if _is_directly_issued(path[-1], c)), None)
        who = path[-1].subject.rfc4514_string()
        if issuer is None and namesakes:
            raise UntrustedChain(f"{path[-1].issuer.rfc4514_string()} did not sign {who}", "forged_issuer")
        if issuer is None or len(path) > MAX_DEPTH:
            raise UntrustedChain(f"no certificate here issued {who} and leads to an anchor", "unknown_issuer")
        path.append(issuer)
    return path


def _check_times(path: Sequence[x509.Certificate], at: datetime) -> None:
    for certificate in path:
        who = certificate.subject.rfc4514_string()
        if at < certificate.not_valid_before_utc:
            raise UntrustedChain(f"{who} is valid only from {certificate.not_valid_before_utc}", "not_yet_valid")
        if at > certificate.not_valid_after_utc:
            raise UntrustedChain(f"{who} expired {certificate.not_valid_after_utc}; renew and sign again", "expired")


def _is_directly_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_branches(chain: Sequence[x509.Certificate], leaf_dns: str) -> None:
    """Return if each certificate's name or branch lies inside the branch of the one above. Raises `name_constraint`."""
    inner = leaf_dns
    for ca in chain[1:]:
        suffix = _suffix(ca)
        who = ca.subject.rfc4514_string()
        if suffix is None:
            if ca is chain[-1]:
                return
            raise UntrustedChain(f"{who} is confined to no branch; only an anchor may be", "name_constraint")
        if not is_within(inner, suffix):
            raise UntrustedChain(f"{inner} lies outside {suffix}, the branch of {who}", "name_constraint")
        inner = suffix


def _suffix(ca: x509.Certificate) -> str | None:
    try:
        return dns_suffix_of(ca)
    except Malformed as exc:
        raise UntrustedChain(f"{ca.subject.rfc4514_string()}: {exc}", "name_constraint") from exc
