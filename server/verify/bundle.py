"""Verifying bundles: the outside by anybody, the inside by whoever holds a key it is sealed to.

    without a key   envelope and its signature, frames and their checksums, the end of each part
    with a key      the manifest and its signature, the hash and place of every frame, every document by what it says
                    of itself; signatures of events by the certificates in the bundle and, with a home, in that home

Documents but chunks are laid into a store of their own in a temporary folder, and judged there like a home's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from crypto.chain import TrustAnchors
from replication.bundle import BundleError, FrameContent, Opener, PartReader, Verifier
from replication.bundle.envelope import HEAD_BYTES, parse_head
from replication.document import Doc, DocId
from replication.errors import NotFound
from replication.sqlite import SqliteStore
from replication.store import AllDocsQuery, Database, GetRequest, Store
from server.bundles import keys, media
from server.bundles.trust import TreeVerifier, root_of
from server.dossier.documents import CERTIFICATE_PREFIX, CRL_PREFIX
from server.engine import open_store
from server.errors import Refused
from server.home import Home
from server.intake.files import check_chunk_document
from server.verify.database import DatabaseCheck
from server.verify.report import Report

_AT_ONCE = 200


def verify_bundle(
    path: Path,
    anchors: Sequence[x509.Certificate] | None = None,
    *,
    home: Path | None = None,
    key: Path | None = None,
) -> Report:
    """Return what was checked in a part, or in all parts on a stick. Raises `Refused` for a key that cannot be read."""
    report = Report()
    opened = Home.open(home) if home is not None else None
    roots = list(anchors or (opened.anchors() if opened else ()))
    opener = _opener(opened, key)
    if opener is None:
        report.notes.append("what is sealed inside was not looked at: give --home DIR or --key FILE")
    with tempfile.TemporaryDirectory() as folder, closing(SqliteStore(Path(folder))) as store:
        found_roots = list(roots)
        for file in media.bundles_at(path):
            try:
                trusted = roots or [_found_root(file, report)]
                found_roots += [each for each in trusted if each not in found_roots]
                verifier = TreeVerifier(TrustAnchors(trusted), [], datetime.now(UTC))
                _verify_part(file, verifier, opener, store, report)
            except BundleError as exc:
                report.problems.append(f"{file.name}: {exc}")
        if opened is not None:
            _lend_proofs(opened, store)
        for name in store.names():
            DatabaseCheck(store.open(name), found_roots, report).run()
    return report


def _opener(home: Home | None, key: Path | None) -> Opener | None:
    if key is not None:
        return Opener([keys.read_key(key)])
    if home is not None:
        return Opener([keys.read_key(home.path / "keys" / "age.key")])
    return None


def _found_root(path: Path, report: Report) -> x509.Certificate:
    """Return the root a bundle brings along: it shows no more than that the bundle agrees with itself."""
    with path.open("rb") as file:
        root = root_of(parse_head(file.read(HEAD_BYTES))[1])
    note = "trusted was the root that the bundle itself brings; give --root PEM or --home DIR to know whose it is"
    if note not in report.notes:
        report.notes.append(note)
    return root


def _verify_part(path: Path, verifier: Verifier, opener: Opener | None, store: Store, report: Report) -> None:
    with PartReader(path, verifier, opener) as reader:
        report.problems += [f"{path.name}: {fault}" for fault in (*reader.faults, *reader.outline())]
        report.checked["parts"] += 1
        for slot in reader.slots():
            try:
                if opener is None:
                    reader.check(slot)
                else:
                    _take(reader.read(slot), path, store, report)
            except BundleError as exc:
                report.problems.append(f"{path.name}: frame {slot.index}: {exc}")
            else:
                report.checked["frames"] += 1


def _take(frame: FrameContent, path: Path, store: Store, report: Report) -> None:
    """Judge chunks at once, and lay everything else where it can be judged together."""
    others: list[Doc] = []
    for doc in frame.docs:
        if not doc.id.startswith("sha256-"):
            others.append(doc)
            continue
        try:
            check_chunk_document(doc)
        except Refused as exc:
            report.problems.append(f"{path.name}: {doc.id}: {exc}")
        else:
            report.checked["chunks"] += 1
    if others:
        for result in _database(store, frame.database).bulk_docs(others, new_edits=False):
            if result.error is not None:
                report.problems.append(f"{path.name}: {result.id}: {result.error.reason}")


def _database(store: Store, name: str) -> Database:
    try:
        return store.open(name)
    except NotFound:
        return store.create(name)


def _lend_proofs(home: Home, store: Store) -> None:
    """Lay the home's certificates and CRLs beside what came: a bundle brings only those that are new."""
    with closing(open_store(home)) as held:
        for name in set(store.names()) & set(held.names()):
            for docs in _proofs(held.open(name)):
                store.open(name).bulk_docs(docs, new_edits=False)


def _proofs(database: Database) -> Iterator[list[Doc]]:
    for prefix in (CERTIFICATE_PREFIX, CRL_PREFIX):
        ids = [DocId(row.id) for row in database.all_docs(AllDocsQuery(start=prefix, end=prefix + "~")).rows]
        for start in range(0, len(ids), _AT_ONCE):
            found = database.bulk_get([GetRequest(each) for each in ids[start : start + _AT_ONCE]])
            yield [doc for docs in found for doc in docs if isinstance(doc, Doc)]
