"""Make tests/vectors/event/*.json: what a signed event is, for every program that reads or writes one.

    python -m tests.vectors.make_event_vectors          write the files anew

`events.json` is a list of cases with the members

    name         what the case is about
    event        the event as a JSON value
    canonical    its canonical form (RFC 8785) as text, or null where the data rules forbid signing it
    id, rev      what follows from the canonical form, or null
    protected    the protected header in base64url
    signature    r ‖ s in base64url
    certificate  PEM of the certificate the case is checked against
    ok, why      must it verify? and if not: malformed, algorithm or signature

`texts.json` is a list of {name, text, ok, why}: JSON texts and whether the strict reader takes them.

Signing is deterministic (RFC 6979) and the keys are fixed, so a second run writes the same bytes; a test holds the
files against this script. The keys are for these files alone: their secret numbers are in plain sight below.
"""

from __future__ import annotations

import copy
import json
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crypto import base64url, certificates, jcs, jws, keys
from crypto.algorithms import der_from_raw, sign_es256
from crypto.hashing import rev_of, sha256_id

FOLDER = Path(__file__).resolve().parent / "event"

SUBJECT = "00112233445566778899aabbccddeeff"
IAT = 1780279384
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

CA_KEY = keys.private_from_scalar(0x7472616D_0001)
KEY = keys.private_from_scalar(0x7472616D_0002)
OTHER_KEY = keys.private_from_scalar(0x7472616D_0003)

Json = dict[str, Any]


def build_certificate(key: keys.PrivateKey, subject_id: str, serial: int) -> Any:
    """Return the leaf of `key`, valid for the years in which these vectors should work."""
    span: Json = {"not_before": datetime(2026, 1, 1, tzinfo=UTC), "not_after": datetime(2046, 1, 1, tzinfo=UTC)}
    root = certificates.build_root(name="Vector Root", key=CA_KEY, serial=2**64 + 1, **span)
    issuer = certificates.Issuer(root, CA_KEY)
    return certificates.build_leaf(
        issuer,
        kind="person",
        public_key=key.public_key(),
        unit="H41.12.03",
        subject_id=subject_id,
        serial=serial,
        **span,
    )


CERTIFICATE = build_certificate(KEY, SUBJECT, 2**64 + 2)
OTHER_CERTIFICATE = build_certificate(OTHER_KEY, "f" * 32, 2**64 + 3)


def base_event(**changes: Any) -> Json:
    """Return an event as a phone makes it, with some members replaced."""
    event: Json = {
        "v": 1,
        "stream": "01937c2e-5b7a-7d1a-8f00-0123456789ab",
        "type": "dossier.submitted",
        "unit": "H41.12.03",
        "actor": f"urn:tram:subject:{SUBJECT}",
        "at": "2026-11-21T07:12:09Z",
        "prev": [],
        "nonce": "AAECAwQFBgcICQoLDA0ODw",
        "body": {"procedure": "1.001193", "channel": "online", "form": {"hoTen": "Nguyễn Thị Ánh"}},
        "files": [],
    }
    return {**event, **changes}


def case(name: str, event: Json, *, ok: bool = True, why: str = "", signed: bool = True, **parts: str) -> Json:
    """Return one case; `parts` replace what signing gives, `signed=False` means that no canonical form may be made."""
    payload = jcs.canonical_in_full(event)
    protected = parts["protected"] if "protected" in parts else base64url.encode(jcs.canonical(header()))
    signature = parts["signature"] if "signature" in parts else sign(protected, payload)
    return {
        "name": name,
        "event": event,
        "canonical": payload.decode() if signed else None,
        "id": sha256_id(payload) if signed else None,
        "rev": rev_of(payload) if signed else None,
        "protected": protected,
        "signature": signature,
        "certificate": parts.get("certificate") or certificates.certificate_to_pem(CERTIFICATE),
        "ok": ok,
        "why": why,
    }


def header(**changes: Any) -> Json:
    """Return the protected header, with members replaced; None takes one out."""
    members = {
        "alg": "ES256",
        "cty": "vnd.tram.event+json",
        "iat": IAT,
        "typ": "jose+json",
        "x5t#S256": jws.certificate_signer(CERTIFICATE).fingerprint,
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def sign(protected: str, payload: bytes, key: keys.PrivateKey = KEY) -> str:
    return base64url.encode(sign_es256(key, f"{protected}.{base64url.encode(payload)}".encode()))


def good_cases() -> Iterator[Json]:
    """Yield what every verifier must accept, and write byte for byte."""
    yield case("a phone's event", base_event())
    file = {"sha256": "sha256-" + "A" * 43, "manifest": "sha256-" + "B" * 43, "size": 184213, "type": "image/jpeg"}
    yield case("with a file", base_event(files=[{**file, "name": "giấy chứng sinh.jpg", "part": "giay-chung-sinh"}]))
    yield case(
        "with predecessors and a checkpoint", base_event(prev=["sha256-" + "C" * 43], after="sha256-" + "D" * 43)
    )
    yield case("integers at both ends of the safe range", base_event(body={"a": 2**53 - 1, "b": -(2**53) + 1, "c": 0}))
    yield case(
        "running text with line feed, tab, quote and backslash", base_event(body={"note": 'dòng 1\n\t"hai" \\ /'})
    )
    yield case(
        "empty object, empty array, null, true, false, empty text", base_event(body=[{}, [], None, True, False, ""])
    )
    members = {"ﬀ": 1, "\U0001f600": 2, "é": 3, "z": 4, "Z": 5, "10": 6, "9": 7, "đ": 8}
    yield case("members sorted by UTF-16 units, not by code points", base_event(body=members))
    yield case("letters outside the basic plane", base_event(body={"hoTen": "𠀋 👍🏽", "ghiChu": "Lầu A Páo"}))
    yield case("both placements of a tone mark stay as they are", base_event(body={"a": "hoà", "b": "hòa"}))
    yield case("words that are reserved as names only", base_event(body={"ok": ["constructor", "__proto__", "_id"]}))
    deep: Any = "x"
    for _ in range(15):
        deep = [deep]
    yield case("sixteen levels", base_event(body=deep))
    room = 48 * 1024 - len(jcs.canonical(base_event(body={"note": ""})))
    yield case("48 KiB to the byte", base_event(body={"note": "x" * room}))
    first = case("", base_event())
    signature = base64url.decode(first["signature"])
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    malleated = base64url.encode(signature[:32] + s.to_bytes(32, "big"))
    yield case("the malleated twin (r, n-s): the same event", base_event(), signature=malleated)


def bad_signature_cases() -> Iterator[Json]:
    """Yield well-formed events whose signature does not hold."""
    good = case("", base_event())
    raw = base64url.decode(good["signature"])
    payload = jcs.canonical(base_event())
    for name, event in [
        ("another dossier under the same signature", base_event(stream="01937c2e-5b7a-7d1a-8f00-ffffffffffff")),
        ("another unit under the same signature", base_event(unit="H41.12.04")),
        ("another actor under the same signature", base_event(actor="urn:tram:subject:" + "f" * 32)),
        ("another value in the body", base_event(body={"procedure": "2.000635"})),
    ]:
        yield case(name, event, ok=False, why="signature", signature=good["signature"])
    forged = sign(good["protected"], payload, OTHER_KEY)
    yield case("signed with another key", base_event(), ok=False, why="signature", signature=forged)
    other = certificates.certificate_to_pem(OTHER_CERTIFICATE)
    yield case("checked against another certificate", base_event(), ok=False, why="signature", certificate=other)
    for name, data in [
        ("63 bytes", raw[:-1]),
        ("65 bytes", raw + b"\0"),
        ("a DER signature", der_from_raw(raw)),
        ("r is zero", bytes(32) + raw[32:]),
        ("s is zero", raw[:32] + bytes(32)),
        ("no bytes", b""),
    ]:
        yield case(f"signature: {name}", base_event(), ok=False, why="signature", signature=base64url.encode(data))


def bad_header_cases() -> Iterator[Json]:
    """Yield events correctly signed under a protected header that must be refused."""
    payload = jcs.canonical(base_event())
    spelled = json.dumps(header()).encode()
    doubled = jcs.canonical(header()).replace(b'{"alg"', b'{"alg":"none","alg"', 1)
    headers: list[tuple[str, str, Json | bytes]] = [
        *((f"alg {alg}", "algorithm", header(alg=alg)) for alg in ("none", "HS256", "RS256", "ES384", "EdDSA")),
        ("crit", "malformed", header(crit=["iat"])),
        ("b64", "malformed", header(b64=False)),
        ("both iat and sigT", "malformed", header(sigT="2026-11-21T07:12:09Z")),
        ("no iat", "malformed", header(iat=None)),
        ("iat as text", "malformed", header(iat=str(IAT))),
        ("a key of its own", "malformed", header(jwk=keys.public_to_jwk(OTHER_KEY.public_key()))),
        ("another typ", "malformed", header(typ="JWT")),
        ("another cty", "malformed", header(cty="json")),
        ("a short fingerprint", "malformed", header(**{"x5t#S256": "AAAA"})),
        ("spaces", "malformed", spelled),
        ("a doubled member", "malformed", doubled),
        ("a byte order mark", "malformed", b"\xef\xbb\xbf" + jcs.canonical(header())),
    ]
    for name, why, members in headers:
        data = members if isinstance(members, bytes) else jcs.canonical(members)
        protected = base64url.encode(data)
        signature = sign(protected, payload)
        yield case(
            f"protected header: {name}", base_event(), ok=False, why=why, protected=protected, signature=signature
        )
    good = case("", base_event())
    for name, change in [("padding", "=="), ("a line end", "\n"), ("a plus sign", "+")]:
        yield case(
            f"signature with {name}", base_event(), ok=False, why="malformed", signature=good["signature"] + change
        )
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = good["signature"]
    loose = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]
    yield case("signature with left-over bits", base_event(), ok=False, why="malformed", signature=loose)


def bad_data_cases() -> Iterator[Json]:
    """Yield correctly signed events that break the data rules: refuse to sign them, refuse to accept them."""
    deep: Any = "x"
    for _ in range(16):
        deep = [deep]
    bodies: list[tuple[str, Any]] = [
        ("a fraction", {"amount": 1.5}),
        ("an integer JavaScript rounds", {"amount": 2**53 + 2.0}),
        ("a name in NFD", {"hoTen": unicodedata.normalize("NFD", "Nguyễn Thị Ánh")}),
        ("a right-to-left override", {"name": "a\u202efdp.exe"}),
        ("a bidirectional isolate", {"name": "\u2066a\u2069"}),
        ("a zero-width space", {"hoTen": "Ánh\u200b"}),
        ("a byte order mark inside", {"hoTen": "\ufeffÁnh"}),
        ("a control character", {"hoTen": "Ánh\u0007"}),
        ("a carriage return", {"note": "a\r\nb"}),
        ("a member named __proto__", {"__proto__": {"admin": True}}),
        ("a member named constructor", {"constructor": 1}),
        ("a member named prototype", {"prototype": 1}),
        ("a member that begins with an underscore", {"_id": "x"}),
        ("a line feed in a member name", {"a\nb": 1}),
        ("seventeen levels", deep),
        ("more than 48 KiB", {"note": "x" * 49_000}),
    ]
    for name, body in bodies:
        yield case(f"data: {name}", base_event(body=body), ok=False, why="malformed", signed=False)


def texts() -> list[Json]:
    """Return JSON texts for the strict reader (no floats, depth 16): a value cannot show these differences."""
    good = [
        "{}",
        '{"b":1,"a":[true,false,null,""]}',
        '{ "a" : "\\u00e9" }',
        "9007199254740991",
        "-9007199254740991",
        "[" * 16 + "]" * 16,
    ]
    bad = {
        "a doubled member": '{"amount":"1","amount":"100"}',
        "a doubled member, once escaped": '{"a":1,"\\u0061":1}',
        "a doubled member far inside": '{"a":[{"b":{"c":1,"c":1}}]}',
        "2^53": "9007199254740992",
        "2^64": "18446744073709551616",
        "1.0": '{"v":1.0}',
        "an exponent": '{"v":1e2}',
        "NaN": "NaN",
        "Infinity": "[Infinity]",
        "a number beyond double": "1e400",
        "a lone surrogate": '"\\ud800"',
        "a lone surrogate in a name": '{"\\udc00":1}',
        "a byte order mark": "\ufeff{}",
        "seventeen levels": "[" * 17 + "]" * 17,
        "a trailing comma": "[1,]",
        "two values": "{}{}",
        "a comment": "{}//",
        "single quotes": "{'a':1}",
        "a raw line feed in text": '"a\nb"',
        "a leading zero": "01",
        "nothing": "",
    }
    accepted = [{"name": text[:40], "text": text, "ok": True, "why": ""} for text in good]
    return accepted + [{"name": name, "text": text, "ok": False, "why": "malformed"} for name, text in bad.items()]


def events() -> list[Json]:
    """Return all cases of `events.json`, good ones first."""
    makers: list[Callable[[], Iterator[Json]]] = [good_cases, bad_signature_cases, bad_header_cases, bad_data_cases]
    return [copy.deepcopy(made) for maker in makers for made in maker()]


def render(cases: list[Json]) -> str:
    """Return the text of a vector file: one case a line, in ASCII, so that no editor can normalise it."""
    return "[\n" + ",\n".join(json.dumps(made, separators=(",", ":"), ensure_ascii=True) for made in cases) + "\n]\n"


FILES = {"events.json": events, "texts.json": texts}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file_name, make in FILES.items():
        (FOLDER / file_name).write_text(render(make()), encoding="ascii")
