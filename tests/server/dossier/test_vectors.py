"""The vectors that other programs read, and the examples in the format pages."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from crypto import strictjson
from crypto.event import canonical_event, certificate_signer, parse_signed_event, verify_event_signature
from crypto.hashing import sha256_id
from server.dossier.body import MAX_PREVIEW_BYTES
from server.dossier.documents import certificate_doc
from server.dossier.event import StoredEvent, document_id, parse_stored
from server.dossier.fold import fold
from server.dossier.manifest import (
    CHUNK_BYTES,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS,
    MIN_CHUNK_BYTES,
    build_manifest,
    parse_manifest,
)
from server.dossier.proofs import Evidence
from server.dossier.roles import fold_grants
from server.dossier.times import parse_time
from tests.server.dossier.fold_vectors import CASES, FOLDER, text_of

FORMATS = Path(__file__).parents[3] / "docs" / "formats"


def load(entries: list[dict[str, Any]]) -> list[StoredEvent]:
    """The events of a vector, each under the id it claims."""
    stored = [parse_stored(entry["event"]) for entry in entries]
    assert [s.id for s in stored] == [entry["id"] for entry in entries]
    return stored


def evidence(value: dict[str, Any]) -> Evidence:
    """The proofs of a vector."""
    times = {kind: {name: parse_time(at) for name, at in value.get(kind, {}).items()} for kind in ("times", "ends")}
    seen = {name: parse_time(at) for name, at in value.get("checkpoints", {}).items()}
    return Evidence(times["times"], times["ends"], value.get("doubts", {}), seen, value.get("logged", ()))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_the_fold_gives_what_the_vector_says(path: Path) -> None:
    """Read from the file alone: ids, states, status and whatever else the case expects, in both directions."""
    vector = json.loads(path.read_text(encoding="utf-8"))
    events, grants, expect = load(vector["events"]), fold_grants(load(vector["grants"])), vector["expect"]
    proofs = evidence(vector["proofs"])

    for order in (events, events[::-1]):
        d = fold(order, grants, proofs)
        value = d.value()
        value |= {"status": d.status, "handover": d.states.handover}
        value["states"] = {entry.id: entry.state for entry in d.timeline}
        shown = {
            e.id: {name: e.time.value()[name] for name in ("shown", "provisional", "differs")}
            for e in d.timeline
            if e.time
        }
        value["times"] = {name: shown[name] for name in expect.get("times", {})}
        value["conflicts"] = [
            {"kind": c.kind, "events": sorted(c.events), "settled_by": c.settled_by} for c in d.conflicts
        ]
        assert {name: value[name] for name in expect} == expect


def test_the_vectors_are_those_of_the_cases() -> None:
    """Nobody edited a file by hand; to write them anew: python -m tests.server.dossier.fold_vectors"""
    assert {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == {
        case.__name__: text_of(case) for case in CASES
    }


def examples(page: str) -> list[str]:
    """The indented or fenced JSON blocks of a format page, in order."""
    return re.findall(r"```json\n(.*?)```", (FORMATS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_in_event_md_is_real() -> None:
    """It parses, its id and revision are its own, and its canonical form is the one printed."""
    page = (FORMATS / "event.md").read_text(encoding="utf-8")
    document = strictjson.parse(examples("event.md")[0].encode(), max_bytes=50_000)
    stored = parse_stored(document["event"])
    canonical = canonical_event(document["event"])
    assert document["_id"] == document_id(stored.event.stream, stored.id)
    assert document["_rev"].removeprefix("1-") in page
    assert canonical.decode() in page
    assert str(sha256_id(canonical)) == stored.id


def test_the_signature_in_event_md_holds() -> None:
    """Checked with the certificate printed beside it, which names the actor."""
    document, beside = (strictjson.parse(text.encode(), max_bytes=50_000) for text in examples("event.md"))
    der = b64decode(beside["certificate"], validate=True)
    certificate = x509.load_der_x509_certificate(der)
    signed = parse_signed_event({"event": document["event"], "signatures": document["signatures"]})
    assert verify_event_signature(signed, signer=certificate_signer(certificate)) == canonical_event(document["event"])
    assert (beside["_id"], beside["_rev"]) == (certificate_doc(der).id, certificate_doc(der).rev)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [document["event"]["actor"]]


def test_the_example_in_file_md_is_real() -> None:
    """The file it describes is 15,000 times the letter x; the page's hashes are computed from that."""
    document = strictjson.parse(examples("file.md")[0].encode(), max_bytes=50_000)
    manifest, chunks = build_manifest(b"x" * 15_000)
    assert parse_manifest(document["manifest"]) == manifest
    assert document["_id"] == "file:" + manifest.id
    assert [len(chunk) for chunk in chunks] == [10_000, 5_000]
    page = (FORMATS / "file.md").read_text(encoding="utf-8")
    cuts = (CHUNK_BYTES, MAX_PREVIEW_BYTES + 1, MAX_CHUNKS * CHUNK_BYTES)
    for bound in (*cuts, MIN_CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_CHUNKS):
        assert f"{bound:,}" in page
