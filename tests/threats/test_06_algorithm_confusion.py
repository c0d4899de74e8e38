"""Threat 6: the header chooses another algorithm or key than the certificate's."""

from __future__ import annotations

import hmac
from hashlib import sha256

import orjson
import pytest

from crypto import base64url, jcs, keys
from server.dossier.documents import event_doc


def _dressed(envelope, sign, **header):
    """The envelope with another protected header, signed over by `sign`."""
    entry = envelope["signatures"][0]
    protected = orjson.loads(base64url.decode(entry["protected"])) | header
    entry["protected"] = base64url.encode(jcs.canonical(protected))
    signing_input = f"{entry['protected']}.{base64url.encode(jcs.canonical(envelope['event']))}".encode()
    entry["signature"] = base64url.encode(sign(signing_input))
    return event_doc(envelope)


@pytest.fixture
def envelope(commune, citizen, helpers):
    return citizen.envelope(helpers.submission(commune.home.unit, citizen))


def test_the_public_key_is_no_shared_secret(commune, citizen, envelope):
    """HS256 with the PEM, the DER or the JWK of the signer's public key, which everybody has."""
    public = citizen.key.public_key()
    secrets = [keys.public_to_pem(public), jcs.canonical(keys.public_to_jwk(public))]

    for secret in secrets:
        doc = _dressed(envelope, lambda data, key=secret: hmac.digest(key, data, sha256), alg="HS256")
        assert commune.put(doc).startswith("unsupported_algorithm")


@pytest.mark.parametrize("alg", ["none", "RS256", "PS256", "ES384", "ES256K", "EdDSA", "Ed25519", "es256", "", None, 7])
def test_only_es256_signs_events_of_our_tree(commune, citizen, envelope, alg):
    """Every other name is refused by name, though the signature under it would be good."""
    from crypto.algorithms import sign_es256

    doc = _dressed(envelope, lambda data: sign_es256(citizen.key, data), alg=alg)

    assert commune.put(doc).startswith("unsupported_algorithm")


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "kid", "crit", "b64", "x5t"])
def test_no_header_brings_a_key_along(commune, citizen, envelope, name):
    """The protected header has five members and no sixth that could point at the attacker's own key."""
    from crypto.algorithms import sign_es256

    thief = keys.generate_p256()
    value = keys.public_to_jwk(thief.public_key()) if name == "jwk" else ["b64"] if name == "crit" else "x"
    doc = _dressed(envelope, lambda data: sign_es256(thief, data), **{name: value})

    assert commune.put(doc).startswith("malformed")


def test_an_rsa_certificate_in_our_own_tree_signs_nothing(commune, helpers, ca_keys, key_pool):
    """A commune CA that issued an RSA leaf: refused as no signer, before any RSA is computed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    good = helpers.issue_person(commune.authority, key_pool()).certificate
    builder = x509.CertificateBuilder(
        good.issuer,
        good.subject,
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
        x509.random_serial_number(),
        good.not_valid_before_utc,
        good.not_valid_after_utc,
        list(good.extensions),
    )
    leaf = builder.sign(ca_keys["H41.12.03"], hashes.SHA256())

    assert commune.put(helpers.certificate_doc(leaf.public_bytes(Encoding.DER))).startswith("untrusted_chain")
