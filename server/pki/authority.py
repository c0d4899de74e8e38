"""A unit's certificate authority: what founds a province, and issues to the units below, to nodes and to people.

Names inside certificates are built here from the unit and a pseudonym, never taken from a request: of a request only
the public key and the proof that its sender holds the private one are used. No number of an identity card is in any
certificate; certificates replicate to every tier.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from crypto import keys
from crypto.certificates import Issuer, build_ca, build_leaf, build_root, build_server, dns_suffix_of
from crypto.crl import Revocation, build_crl
from crypto.errors import CryptoError
from crypto.keys import PrivateKey, PublicKey
from crypto.names import is_within, unit_dns
from server.dossier import units
from server.errors import Refused
from server.home import Home

_LOG = logging.getLogger(__name__)

ROOT_LIFE = timedelta(days=20 * 365)
CA_LIFE = timedelta(days=10 * 365)
PERSON_LIFE = timedelta(days=365)
NODE_LIFE = timedelta(days=365)
CRL_LIFE = timedelta(days=30)
RENEW_NODE_BEFORE = timedelta(days=60)

# Certificates begin a little in the past: the clocks of two offices differ, and a certificate that is "not valid yet"
# at the parent would stop a new commune for a reason nobody at the counter could guess.
BACKDATED = timedelta(days=1)


class Authority:
    """The CA of a unit, its key unlocked. `chain` is its certificate and the issuers above, up to the root."""

    def __init__(self, unit: str, key: PrivateKey, chain: list[x509.Certificate]) -> None:
        self.unit = unit
        self.chain = chain
        self._issuer = Issuer(certificate=chain[0], key=key)

    @classmethod
    def open(cls, home: Home) -> Authority:
        """Return the authority of a home. Raises `Refused("no_chain")` while the parent has not signed its request,
        and as `Home.ca_key` does."""
        chain = home.chain()
        if not chain:
            raise Refused("no_chain", f"the CA of {home.unit} is not signed yet; see: tram ca request, sign, install")
        key = home.ca_key()
        if chain[0].public_key() != key.public_key():
            raise Refused("bad_key", f"{home.path / 'keys/ca.key'} is not the key of the installed CA certificate")
        return cls(home.unit, key, chain)

    @classmethod
    def generations(cls, home: Home) -> list[Authority]:
        """Return the authority of a home and those of its earlier keys that are still here, newest first.

        Raises as `open`; an earlier key that is locked or was taken away is left out.
        """
        found = [cls.open(home)]
        for mark in home.retired_marks():
            try:
                found.append(cls(home.unit, home.retired_key(mark), home.retired_chain(mark)))
            except Refused as exc:
                _LOG.warning("the retired CA key %s cannot be used: %s", mark, exc)
        return found

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's own certificate."""
        return self._issuer.certificate

    def issue_person(self, public_key: PublicKey, *, subject_id: str, now: datetime) -> x509.Certificate:
        """Return the certificate of a person or device. `subject_id` is a pseudonym of 32 hexadecimal digits and all
        that the certificate says about them."""
        return build_leaf(
            self._issuer,
            kind="person",
            public_key=public_key,
            unit=self.unit,
            subject_id=subject_id,
            not_before=now - BACKDATED,
            not_after=self._end(now, PERSON_LIFE),
            serial=x509.random_serial_number(),
        )

    def issue_node(self, public_key: PublicKey, *, now: datetime) -> x509.Certificate:
        """Return the certificate of the unit's node."""
        return build_leaf(
            self._issuer,
            kind="node",
            public_key=public_key,
            unit=self.unit,
            not_before=now - BACKDATED,
            not_after=self._end(now, NODE_LIFE),
            serial=x509.random_serial_number(),
        )

    def issue_server(
        self, public_key: PublicKey, *, addresses: Sequence[IPv4Address | IPv6Address], now: datetime, life: timedelta
    ) -> x509.Certificate:
        """Return the certificate with which the unit's node speaks TLS."""
        return build_server(
            self._issuer,
            public_key=public_key,
            unit=self.unit,
            addresses=addresses,
            not_before=now - BACKDATED,
            not_after=self._end(now, life),
            serial=x509.random_serial_number(),
        )

    def issue_unit(self, public_key: PublicKey, *, unit: str, now: datetime, generation: int = 1) -> x509.Certificate:
        """Return the CA certificate of a unit below this one, constrained to that unit's branch. `generation` counts
        the unit's keys.

        Raises `Refused("not_below")` for a unit that is not below this one.
        """
        if unit == self.unit or not units.is_within(unit, self.unit):
            raise Refused("not_below", f"{unit} does not lie below {self.unit}; the unit above it must sign")
        return build_ca(
            self._issuer,
            name=generation_name(f"{unit} CA", generation, public_key),
            public_key=public_key,
            unit=unit,
            not_before=now - BACKDATED,
            not_after=self._end(now, CA_LIFE),
            serial=x509.random_serial_number(),
        )

    def issue_crl(
        self, revoked: list[Revocation], *, number: int, now: datetime, life: timedelta = CRL_LIFE
    ) -> x509.CertificateRevocationList:
        """Return the CA's next CRL. `revoked` is everything ever revoked, `number` above all earlier ones."""
        return build_crl(
            self.certificate,
            self._issuer.key,
            number=number,
            revoked=revoked,
            this_update=now,
            next_update=now + life,
        )

    def _end(self, now: datetime, life: timedelta) -> datetime:
        return min(now + life, self.certificate.not_valid_after_utc)


def found_root(home: Home, now: datetime, key: PrivateKey | None = None) -> Authority:
    """Make `home` the root of a tree of its own: a P-384 key, a self-signed certificate, the node's certificate.

    `key` is for tests that reuse one. An `init` that was cut short goes on with the key it had made. Returns the
    authority. Raises `Refused("ca_exists")` for a home that has its chain.
    """
    if home.has_ca_key() and not home.chain():
        key = home.ca_key()
    else:
        key = key or keys.generate_p384()
        home.write_ca_key(key)
    root = build_root(
        name=generation_name(f"{home.unit} root", 1, key.public_key()),
        key=key,
        not_before=now - BACKDATED,
        not_after=now + ROOT_LIFE,
        serial=x509.random_serial_number(),
        unit=home.unit,
    )
    return install(home, [root], now)


def install(home: Home, chain: list[x509.Certificate], now: datetime) -> Authority:
    """Make `chain` (the unit's CA certificate first, the root last) the home's, and issue the node's certificate.

    The chain has been verified (`server.pki.request`). Returns the authority.
    """
    authority = Authority(home.unit, home.ca_key(), chain)
    node = authority.issue_node(home.node_key().public_key(), now=now)
    home.write_certificates(node, chain, home.anchors() or [chain[-1]])
    return authority


def renew_node(home: Home, now: datetime) -> bool:
    """Give the node a new certificate if its own ends within `RENEW_NODE_BEFORE` and the CA key is at hand.

    Returns whether it did. Raises as `Authority.open`.
    """
    current = home.node_certificate()
    if current is None or current.not_valid_after_utc - now > RENEW_NODE_BEFORE or not home.has_ca_key():
        return False
    authority = Authority.open(home)
    node = authority.issue_node(home.node_key().public_key(), now=now)
    home.write_certificates(node, authority.chain, home.anchors())
    return True


def generation_name(stem: str, number: int, public_key: PublicKey) -> str:
    """Return the common name of a CA's generation: "H41.12 CA 1a2b3c4d", "H41.12 CA G2 5e6f7a8b". It contains the key's
    own mark: a new key never gets an old name, since validators look issuers up by name (docs/decisions/0142)."""
    return f"{stem} {mark_of(public_key)}" if number == 1 else f"{stem} G{number} {mark_of(public_key)}"


def mark_of(public_key: PublicKey | CertificatePublicKeyTypes) -> str:
    """Return the first eight hexadecimal digits of a key's identifier (RFC 5280 §4.2.1.2)."""
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()[:8]


def new_subject_id() -> str:
    """Return a fresh pseudonym: 32 hexadecimal digits from the system's randomness."""
    return secrets.token_hex(16)


def unit_of_authority(certificate: x509.Certificate) -> str | None:
    """Return the DNS branch a CA may certify, None if it is not bounded. Raises `Refused("bad_certificate")`."""
    try:
        return dns_suffix_of(certificate)
    except CryptoError as exc:
        raise Refused("bad_certificate", str(exc)) from exc


def may_certify(certificate: x509.Certificate, unit: str) -> bool:
    """Say whether a CA's branch contains the unit."""
    suffix = unit_of_authority(certificate)
    return suffix is None or is_within(unit_dns(unit), suffix)
