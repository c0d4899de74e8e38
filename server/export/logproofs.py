"""The log's proof of an event in an export: that the exporting node's log holds it, under a signed head.

    log/NN.tlogproof   leaf, index, path and signed head in one (c2sp.org/tlog-proof)
    log/NN.leaf        the leaf's bytes
    log/NN.path        the hashes up to the root, a line each: on which side, and base64
    log/NN.text        the head's text, which is signed
    log/NN.sig         the log's signature over it (Ed25519, 64 bytes)
    log/NN.pem         the certificate of the log's key, then its issuers
    log/NN.witness     what the unit above signed: the head and when (cosignature/v1); with NN.witness-sig and -pem

All but the certificates follow from NN.tlogproof (`build_files`); they are for the openssl command.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import strictjson
from crypto.certificates import certificate_to_pem, parse_certificate
from crypto.errors import CryptoError, Malformed
from crypto.hashing import parse_sha256_id
from crypto.logcert import LogSigner, is_log_certificate, verify_log_certificate
from crypto.merkle import verify_inclusion
from crypto.note import Checkpoint, parse_checkpoint
from replication.document import Doc, DocId
from replication.store import AllDocsQuery, GetRequest
from server.dossier.documents import CERTIFICATE_PREFIX
from server.errors import Missing
from server.export.readme import section
from server.log.leaves import Leaf
from server.node.assembly import Node
from server.pki.documents import parse_der_body

MAX_PROOF_CHARS: Final = 16 * 1024
_HEAD: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that has been read: inclusion of `leaf` in the tree of `checkpoint` is checked, no signature is."""

    leaf: Leaf
    data: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str


class LogProofs:
    """The proofs of one node, for one export."""

    folder = "log"
    about = section("log")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._witnesses: dict[str, dict[str, x509.Certificate]] = {}

    def files(self, database: str, event_id: str) -> Mapping[str, bytes]:
        """Return the files about an event; empty if it has no leaf here, or the log's key no certificate yet."""
        certificate = self._node.log.key.certificate
        try:
            text = self._node.receipt_desk.proof(event_id)
        except Missing:
            return {}
        if certificate is None:
            return {}
        proof = parse_proof(text)
        own = self._pem(self._node.database, certificate)
        found = {"tlogproof": text.encode(), "pem": own, **build_files(proof, "log", proof.checkpoint.origin)}
        for name in signers_of(proof)[1:]:
            witness = self._witnesses_in(self._node.database).get(name)
            if witness is not None:
                found |= build_files(proof, "witness", name)
                found["witness-pem"] = self._pem(self._node.database, witness)
                break
        return found

    def unsigned(self, database: str, event_id: str) -> list[str]:
        """Return nothing: JAdES has no element for a log's proof."""
        return []

    def _pem(self, database: str, certificate: x509.Certificate) -> bytes:
        above = self._node.directory.path(database, certificate.public_bytes(Encoding.DER))
        chain = [certificate, *map(parse_certificate, above)]
        return "".join(map(certificate_to_pem, chain)).encode("ascii")

    def _witnesses_in(self, database: str) -> dict[str, x509.Certificate]:
        """Return the certificates of log keys that are in a database and hold, by the name they cosign under."""
        if database not in self._witnesses:
            opened = self._node.store.open(database)
            ids = opened.all_docs(AllDocsQuery(start=CERTIFICATE_PREFIX, end=CERTIFICATE_PREFIX + "~")).rows
            docs = [doc for found in opened.bulk_get([GetRequest(DocId(row.id)) for row in ids]) for doc in found]
            ders = [parse_der_body(doc.body, "certificate") for doc in docs if isinstance(doc, Doc)]
            signers = [(self._signer(database, der), der) for der in ders]
            self._witnesses[database] = {
                signer.witness_key().name: parse_certificate(der) for signer, der in signers if signer is not None
            }
        return self._witnesses[database]

    def _signer(self, database: str, der: bytes) -> LogSigner | None:
        try:
            certificate = parse_certificate(der)
            if not is_log_certificate(certificate):
                return None
            directory = self._node.directory
            at = min(self._node.clock.now(), certificate.not_valid_after_utc)
            above = directory.path(database, der)
            return verify_log_certificate(der, above, anchors=directory.anchors, at=at, crls=directory.crls(database))
        except CryptoError:  # a witness nobody can prove is left out; the log's own signature stands
            return None


def parse_proof(text: str) -> Proof:
    """Return the proof in c2sp.org/tlog-proof form, the leaf proven to be under the head. Raises `CryptoError`."""
    if len(text) > MAX_PROOF_CHARS:
        raise Malformed(f"a proof takes at most {MAX_PROOF_CHARS} characters")
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or len(lines) < 3 or lines[0] != _HEAD or not lines[1].startswith("extra "):
        raise Malformed(f"a proof begins with {_HEAD}, extra and index")
    data, index = _base64(lines[1].removeprefix("extra ")), lines[2].removeprefix("index ")
    if not index.isdigit() or len(index) > 12:
        raise Malformed("the index of a leaf is a number")
    leaf, path = _leaf(data), tuple(map(_base64, lines[3:]))
    checkpoint = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
    verify_inclusion(leaf.hash(), index=int(index), size=checkpoint.size, proof=path, root=checkpoint.root)
    return Proof(leaf, data, int(index), path, checkpoint, note)


def signers_of(proof: Proof) -> list[str]:
    """Return the names under which the head's lines are signed, the log's own first."""
    names = [line.split(" ")[1] for line in proof.note.rpartition("\n\n")[2].splitlines() if line.count(" ") == 2]
    return [proof.checkpoint.origin, *(name for name in names if name != proof.checkpoint.origin)]


def build_files(proof: Proof, kind: str, name: str) -> dict[str, bytes]:
    """Return what openssl reads: of the "log" the leaf, path, text and signature, of a "witness" its text and
    signature. `name` is whose line of the head is meant. Raises `Malformed` if there is none."""
    text = proof.checkpoint.to_text().encode()
    line = next((each for each in proof.note.splitlines() if each.startswith(f"\u2014 {name} ")), None)
    if line is None:
        raise Malformed(f"{name} has not signed this head")
    signature = _base64(line.split(" ")[2])[4:]  # after the key's id
    if kind == "log":
        sides = "".join(f"{side} {b64encode(each).decode()}\n" for side, each in _sided(proof))
        return {"leaf": proof.data, "path": sides.encode(), "text": text, "sig": signature}
    time_s = int.from_bytes(signature[:8])
    return {"witness": f"cosignature/v1\ntime {time_s}\n".encode() + text, "witness-sig": signature[8:]}


def _sided(proof: Proof) -> Sequence[tuple[str, bytes]]:
    """Return each hash of the path with the side it stands on (RFC 9162 §2.1.3.2)."""
    found, number, last = [], proof.index, proof.checkpoint.size - 1
    for each in proof.path:
        if number & 1 or number == last:
            found.append(("left", each))
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found.append(("right", each))
        number, last = number >> 1, last >> 1
    return found


def _leaf(data: bytes) -> Leaf:
    fields = strictjson.parse(data, max_bytes=1024, max_depth=2)
    if not isinstance(fields, dict) or not isinstance(fields.get("e"), str) or type(fields.get("t")) is not int:
        raise Malformed("a leaf names an event and a time")
    leaf = Leaf(parse_sha256_id(fields["e"]), fields["t"])
    if leaf.data() != data:
        raise Malformed("a leaf in another form than its own")
    return leaf


def _base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as exc:
        raise Malformed(f"not base64: {text[:60]!a}") from exc
