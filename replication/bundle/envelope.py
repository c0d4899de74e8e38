"""The outside of a part: what anybody may read, and what the source node signed before it wrote the rest.

    tram-bundle/1 hops=00                 how often it was carried on so far; the only thing a relay changes
    <compact JWS of the envelope>         typ "tram-bundle+jwt"
    <frames>

A relay that cannot open a bundle reads here whom it is for, when it expires and how far it may go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from crypto import jcs, strictjson
from crypto.errors import CryptoError
from replication.bundle import checks
from replication.bundle.errors import BadBundle, Damaged

SUFFIX: Final = ".tram"
TYPE: Final = "tram-bundle+jwt"
MAX_HOPS: Final = 8
MAX_PARTS: Final = 9999
MAX_SEQ: Final = 2**53 - 1
_MAX_TOKEN = 64 * 1024
_MAX_PAYLOAD = 16 * 1024
_FIRST_LINE = re.compile(rb"tram-bundle/1 hops=(\d\d)\n")
FIRST_LINE_BYTES: Final = len(b"tram-bundle/1 hops=00\n")
HEAD_BYTES: Final = FIRST_LINE_BYTES + _MAX_TOKEN + 1


@dataclass(frozen=True, slots=True)
class Signed:
    """What a verified token says: its payload, and the unit of the node that signed it."""

    payload: bytes
    sender: str


class Signer(Protocol):
    """The source node's signature."""

    def sign(self, payload: bytes, typ: str) -> str:
        """Return a compact JWS of `payload`, its chain in `x5c`."""


class Verifier(Protocol):
    """Who is believed."""

    def verify(self, token: str, typ: str) -> Signed:
        """Return what a compact JWS of this type says. Raises `BadBundle` unless a node of our tree signed it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whom a part is from and for. `source` and `target` are unit codes; `seq` counts the bundles from the one to the
    other; `part` counts from 1. Times are RFC 3339 in UTC; after `expires` nobody takes or carries it."""

    id: str
    part: int
    source: str
    target: str
    seq: int
    created: str
    expires: str
    max_hops: int = MAX_HOPS

    def value(self) -> dict[str, Any]:
        """Return the JSON object that is signed."""
        return {
            "v": 1,
            "id": self.id,
            "part": self.part,
            "from": self.source,
            "to": self.target,
            "seq": self.seq,
            "created": self.created,
            "expires": self.expires,
            "max_hops": self.max_hops,
        }

    def token(self, signer: Signer) -> str:
        """Return the signed envelope."""
        return signer.sign(jcs.canonical(self.value()), TYPE)


def build_head(envelope: Envelope, signer: Signer, hops: int = 0) -> bytes:
    """Return the first two lines of a part."""
    return b"tram-bundle/1 hops=%02d\n%s\n" % (hops, envelope.token(signer).encode("ascii"))


def parse_value(payload: bytes) -> Envelope:
    """Return the envelope in a signed payload; members of the manifest's statement beside it are left alone."""
    value = parse_json(payload, _MAX_PAYLOAD, 2)
    if not isinstance(value, dict) or value.get("v") != 1:
        raise BadBundle("this bundle is of another version; update the program")
    return Envelope(
        id=checks.hex_id(value.get("id"), "id"),
        part=checks.whole(value.get("part"), "part", MAX_PARTS, 1),
        source=checks.text(value.get("from"), "from", 40),
        target=checks.text(value.get("to"), "to", 40),
        seq=checks.whole(value.get("seq"), "seq", MAX_SEQ, 1),
        created=checks.time(value.get("created"), "created"),
        expires=checks.time(value.get("expires"), "expires"),
        max_hops=checks.whole(value.get("max_hops"), "max_hops", MAX_HOPS),
    )


def verify_envelope(token: str, verifier: Verifier, typ: str = TYPE) -> tuple[Envelope, bytes]:
    """Return (envelope, payload) of a token, signed by the node of the unit it says it is from. Raises `BadBundle`."""
    signed = verifier.verify(token, typ)
    envelope = parse_value(signed.payload)
    if envelope.source != signed.sender:
        raise BadBundle(f"it says it is from {envelope.source}, and the node of {signed.sender} signed it")
    return envelope, signed.payload


def parse_head(data: bytes) -> tuple[int, str]:
    """Return (hops, token) of the first `HEAD_BYTES` of a file. Raises `BadBundle` for what is no bundle, `Damaged` for
    one whose envelope cannot be read."""
    found = _FIRST_LINE.match(data)
    if not found:
        raise BadBundle("this is not a bundle of Trạm, or of a version that this program does not know")
    line, end, _ = data[found.end() :].partition(b"\n")
    if not end or not line.isascii():
        raise Damaged("its envelope cannot be read")
    return int(found[1]), line.decode("ascii")


def parse_json(data: bytes, limit: int, depth: int) -> Any:
    """Return strict JSON within bounds. Raises `BadBundle`."""
    try:
        return strictjson.parse(data, max_bytes=limit, max_depth=depth)
    except CryptoError as exc:
        raise BadBundle(str(exc)) from exc
