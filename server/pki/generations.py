"""Generations of a CA's key: a new one beside the old, an overlap in which both are good, and nobody who notices.

    keys/ca-next.key        made by `begin`, asks the unit above for a certificate of its own
    keys/ca.key             the present one, after `adopt`
    keys/ca-<mark>.key      earlier ones: they sign their own revocation lists until their last certificate has ended

Validators look issuers up by name, so a new key never gets an old name: "H41.12 CA 1a2b3c4d" is followed by "H41.12 CA
G2 5e6f7a8b" (PKITS shows what happens otherwise). What the old key issued stays good to its end; what is issued from
now on comes from the new one.

A root certifies its own successor: until every node trusts the new root by itself, paths lead through that link
certificate to the old one. It is confined to the root's branch like any CA.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from crypto.certificates import Issuer, build_ca, build_root, dns_suffix_of
from crypto.names import parse_unit_dns, unit_dns
from crypto.path import verify_self_signed
from server.errors import Clash, Missing, Refused
from server.home import Home, write_atomically
from server.home.token import make_key, parse_token_uri
from server.pki.authority import BACKDATED, CA_LIFE, ROOT_LIFE, Authority, generation_name, mark_of


def is_root(home: Home) -> bool:
    """Say whether a home is the root of its tree: its own branch is all that its anchors certify."""
    anchors = home.anchors()
    return bool(anchors) and all(dns_suffix_of(each) == unit_dns(home.unit) for each in anchors)


def root_unit(home: Home) -> str:
    """Return the unit whose CA the anchors of a home are: the top of its tree."""
    suffix = dns_suffix_of(home.anchors()[0])
    return parse_unit_dns(suffix) if suffix else home.unit


def generation_of(home: Home) -> int:
    """Return the number of the present generation: 1 for the key `tram init` made."""
    return len(home.retired_marks()) + 1


def begin(home: Home, token: str = "") -> keys.PublicKey:
    """Make the next key, in the token with this URI if one is given, and return its public half. One that is made
    already is kept.

    Raises `Refused("no_chain")` for a home that has no CA certificate to succeed.
    """
    if not home.chain():
        raise Refused("no_chain", f"the CA of {home.unit} is not signed yet; there is nothing to roll over")
    if token and not home.has_next_ca_key():
        make_key(parse_token_uri(token), "secp384r1" if is_root(home) else "secp256r1")
        home.write_next_ca_token(token)
    elif not home.has_next_ca_key():
        home.write_next_ca_key(keys.generate_p384() if is_root(home) else keys.generate_p256())
    return home.next_ca_key().public_key()


def roll_root(home: Home, now: datetime) -> x509.Certificate:
    """Give a root its next generation: a self-signed certificate, and the link from the old root to it.

    Returns the new root; both are anchors here from now on. Raises `Refused("not_root")`, and as `Authority.open`.
    """
    if not is_root(home):
        raise Refused("not_root", f"{home.unit} has a unit above; ask it with: tram ca rollover DIR FILE")
    old = Authority.open(home)
    begin(home)
    key, number = home.next_ca_key(), generation_of(home) + 1
    name = generation_name(f"{home.unit} root", number, key.public_key())
    root = build_root(
        name=name,
        key=key,
        not_before=now - BACKDATED,
        not_after=now + ROOT_LIFE,
        serial=x509.random_serial_number(),
        unit=home.unit,
    )
    link = build_ca(
        Issuer(old.certificate, home.ca_key()),
        name=name,
        public_key=key.public_key(),
        unit=home.unit,
        not_before=now - BACKDATED,
        not_after=min(now + CA_LIFE, old.certificate.not_valid_after_utc),
        serial=x509.random_serial_number(),
    )
    adopt(home, [link, *old.chain], [*home.anchors(), root], now)
    return root


def adopt(home: Home, chain: list[x509.Certificate], anchors: list[x509.Certificate], now: datetime) -> Authority:
    """Make the next key the present one with `chain`, keep the old one beside it, and issue the node's certificate.

    Cut short anywhere, it can be run again: the old key and chain are copied before anything is replaced.
    """
    old = home.chain()
    mark = mark_of(old[0].public_key())
    home.keep_retired(mark, old)
    home.promote_next_ca_key()
    authority = Authority(home.unit, home.ca_key(), chain)
    node = authority.issue_node(home.node_key().public_key(), now=now)
    home.write_certificates(node, chain, anchors)
    return authority


def finish_root(home: Home, now: datetime) -> None:
    """End a root's overlap: the new root alone is trusted and stands alone. For when every node below trusts it.

    Raises `Missing` unless there is an overlap to end.
    """
    present = home.chain()
    roots = [each for each in home.anchors() if each.public_key() == present[0].public_key()]
    if not is_root(home) or len(present) < 2 or not roots:
        raise Missing(f"{home.unit} is in no overlap of two roots")
    authority = Authority(home.unit, home.ca_key(), roots[:1])
    node = authority.issue_node(home.node_key().public_key(), now=now)
    home.write_certificates(node, roots[:1], roots[:1])


def trust_root(home: Home, pem: bytes, links: list[x509.Certificate], now: datetime) -> x509.Certificate:
    """Add a new generation of the root to a home's anchors. Returns it.

    `pem` holds the new root; one of `links`, the CA certificates this node holds, must be the old root's word for its
    key. Raises `Refused("bad_certificate")` where no anchor of this home has given its word, `Clash` if it is trusted.
    """
    try:
        root = verify_self_signed(x509.load_pem_x509_certificate(pem))
    except ValueError as exc:
        raise Refused("bad_certificate", f"this file does not hold a root certificate: {exc}") from exc
    anchors = home.anchors()
    if root in anchors:
        raise Clash("this root is trusted already")
    vouched = [
        link
        for link in links
        if link.public_key() == root.public_key()
        and link.subject == root.subject
        and any(_issued(link, anchor) for anchor in anchors)
        and link.not_valid_before_utc <= now <= link.not_valid_after_utc
    ]
    if not vouched:
        reason = "no root this home trusts has certified that key; sync with the unit above first, or ask the province"
        raise Refused("bad_certificate", reason)
    node = home.node_certificate()
    assert node is not None  # a home with anchors has one
    home.write_certificates(node, home.chain(), [*anchors, root])
    return root


def write_root(home: Home, root: x509.Certificate) -> str:
    """Write the new root beside the others, for carrying to the units below. Returns the path."""
    path = home.path / "certs" / f"root-{mark_of(root.public_key())}.pem"
    write_atomically(path, root.public_bytes(Encoding.PEM), 0o644)
    return str(path)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
