"""tests/vectors/log: proofs that Python and the phone judge alike (tests/pwa/logproof.test.mjs is the other side)."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from crypto import base64url, merkle
from crypto.errors import BadProof
from crypto.logcert import log_origin
from crypto.note import COSIGNATURE_V1, NoteKey, parse_checkpoint, verify_note
from tests.vectors import make_log_vectors

FILE = Path(make_log_vectors.__file__).parent / "log" / "proofs.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))


def keys_for(generation: int) -> list[NoteKey]:
    """The log's key and the witness's, as the file's certificates hold them."""
    log, above = (x509.load_der_x509_certificate(b64decode(each)).public_key() for each in VECTORS["certificates"])
    assert isinstance(log, Ed25519PublicKey)
    assert isinstance(above, Ed25519PublicKey)
    origin = log_origin("H41.12.03", generation)
    return [NoteKey(origin, log), NoteKey(log_origin("H41.12"), above, COSIGNATURE_V1)]


def test_the_file_is_what_its_script_makes() -> None:
    """Byte for byte, so nobody edits the one without the other."""
    assert FILE.read_text(encoding="utf-8") == make_log_vectors.text()


def test_every_proof_of_the_file_holds_in_python() -> None:
    """Leaf, path and head, cosigned where the file says so."""
    for case in VECTORS["proofs"]:
        head, _, note = case["text"].partition("\n\n")
        _, extra, _, *path = head.split("\n")
        verified = verify_note(note, keys_for(case["generation"]))
        checkpoint = parse_checkpoint(verified.text)
        leaf = b64decode(extra.removeprefix("extra "))
        merkle.verify_inclusion(
            merkle.leaf_hash(leaf),
            index=case["index"],
            size=checkpoint.size,
            proof=[b64decode(each) for each in path],
            root=checkpoint.root,
        )
        assert case["event"].encode() in leaf
        assert (log_origin("H41.12") in verified.signers) is bool(case["witnesses"])


def test_every_consistency_proof_of_the_file_is_judged_as_it_says() -> None:
    """Those that hold, and those with one thing wrong."""
    for case, holds in ((c, h) for n, h in (("consistency", True), ("not_consistent", False)) for c in VECTORS[n]):
        assert _is_consistent(case) is holds, case


def _is_consistent(case: dict[str, Any]) -> bool:
    try:
        merkle.verify_consistency(
            old_size=case["old"],
            new_size=case["new"],
            proof=[base64url.decode(each) for each in case["proof"]],
            old_root=base64url.decode(case["old_root"]),
            new_root=base64url.decode(case["new_root"]),
        )
    except BadProof:
        return False
    return True
