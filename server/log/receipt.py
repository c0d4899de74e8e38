"""The citizen's receipt: a COSE_Sign1 of some 210 bytes in a QR code, as an address any phone camera opens.

    https://dichvucong.example.gov.vn/r#0oRN…      the fragment stays on the phone, it is in no server's log

    payload   {1: "H41.12.03",            iss: the unit whose node signed
               6: 1795245220,             iat: Unix seconds by the node's clock
               -1: "H41.12.03-261121-00042"  the dossier's code, or the first 8 digits of its stream
               -2: h'<32 bytes>',         the event's hash
               -3: [1, 1204, h'<32 bytes>']}  the head the event is under: generation, size, root

Signed with the node's key (P-256, which every browser verifies); `kid` is the beginning of its certificate's SHA-256. A
receipt fixes a head: should the event not be under later heads of that log, the receipt is evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from crypto import base64url
from crypto.cose import KID_BYTES, decode, encode, parse_sign1, sign1, verify_sign1
from crypto.errors import Malformed
from crypto.keys import PrivateKey, PublicKey
from crypto.logcert import log_origin
from server.errors import Refused

MAX_QR_VERSION = 13
PATH = "/r"

_ISS, _IAT, _CODE, _EVENT, _HEAD = 1, 6, -1, -2, -3
_TEXT = re.compile(r"[A-Za-z0-9._/-]{1,40}", re.ASCII)
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class CitizenReceipt:
    """What a receipt says. `code` is for people; `event` is the event's 32-byte hash; `root` of the head of `size`."""

    unit: str
    issued: int
    code: str
    event: bytes
    generation: int
    size: int
    root: bytes

    @property
    def origin(self) -> str:
        """The log whose head the receipt fixes."""
        return log_origin(self.unit, self.generation)


def build_receipt(receipt: CitizenReceipt, *, key: PrivateKey, fingerprint: str) -> bytes:
    """Return the signed receipt; `fingerprint` is the x5t#S256 of the node's certificate."""
    payload: dict[int, Any] = {
        _ISS: receipt.unit,
        _IAT: receipt.issued,
        _CODE: receipt.code,
        _EVENT: receipt.event,
        _HEAD: [receipt.generation, receipt.size, receipt.root],
    }
    return sign1(encode(payload), key=key, kid=base64url.decode(fingerprint)[:KID_BYTES])


def kid_of(data: bytes) -> bytes:
    """Return by what the certificate of a receipt's signer begins. Raises `CryptoError`."""
    return parse_sign1(data).kid


def verify_receipt(data: bytes, *, key: PublicKey, unit: str) -> CitizenReceipt:
    """Return what a receipt says, once the node of `unit`, whose key is `key`, is proven to have signed it.

    Raises `CryptoError`, `Refused("actor_mismatch")` for a receipt in another unit's name.
    """
    receipt = _parse(verify_sign1(parse_sign1(data), key=key))
    if receipt.unit != unit:
        raise Refused("actor_mismatch", f"the receipt speaks for {receipt.unit}, its signer is the node of {unit}")
    return receipt


def receipt_url(domain: str, data: bytes) -> str:
    """Return the address a receipt's QR code holds. `domain` is the one official host."""
    return f"https://{domain}{PATH}#{base64url.encode(data)}"


def parse_receipt_url(url: str, domain: str) -> bytes:
    """Return the receipt in an address of `domain`.

    Raises `Refused("bad_origin")` for any other place, `CryptoError`.
    """
    try:
        parts = urlsplit(url)
    except ValueError as exc:  # brackets that hold no IPv6 address
        raise Refused("bad_origin", f"this code holds no address: {exc}") from exc
    if parts.scheme != "https" or parts.netloc != domain or parts.path != PATH or parts.query:
        raise Refused("bad_origin", f"this code opens {parts.netloc[:80]!a}, receipts here are on {domain}")
    return base64url.decode(parts.fragment)


def qr_svg(url: str) -> str:
    """Return the QR code of an address as SVG, level M. Raises `Refused("too_large")` beyond version 13.

    Larger codes are not read from 58 mm thermal paper by cheap cameras.
    """
    import segno  # every command that opens a node imports this module, and few draw

    code = segno.make(url, error="m", micro=False, boost_error=False)
    if not isinstance(code.version, int) or code.version > MAX_QR_VERSION:
        raise Refused(
            "too_large", f"the address is too long for a QR code of version {MAX_QR_VERSION}; shorten the domain"
        )
    out = BytesIO()
    code.save(out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True)
    return out.getvalue().decode("utf-8")


def _parse(payload: bytes) -> CitizenReceipt:
    value = decode(payload)
    if not isinstance(value, dict) or value.keys() != {_ISS, _IAT, _CODE, _EVENT, _HEAD}:
        raise Malformed("a receipt has the claims 1, 6, -1, -2, -3")
    unit, issued, code, event, head = (value[name] for name in (_ISS, _IAT, _CODE, _EVENT, _HEAD))
    if not isinstance(head, list) or len(head) != 3:
        raise Malformed("a receipt's head is generation, size, root")
    generation, size, root = head
    texts = all(isinstance(each, str) and _TEXT.fullmatch(each) for each in (unit, code))
    numbers = all(type(each) is int and each >= 0 for each in (issued, generation, size))
    digests = all(isinstance(each, bytes) and len(each) == _HASH_BYTES for each in (event, root))
    if not (texts and numbers and digests and 1 <= generation <= size + 1):
        raise Malformed("a receipt's claims are not of the form they should be")
    return CitizenReceipt(unit, issued, code, event, generation, size, root)
