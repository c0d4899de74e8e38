"""Samples and parsers of what travels between nodes: bundles, pages of logs, receipts, time-stamps, multipart bodies.

Where a signature stands before a parser, it is made anew or taken for good: what lies behind it is what is tried.
"""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519

from crypto import cose, jcs, keys
from crypto.hashing import sha256_id
from crypto.note import Checkpoint, sign_note
from replication.bundle import envelope, frames, manifest
from replication.bundle.records import pack_document
from replication.document import Seq
from replication.multipart import parse_multipart
from server.dossier.documents import certificate_doc
from server.export.logproofs import parse_proof
from server.log.leaves import Leaf
from server.log.pages import build_cosigned, build_page, parse_log_document
from server.log.receipt import CitizenReceipt, build_receipt, parse_receipt_url, receipt_url, verify_receipt
from server.log.tree import Edge
from server.timestamps.documents import build_timestamp, parse_timestamp
from server.timestamps.token import parse_token

# A time-stamp over "abc" by an authority of our own (openssl ts -reply, P-256).
TOKEN = base64.b64decode(
    "MIIDOAYJKoZIhvcNAQcCoIIDKTCCAyUCAQMxDzANBglghkgBZQMEAgEFADBzBgsqhkiG9w0BCRABBKBkBGIwYAIBAQYEKgMEATAxMA0G"
    "CWCGSAFlAwQCAQUABCC6eBa/jwHP6kFBQN5driIjsANho5YXepy0EP9h8gAVrQIBAhgPMjAyNjExMjIwMTMxMDRaMAMCAQECCQCPdG5i"
    "N6mmBaCCAVkwggFVMIH8oAMCAQICFGgdoM0bSY2hsfAi+vvD35VbVn2uMAoGCCqGSM49BAMCMA4xDDAKBgNVBAMMA2ludDAeFw0yNjEx"
    "MjEwMTMxMDRaFw0yNzAzMDIwMTMxMDRaMA4xDDAKBgNVBAMMA3RzYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMoRw7M42JwjcL3O"
    "aiC6PTZsLoQWqZNvbqEQp74gGBubObBM+gjtN6XD0NZgIMCoe+er3rC5lbkYLBDIPY9q0tujODA2MAwGA1UdEwEB/wQCMAAwFgYDVR0l"
    "AQH/BAwwCgYIKwYBBQUHAwgwDgYDVR0PAQH/BAQDAgeAMAoGCCqGSM49BAMCA0gAMEUCIFyDh7WP36gJtJ7B6Ezzhk9hes1W/p29wqFj"
    "G6uNajXmAiEA99b77Enn/9qXfCLno6AiJ0RBEsaXvo/xHbUBsgyIx6AxggE7MIIBNwIBATAmMA4xDDAKBgNVBAMMA2ludAIUaB2gzRtJ"
    "jaGx8CL6+8PflVtWfa4wDQYJYIZIAWUDBAIBBQCggaQwGgYJKoZIhvcNAQkDMQ0GCyqGSIb3DQEJEAEEMBwGCSqGSIb3DQEJBTEPFw0y"
    "NjExMjIwMTMxMDRaMC8GCSqGSIb3DQEJBDEiBCCppqNLW+pW0lTBWqsE2fLr0xTj4383cq85xrlxuOGnFDA3BgsqhkiG9w0BCRACLzEo"
    "MCYwJDAiBCB3NC3J7K2CtKrvTiFtzCJouS88J02a3YMp5t0+I1E/hzAKBggqhkjOPQQDAgRIMEYCIQC7z4qrENprtqS7AYYxsGrgtIpP"
    "QCFKXaBGxyRyUxnrGwIhAMY2Nn75mJYC8UP4v7zbxR06JvD8OxZUqOHCutlepyB5"
)

_KEY = keys.generate_p256()
_THUMBPRINT = "A" * 43
_ENVELOPE = envelope.Envelope("ab" * 16, 1, "H41.12.03", "H41.12", 7, "2026-11-21T07:12:09Z", "2026-12-21T07:12:09Z")
_RELATED = 'multipart/related; boundary="b"'


class _Believing:
    """A verifier that takes what it is given for signed by the commune."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def verify(self, token: str, typ: str) -> Any:
        return envelope.Signed(self.payload, "H41.12.03")


def _manifest_text() -> bytes:
    entry = manifest.FrameEntry(0, 900, 512, bytes(32), "events", "u-h41-12-03", Seq("0"), Seq("7-abc"), 3)
    found = manifest.Manifest(
        envelope=_ENVELOPE, store="cd" * 16, is_last=True, previous="", basis={}, until={"u-h41-12-03": Seq("7-abc")},
        acknowledgement=None, frames=(entry,),
    )  # fmt: skip
    return jcs.canonical(found.value())


def _closing(text: bytes) -> Any:
    statement = jcs.canonical(_ENVELOPE.value() | {"manifest": sha256_id(text)})
    return manifest.verify_closing(bytes(4) + text, _Believing(statement))


def _content() -> bytes:
    records = [pack_document(certificate_doc(bytes(40)))]
    return frames.pack_content(
        bundle="ab" * 16, part=1, index=0, section="events", database="u-h41-12-03", since="0", until="7-abc",
        records=records,
    )  # fmt: skip


def _note(leaves: list[Leaf]) -> str:
    tree = Edge(0, [])
    for leaf in leaves:
        tree.add(leaf.hash())
    origin = "03.12.h41.tram.internal/log"
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    return sign_note(Checkpoint(origin, len(leaves), tree.root()).to_text(), name=origin, key=key)


def _receipt() -> bytes:
    receipt = CitizenReceipt("H41.12.03", 1780279384, "H41.12.03-261121-0001", bytes(32), 1, 12, bytes(32))
    return build_receipt(receipt, key=_KEY, fingerprint=_THUMBPRINT)


def build_samples() -> dict[str, bytes]:
    """Return one good sample of each form."""
    leaves = [Leaf(bytes([each] * 32), 1780279384 + each) for each in range(5)]
    note = _note(leaves)
    one = _note(leaves[:1])
    leaf = base64.b64encode(leaves[0].data()).decode()
    receipt = _receipt()
    return {
        "bundle head": b"tram-bundle/1 hops=00\n" + b"A" * 80 + b"\n",
        "envelope": jcs.canonical(_ENVELOPE.value()),
        "manifest of a bundle": _manifest_text(),
        "frame head": frames.FrameHead(0, 512, 7).pack(),
        "frame": _content(),
        "trailer": manifest.build_trailer(4096),
        "page": build_page(fingerprint=_THUMBPRINT, edge=Edge(0, []), leaves=leaves, note=note).body,
        "cosigned": build_cosigned(log=_THUMBPRINT, witness=_THUMBPRINT, note=note).body,
        "log proof": f"c2sp.org/tlog-proof@v1\nextra {leaf}\nindex 0\n\n{one}".encode(),
        "receipt": receipt,
        "claims": cose.parse_sign1(receipt).payload,
        "receipt address": receipt_url("tram.h41.vn", receipt).encode(),
        "token": TOKEN,
        "time-stamp": build_timestamp("01937c2e-5b7a-7d1a-8f00-0123456789ab:" + sha256_id(b"x"), TOKEN).body,
        "multipart": b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n\r\n" + bytes(9) + b"\r\n--b--",
    }


def _claims(data: bytes) -> Any:
    signed = cose.sign1(data, key=_KEY, kid=bytes(cose.KID_BYTES))
    return verify_receipt(signed, key=_KEY.public_key(), unit="H41.12.03")


PARSERS = {
    "bundle head": envelope.parse_head,
    "envelope": envelope.parse_value,
    "manifest of a bundle": _closing,
    "frame head": frames.parse_frame_head,
    "frame": frames.parse_content,
    "trailer": manifest.parse_trailer,
    "page": parse_log_document,
    "cosigned": parse_log_document,
    "log proof": lambda data: parse_proof(data.decode("utf-8", "replace")),
    "receipt": cose.parse_sign1,
    "claims": _claims,
    "receipt address": lambda data: parse_receipt_url(data.decode("utf-8", "replace"), "tram.h41.vn"),
    "token": parse_token,
    "time-stamp": parse_timestamp,
    "multipart": lambda data: list(parse_multipart(_RELATED, iter([data]), max_part=4096)),
}
