"""The certificates of a province: root, CAs, people, nodes. All are pure functions of their arguments.

| certificate | key          | constraints                                    | key usage                              |
|-------------|--------------|------------------------------------------------|----------------------------------------|
| root        | P-384, P-256 | CA                                             | keyCertSign, cRLSign                   |
| CA          | P-256        | CA, pathLen, critical dNSName constraint       | keyCertSign, cRLSign                   |
| person      | P-256        | not a CA                                       | digitalSignature, nonRepudiation;      |
|             |              |                                                | documentSigning (RFC 9336)             |
| node        | P-256        | not a CA                                       | digitalSignature; serverAuth,          |
|             |              |                                                | clientAuth, documentSigning            |
| log         | Ed25519      | not a CA                                       | digitalSignature; logSigning alone     |
| server      | P-256        | not a CA                                       | digitalSignature; serverAuth alone     |

Every certificate has subject and authority key identifiers and a CRL distribution point: some validators ignore the
CRLs they are given where it is missing. A new generation of a CA key gets a new name ("… G2"), never the old one.
Serials are arguments: 64 random bits or more, drawn by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.crl import (
    UNREADABLE,
    Crl,
    CrlSet,
    Revocation,
    build_crl,
    is_revoked,
    parse_crl,
    revocation_of,
    signing_hash,
    verify_crl,
)
from crypto.errors import Malformed, TooLarge
from crypto.event import fingerprint_of
from crypto.keys import PrivateKey, PublicKey
from crypto.names import BASE, Kind, is_within, log_urn, node_urn, person_dns, subject_urn, unit_dns

__all__ = [
    "DOCUMENT_SIGNING",
    "LOG_SIGNING",
    "MAX_CERTIFICATE_BYTES",
    "Crl",
    "CrlSet",
    "Issuer",
    "Kind",
    "Revocation",
    "build_ca",
    "build_crl",
    "build_leaf",
    "build_root",
    "build_server",
    "certificate_to_pem",
    "dns_suffix_of",
    "fingerprint_of",
    "is_revoked",
    "node_urn",
    "parse_certificate",
    "parse_certificate_pem",
    "parse_crl",
    "person_dns",
    "revocation_of",
    "subject_urn",
    "unit_dns",
    "verify_crl",
]

DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
# A name of our own under the UUID arc (ITU-T X.667), which anybody may use without asking: no other purpose of a
# certificate is near it, and a key that signs logs can sign no document.
LOG_SIGNING = x509.ObjectIdentifier("2.25.101736812081031962410605144388976317971")
MAX_CERTIFICATE_BYTES = 8 * 1024  # ours take 600 bytes, an RSA-4096 one 2 KiB

_SERIALS = range(2**32, 2**159)  # below: not random, and a CRL knows certificates by serial alone; above: RFC 5280


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA certificate together with its private key: what signs other certificates."""

    certificate: x509.Certificate
    key: PrivateKey


def build_root(
    *, name: str, key: PrivateKey, not_before: datetime, not_after: datetime, serial: int, unit: str | None = None
) -> x509.Certificate:
    """Return the self-signed root `name`. With `unit` it may certify only that branch; `crypto.chain` sees to it."""
    subject = _common_name(name)
    builder = _builder(subject, subject, key.public_key(), not_before, not_after, serial)
    builder = _as_ca(builder, path_length=None, suffix=None if unit is None else unit_dns(unit))
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return _sign(builder, own, key)


def build_ca(
    issuer: Issuer,
    *,
    name: str,
    public_key: PublicKey,
    unit: str,
    not_before: datetime,
    not_after: datetime,
    serial: int,
    path_length: int | None = None,
) -> x509.Certificate:
    """Return the CA of `unit`, which may certify that unit and everything below it and nothing else.

    `path_length` counts the CAs that may follow below: 0 for one that issues to people and nodes only, None for no
    limit. Raises `Malformed` if the unit lies outside the issuer's own branch.
    """
    suffix = unit_dns(unit)
    _check_branch(issuer, suffix)
    builder = _builder(issuer.certificate.subject, _common_name(name), public_key, not_before, not_after, serial)
    return _sign(_as_ca(builder, path_length, suffix), _key_id(issuer.certificate), issuer.key)


def build_leaf(
    issuer: Issuer,
    *,
    kind: Kind,
    public_key: PublicKey | Ed25519PublicKey,
    unit: str,
    not_before: datetime,
    not_after: datetime,
    serial: int,
    subject_id: str = "",
    name: str | None = None,
) -> x509.Certificate:
    """Return the certificate of a person (or device) with `subject_id`, or of the node or the log of `unit`.

    `name` is the common name, by default the id or the unit: certificates replicate widely, so it should say nothing
    about a citizen. Raises `Malformed` for a unit outside the issuer's branch, an id that is none, an id for a node.
    """
    if kind == "person":
        dns, urn = person_dns(subject_id, unit), subject_urn(subject_id)
        usages = [DOCUMENT_SIGNING]
    elif subject_id:
        raise Malformed("a node is named by its unit, it has no subject id")
    elif kind == "log":
        dns, urn = unit_dns(unit), log_urn(unit)
        usages = [LOG_SIGNING]
    else:
        dns, urn = unit_dns(unit), node_urn(unit)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, DOCUMENT_SIGNING]
    _check_branch(issuer, dns)
    subject = _common_name(name or subject_id or unit.upper())
    names = [x509.DNSName(dns), x509.UniformResourceIdentifier(urn)]
    builder = (
        _builder(issuer.certificate.subject, subject, public_key, not_before, not_after, serial)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign=True, repudiation=kind == "person"), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return _sign(builder, _key_id(issuer.certificate), issuer.key)


def build_server(
    issuer: Issuer,
    *,
    public_key: PublicKey,
    unit: str,
    addresses: Sequence[IPv4Address | IPv6Address],
    not_before: datetime,
    not_after: datetime,
    serial: int,
) -> x509.Certificate:
    """Return the certificate that the node of `unit` shows to TLS clients, named by the unit and by `addresses`.

    It has no URN, so its key signs no document. No host name outside the tree can stand in it: the CA's constraint
    permits DNS names of its branch alone, while addresses are not constrained (RFC 5280 §4.2.1.10). Raises `Malformed`
    for a unit outside the issuer's branch.
    """
    dns = unit_dns(unit)
    _check_branch(issuer, dns)
    names = [x509.DNSName(dns), *(x509.IPAddress(address) for address in addresses)]
    subject = _common_name(unit.upper())
    builder = (
        _builder(issuer.certificate.subject, subject, public_key, not_before, not_after, serial)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return _sign(builder, _key_id(issuer.certificate), issuer.key)


def parse_certificate(der: bytes) -> x509.Certificate:
    """Return the certificate in `der`. Raises `TooLarge`, or `Malformed` if it is none or does not parse to the end."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise TooLarge(f"a certificate of {len(der)} bytes, at most {MAX_CERTIFICATE_BYTES} are read")
    try:
        certificate = x509.load_der_x509_certificate(der)
        # These are read lazily: whoever asks later must not be the first to learn that they cannot be read.
        _ = (certificate.extensions, certificate.version, certificate.subject, certificate.issuer)
        _ = (certificate.public_key(), certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except UNREADABLE as exc:
        raise Malformed(f"not a certificate: {exc}") from exc
    return certificate


def parse_certificate_pem(data: bytes) -> x509.Certificate:
    """Return the one certificate of a PEM text. Raises as `parse_certificate`."""
    if len(data) > 2 * MAX_CERTIFICATE_BYTES:
        raise TooLarge(f"a certificate of {len(data)} characters is not one of ours")
    try:
        return parse_certificate(x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER))
    except (ValueError, x509.InvalidVersion) as exc:
        raise Malformed(f"not a PEM certificate: {exc}") from exc


def certificate_to_pem(certificate: x509.Certificate) -> str:
    """Return the certificate as PEM text."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def dns_suffix_of(ca: x509.Certificate) -> str | None:
    """Return the one DNS suffix a CA is constrained to, or None if it carries no name constraints.

    Raises `Malformed` for constraints of another shape than ours (critical, one permitted dNSName, nothing excluded):
    what we cannot enforce we do not accept.
    """
    try:
        extension = ca.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return None
    permitted, excluded = extension.value.permitted_subtrees, extension.value.excluded_subtrees
    if not extension.critical or excluded or not permitted or len(permitted) != 1:
        raise Malformed("name constraints must be critical and permit exactly one DNS name")
    if not isinstance(permitted[0], x509.DNSName):
        raise Malformed("name constraints must permit a DNS name")
    return permitted[0].value


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: PublicKey | Ed25519PublicKey,
    not_before: datetime,
    not_after: datetime,
    serial: int,
) -> x509.CertificateBuilder:
    if not_before.tzinfo is None or not_after.tzinfo is None:
        raise ValueError("certificate times must be aware, in UTC")
    if serial not in _SERIALS:
        raise ValueError("serial numbers are random, 64 to 159 bits")
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(not_before.astimezone(UTC))
        .not_valid_after(not_after.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _as_ca(builder: x509.CertificateBuilder, path_length: int | None, suffix: str | None) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_key_usage(sign=False), critical=True)
    if suffix is None:
        return builder
    constraint = x509.NameConstraints(permitted_subtrees=[x509.DNSName(suffix)], excluded_subtrees=None)
    return builder.add_extension(constraint, critical=True)


def _sign(builder: x509.CertificateBuilder, authority: x509.SubjectKeyIdentifier, key: PrivateKey) -> x509.Certificate:
    """Add what points at the issuer and sign. The CRL is named by URN: it comes by replication, not by download."""
    where = x509.UniformResourceIdentifier(f"urn:tram:crl:{authority.digest.hex()}")
    point = x509.DistributionPoint([where], relative_name=None, reasons=None, crl_issuer=None)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority)
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder.sign(key, signing_hash(key), ecdsa_deterministic=True)


def _key_usage(*, sign: bool, repudiation: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=repudiation,  # X.509's other name for nonRepudiation
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not sign,
        crl_sign=not sign,
        encipher_only=False,
        decipher_only=False,
    )


def _check_branch(issuer: Issuer, dns: str) -> None:
    suffix = dns_suffix_of(issuer.certificate) or BASE
    if not is_within(dns, suffix):
        raise Malformed(f"{dns} lies outside {suffix}, the branch this CA may certify")


def _key_id(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
