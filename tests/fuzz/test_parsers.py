"""Parsers that meet foreign bytes: whatever comes, they return a value or raise their own error, in bounded time.

The suite runs a few hundred inputs for each: random bytes, and good samples with bytes flipped, cut, doubled. For a
long run:

    make fuzz SECONDS=600        prints what broke, with the input in hex

A new parser joins by a line in `PARSERS`: a name, the call, the errors it may raise, a function that makes good
samples.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import certificates, crl, jws, keys, note, strictjson
from crypto.errors import CryptoError, Malformed
from crypto.event import parse_signed_event
from crypto.path import verify_leaf_profile
from replication.bundle.errors import BundleError
from replication.errors import StoreError
from replication.wire import parse_document
from server.dossier.event import parse_event
from server.dossier.manifest import build_manifest, parse_manifest
from server.errors import ServerError
from server.pki.documents import parse_der_body
from server.pki.request import parse_request
from tests.fuzz import travelling

NOW = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
OURS = (CryptoError, ServerError, StoreError, BundleError)

# The library warns of serial numbers that are not positive; a certificate with one is still judged by its path.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")

SLOW_S = 2.0  # of processor time: a megabyte of anything takes milliseconds; this only catches what blows up


@cache
def _material() -> dict[str, bytes]:
    """One good sample of each form."""
    key, ca_key = keys.generate_p256(), keys.generate_p384()
    span: Any = {"not_before": NOW, "not_after": NOW + timedelta(days=99), "serial": 2**80}
    root = certificates.build_root(name="H41 root", key=ca_key, unit="H41", **span)
    leaf = certificates.build_leaf(
        certificates.Issuer(root, ca_key),
        kind="person",
        public_key=key.public_key(),
        unit="H41.12.03",
        subject_id="a" * 32,
        **span,
    )
    revoked = [crl.Revocation(2**80 + 1, NOW)]
    lists = crl.build_crl(
        root, ca_key, number=7, revoked=revoked, this_update=NOW, next_update=NOW + timedelta(days=30)
    )
    event = {
        "v": 1,
        "stream": "01937c2e-5b7a-7d1a-8f00-0123456789ab",
        "type": "dossier.commented",
        "unit": "H41.12.03",
        "actor": "urn:tram:subject:" + "a" * 32,
        "at": "2026-11-21T07:12:09Z",
        "prev": [],
        "nonce": "A" * 22,
        "body": {"text": "Nguyễn Thị Ánh"},
        "files": [],
    }
    envelope = jws.sign_event(event, key=key, certificate=leaf, iat=1780279384)
    header = {"typ": "tram-ca-request+jwt", "jwk": keys.public_to_jwk(key.public_key())}
    payload = orjson.dumps({"unit": "H41.12.03", "name": "x", "iat": 1, "nonce": "x"})
    manifest, _ = build_manifest(b"\xff\xd8\xff\xe0" + bytes(99_000))
    log_key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    return travelling.build_samples() | {
        "json": orjson.dumps(envelope),
        "jws": jws.sign_compact(payload, key=key, header=header).encode(),
        "signed event": orjson.dumps(envelope),
        "event": orjson.dumps(event),
        "certificate": leaf.public_bytes(Encoding.DER),
        "pem": certificates.certificate_to_pem(leaf).encode(),
        "crl": lists.public_bytes(Encoding.DER),
        "der body": b'{"certificate":"' + b"A" * 64 + b'"}',
        "checkpoint": b"tram.h41\n12\n" + b"A" * 43 + b"=\n",
        "note": note.sign_note("tram.h41\n12\n" + "A" * 43 + "=\n", name="tram.h41", key=log_key).encode(),
        "manifest": orjson.dumps(manifest.value()),
        "document": orjson.dumps({"_id": "x", "_rev": "1-" + "a" * 32, "_revisions": {"start": 1, "ids": ["a" * 32]}}),
    }


@dataclass(frozen=True)
class Parser:
    """One parser: the call, and the name of its sample in `_material`."""

    sample: str
    call: Callable[[bytes], Any]


def _json(data: bytes) -> Any:
    return strictjson.parse(data, max_bytes=256 * 1024)


def _fields(data: bytes) -> Any:
    value = _json(data)
    return value if isinstance(value, dict) else {}


PARSERS: dict[str, Parser] = {
    "strict JSON": Parser("json", _json),
    "compact JWS": Parser("jws", lambda data: jws.verify_self_signed_compact(data.decode("latin-1"))),
    "signed event": Parser("signed event", lambda data: parse_signed_event(_fields(data))),
    "event": Parser("event", lambda data: parse_event(_json(data))),
    "certificate": Parser("certificate", lambda data: verify_leaf_profile(certificates.parse_certificate(data))),
    "certificate PEM": Parser("pem", certificates.parse_certificate_pem),
    "revocation list": Parser("crl", crl.parse_crl),
    "certificate document": Parser("der body", lambda data: parse_der_body(data, "certificate")),
    "checkpoint": Parser("checkpoint", lambda data: note.parse_checkpoint(data.decode("utf-8", "replace"))),
    "signed note": Parser("note", lambda data: note.verify_note(data.decode("utf-8", "replace"), [])),
    "manifest": Parser("manifest", lambda data: parse_manifest(_json(data))),
    "document": Parser("document", lambda data: parse_document(_fields(data), new_edits=False)),
    "CA request": Parser("jws", parse_request),
    **{name: Parser(name, call) for name, call in travelling.PARSERS.items()},
}


def _try(name: str, data: bytes) -> None:
    """Give `data` to a parser. Anything but a value or one of our errors comes through."""
    started = time.thread_time()
    with contextlib.suppress(*OURS):
        PARSERS[name].call(data)
    took_s = time.thread_time() - started
    assert took_s < SLOW_S, f"{name} took {took_s:.1f} s on {data[:200]!r}"


def _mutate(sample: bytes, seed: int) -> bytes:
    """Return the sample with one to six accidents: a byte changed, cut out, doubled, a stretch moved."""
    source, data = random.Random(seed), bytearray(sample)
    for _ in range(source.randint(1, 6)):
        place = source.randrange(len(data) + 1)
        accident = source.randrange(5)
        if accident == 0 and place < len(data):
            data[place] = source.randrange(256)
        elif accident == 1:
            del data[place : place + source.randint(1, 16)]
        elif accident == 2:
            data[place:place] = data[: source.randint(1, 64)]
        elif accident == 3:
            data[place:place] = source.choice([b"\x00", b"\xff\xff", b'"', b"{", b"[[[[", b"\\ud800", b"1e999", b"-0"])
        else:
            del data[place:]
    return bytes(data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=120)
@given(data=st.binary(max_size=600))
def test_random_bytes_raise_our_errors_alone(name: str, data: bytes) -> None:
    """Bytes of no form at all."""
    _try(name, data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=250)
@given(seed=st.integers(0, 2**64))
def test_damaged_samples_raise_our_errors_alone(name: str, seed: int) -> None:
    """Good bytes with a few accidents: deep into each parser."""
    _try(name, _mutate(_material()[PARSERS[name].sample], seed))


def test_a_list_of_an_unknown_version_is_malformed() -> None:
    """Found by fuzzing: the library has an error of its own for that."""
    der = _material()["crl"]
    broken = der.replace(bytes.fromhex("02010130"), bytes.fromhex("02012230"), 1)
    assert broken != der

    with pytest.raises(Malformed):
        crl.parse_crl(broken)


def test_a_list_whose_issuer_cannot_be_read_is_malformed() -> None:
    """Found by fuzzing: a name with a byte that is no UTF-8 was read only after the errors had been caught."""
    der = _material()["crl"]
    broken = der.replace(b"H41 root", b"\xcd41 root", 1)
    assert broken != der

    with pytest.raises(Malformed):
        crl.parse_crl(broken)


def test_a_receipt_address_with_brackets_is_refused() -> None:
    """Found by fuzzing: the library refuses "[" in a host with an error of its own."""
    with pytest.raises(ServerError):
        travelling.PARSERS["receipt address"](b"https://tram[.h41.vn/r#0oRN")


@pytest.mark.parametrize("name", PARSERS)
def test_the_samples_are_of_the_form_they_stand_for(name: str) -> None:
    """The undamaged sample is read, or refused for a reason of substance: fuzzing starts from inside the format."""
    if name in ("certificate document", "signed note", "document"):
        _try(name, _material()[PARSERS[name].sample])
        return
    PARSERS[name].call(_material()[PARSERS[name].sample])


def main(seconds: float) -> int:
    """Fuzz every parser in turn for so long. Returns how many inputs broke one."""
    broken, tried, ends = 0, 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        seed = int.from_bytes(os.urandom(8), "big")
        for name, parser in PARSERS.items():
            data = _mutate(_material()[parser.sample], seed)
            tried += 1
            try:
                _try(name, data)
            except BaseException as exc:
                broken += 1
                print(f"{name}: {exc!r}\n  {data.hex()}")
    print(f"{tried} inputs, {broken} broke a parser")
    return broken


if __name__ == "__main__":
    sys.exit(1 if main(float(sys.argv[1])) else 0)
