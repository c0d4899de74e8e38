"""How a unit gets its CA certificate from the unit above, without a network: two files on a USB stick.

    tram ca request DIR FILE          at the commune: the unit's name and public key, signed with that key
    tram ca sign DIR FILE OUT         at the district: checks, asks, and writes the certificate with its whole chain
    tram ca install DIR OUT           at the commune: checks everything and starts using it

The request is a compact JWS under the key in its own header: it proves that whoever wrote it holds the key. That it
comes from the commune is what people check, by the six digits both commands print.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import jcs, jws, keys, strictjson, text
from crypto.certificates import certificate_to_pem
from crypto.chain import TrustAnchors, verify_chain
from crypto.errors import CryptoError
from crypto.keys import PublicKey
from server.dossier import units
from server.errors import Refused
from server.home import Home, parse_certificates
from server.pki.authority import Authority, install
from server.pki.generations import adopt, begin, generation_of

REQUEST_TYPE = "tram-ca-request+jwt"
ROLLOVER_TYPE = "tram-ca-rollover+jwt"
MAX_GENERATIONS = 99
MAX_REQUEST_BYTES = 8 * 1024
MAX_CHAIN = 9  # as deep as `crypto.names` lets a tree be, and the root


@dataclass(frozen=True, slots=True)
class CaRequest:
    """A unit asking for a CA certificate. `code` is six digits made of the key, for comparing by telephone."""

    unit: str
    name: str
    public_key: PublicKey
    code: str
    generation: int = 1
    previous: str = ""  # a compact JWS under the unit's present CA key, whose payload is the thumbprint of the new one

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint of the key."""
        return keys.thumbprint(self.public_key)


def build_request(home: Home, now: datetime) -> bytes:
    """Return the request file of a home, making its CA key if it has none yet."""
    if not home.has_ca_key():
        home.write_ca_key(keys.generate_p256())
    return _build(home, home.ca_key(), now, {})


def build_rollover_request(home: Home, now: datetime) -> bytes:
    """Return the request for a CA's next key, made if need be; the present key vouches for it."""
    number = generation_of(home) + 1
    thumbprint = keys.thumbprint(begin(home))
    vouching = jws.sign_compact(thumbprint.encode("ascii"), key=home.ca_key(), header={"typ": ROLLOVER_TYPE})
    return _build(home, home.next_ca_key(), now, {"generation": number, "previous": vouching})


def _build(home: Home, key: keys.PrivateKey, now: datetime, more: dict[str, int | str]) -> bytes:
    payload = {
        "unit": home.unit,
        "name": home.settings.name,
        "iat": int(now.timestamp()),
        "nonce": secrets.token_urlsafe(16),
        **more,
    }
    header = {"typ": REQUEST_TYPE, "jwk": keys.public_to_jwk(key.public_key())}
    return jws.sign_compact(jcs.canonical(payload), key=key, header=header).encode("ascii") + b"\n"


def parse_request(data: bytes) -> CaRequest:
    """Return the request in a file. Raises `Refused("bad_request")` unless its own key signed it for a unit."""
    if len(data) > MAX_REQUEST_BYTES:
        raise Refused("too_large", f"a CA request takes 600 bytes, this file has {len(data)}")
    try:
        _, payload, key = jws.verify_self_signed_compact(data.decode("ascii").strip(), typ=REQUEST_TYPE)
        fields = strictjson.parse(payload, max_bytes=MAX_REQUEST_BYTES, max_depth=1)
        unit, name = units.parse_unit_code(fields["unit"]), fields["name"]
        generation, previous = fields.get("generation", 1), fields.get("previous", "")
        if type(generation) is not int or not 1 <= generation <= MAX_GENERATIONS or not isinstance(previous, str):
            raise Refused("bad_request", f'"generation" counts keys from 1 to {MAX_GENERATIONS}')
        text.check_text(name, name=True)
    except (CryptoError, UnicodeDecodeError, KeyError, TypeError) as exc:
        raise Refused("bad_request", f"not a CA request file, make it with: tram ca request ({exc})") from exc
    return CaRequest(unit, str(name)[:200], key, comparison_code(key), generation, previous)


def is_vouched_for(request: CaRequest, present: Sequence[x509.Certificate]) -> bool:
    """Say whether the key of one of `present`, CA certificates of that unit which still count, vouches for a request.

    Then nobody needs to compare digits: whoever holds the unit's CA key could issue in its name anyway.
    """
    for certificate in present:
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not request.previous:
            continue
        try:
            _, payload = jws.verify_compact(request.previous, public_key=key, typ=ROLLOVER_TYPE)
        except CryptoError:
            continue
        return payload == request.thumbprint.encode("ascii")
    return False


def comparison_code(key: PublicKey) -> str:
    """Return six digits made of a key's thumbprint, for two people to compare.

    An attacker who wants another key with the same digits needs a million tries on average, but gets one at a counter.
    """
    digest = sha256(b"tram comparison code\0" + keys.thumbprint(key).encode("ascii")).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"


def sign_request(authority: Authority, request: CaRequest, now: datetime) -> bytes:
    """Return the answer file: the unit's CA certificate and the chain above it as PEM, the root last."""
    certificate = authority.issue_unit(request.public_key, unit=request.unit, now=now, generation=request.generation)
    return "".join(certificate_to_pem(each) for each in (certificate, *authority.chain)).encode("ascii")


def install_answer(home: Home, answer: bytes, now: datetime) -> Authority:
    """Check an answer file and make its chain the home's. Returns the authority, ready to issue.

    Raises `Refused("bad_certificate")` naming what does not fit: another key, a broken chain, another root
    than the one this home already trusts.
    """
    chain = parse_certificates(answer, "the answer file")
    if not 2 <= len(chain) <= MAX_CHAIN:
        raise Refused("bad_certificate", f"an answer holds 2 to {MAX_CHAIN} certificates, this file {len(chain)}")
    rolling = home.has_next_ca_key() and chain[0].public_key() == home.next_ca_key().public_key()
    key = home.next_ca_key() if rolling else home.ca_key()
    if chain[0].public_key() != key.public_key():
        raise Refused("bad_certificate", "this answer is for another CA key; sign the request this home made")
    anchors = home.anchors()
    if anchors and chain[-1] not in anchors:
        raise Refused("bad_certificate", "this answer leads to another root than the one this home trusts")
    authority = Authority(home.unit, key, chain)
    probe = authority.issue_node(home.node_key().public_key(), now=now)
    der = [each.public_bytes(Encoding.DER) for each in (probe, *chain)]
    try:
        verify_chain(der[0], der[1:-1], anchors=TrustAnchors(chain[-1:]), at=now)
    except CryptoError as exc:
        raise Refused("bad_certificate", f"the chain in this answer does not hold: {exc}") from exc
    return adopt(home, chain, anchors, now) if rolling else install(home, chain, now)


def describe(certificate: x509.Certificate) -> str:
    """Return one line about a certificate for people: name, fingerprint, end."""
    return json.dumps(
        {
            "name": certificate.subject.rfc4514_string(),
            "fingerprint": jws.certificate_signer(certificate).fingerprint,
            "until": certificate.not_valid_after_utc.date().isoformat(),
        },
        ensure_ascii=False,
    )
