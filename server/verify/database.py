"""Check all documents of one database, then what spans them: signers' certificates, files put together from chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from sqlite3 import DatabaseError

from crypto.certificates import parse_certificate
from crypto.chain import ChainCache, TrustAnchors
from crypto.crl import Crl, CrlSet, parse_crl
from crypto.errors import CryptoError
from crypto.hashing import parse_sha256_id
from replication.document import Doc, DocId
from replication.errors import StoreError
from replication.store import ZERO, Database, GetRequest
from server.dossier.event import StoredEvent
from server.dossier.manifest import Manifest
from server.dossier.units import is_within, unit_of_database
from server.errors import Refused
from server.verify import documents
from server.verify.documents import Trust, kind_of
from server.verify.report import Report

BATCH = 200  # with 32 KiB chunks a batch stays under 7 MB
REFUSALS = (Refused, CryptoError)
DAMAGE = (StoreError, DatabaseError, ValueError, UnicodeDecodeError)


@dataclass(slots=True)
class Contents:
    """What one pass over a database found: documents that span others are kept for the checks after it."""

    name: str
    certificates: dict[str, bytes] = field(default_factory=dict)
    crls: list[Crl] = field(default_factory=list)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    chunks: set[str] = field(default_factory=set)
    events: list[StoredEvent] = field(default_factory=list)


def verify_database(database: Database, anchors: TrustAnchors, now: datetime, report: Report) -> Contents:
    """Check every document of `database` and return what it holds. Faults go into `report`.

    Two passes: certificates and CRLs first, because an event may stand before its signer's certificate.
    """
    contents = Contents(database.name)
    ids = list(_live_ids(database, report))
    for doc in _read(database, [i for i in ids if kind_of(i) in ("certificate", "crl")], report):
        _take_trust(doc, contents, report)
    trust = Trust(anchors, contents.certificates, CrlSet(contents.crls), now, ChainCache())
    for doc in _read(database, [i for i in ids if kind_of(i) not in ("certificate", "crl")], report):
        _take(doc, contents, trust, report)
    return contents


def verify_files(contents: Contents, database: Database, report: Report) -> set[str]:
    """Put every file of a chunk database together and hash it; return the ids of the manifests that hold."""
    whole = set()
    for name, manifest in contents.manifests.items():
        missing = [chunk for chunk in manifest.chunks if chunk not in contents.chunks]
        if missing:
            report.fault(contents.name, f"file:{name}", f"{len(missing)} chunks are not here, first {missing[0]}")
            continue
        digest = sha256()
        for chunk in manifest.chunks:
            digest.update(database.attachment(DocId(chunk), "chunk").data or b"")
        if digest.digest() != parse_sha256_id(manifest.sha256):
            report.fault(contents.name, f"file:{name}", f"its chunks do not make {manifest.sha256}")
            continue
        report.checked["file"] += 1
        whole.add(name)
    return whole


def verify_references(events: Contents, whole: set[str], report: Report) -> None:
    """Check that every file an event names is there, whole; `whole` are the manifests that hold."""
    for stored in events.events:
        for file in stored.event.files:
            if file.manifest not in whole:
                place = f"{stored.event.stream}:{stored.id}"
                report.fault(events.name, place, f"its file {file.name!r} ({file.manifest}) is not here, or not whole")


def _take_trust(doc: Doc, contents: Contents, report: Report) -> None:
    kind = kind_of(doc.id)
    try:
        if kind == "certificate":
            der = documents.verify_der(doc, "certificate", "cert:", parse_certificate)
            contents.certificates[doc.id.removeprefix("cert:sha256-")] = der
        else:
            contents.crls.append(parse_crl(documents.verify_der(doc, "crl", "crl:", parse_crl)))
    except REFUSALS as exc:
        report.fault(contents.name, doc.id, str(exc))
        return
    report.checked[kind] += 1


def _take(doc: Doc, contents: Contents, trust: Trust, report: Report) -> None:
    kind = kind_of(doc.id)
    try:
        if kind == "chunk":
            documents.verify_chunk(doc)
            contents.chunks.add(doc.id)
        elif kind == "manifest":
            contents.manifests[doc.id.removeprefix("file:")] = documents.verify_manifest(doc)
        else:
            stored, remark = documents.verify_event(doc, trust)
            _verify_place(stored, contents.name)
            contents.events.append(stored)
            if remark:
                report.remark(contents.name, doc.id, remark)
    except REFUSALS as exc:
        report.fault(contents.name, doc.id, str(exc))
        return
    report.checked[kind] += 1


def _verify_place(stored: StoredEvent, database: str) -> None:
    owner = unit_of_database(database)
    if owner is not None and stored.event.unit != owner and not is_within(owner, stored.event.unit):
        raise Refused("wrong_database", f"it belongs to {stored.event.unit}")


def _live_ids(database: Database, report: Report) -> Iterator[DocId]:
    """Yield the ids of all documents; name those that were edited, deleted or doubled, which ours never are."""
    since = ZERO
    while True:
        page = database.changes(since, limit=1000)
        for row in page.rows:
            if row.deleted:
                report.fault(database.name, row.id, "it has been deleted; documents here are never deleted")
            elif len(row.leaves) > 1:
                report.fault(database.name, row.id, f"it has {len(row.leaves)} revisions, ours have one")
            else:
                yield row.id
        if not page.rows or not page.pending:
            return
        since = page.last_seq


def _read(database: Database, ids: list[DocId], report: Report) -> Iterator[Doc]:
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        try:
            found = database.bulk_get([GetRequest(doc_id) for doc_id in batch], attachments=True)
        except DAMAGE:
            yield from _read_one_by_one(database, batch, report)
            continue
        for doc_id, answers in zip(batch, found, strict=True):
            if len(answers) == 1 and isinstance(answers[0], Doc):
                yield answers[0]
            else:
                report.fault(database.name, doc_id, "it is in the list of documents, but cannot be read")


def _read_one_by_one(database: Database, ids: list[DocId], report: Report) -> Iterator[Doc]:
    """A batch did not come out: find the documents to blame."""
    for doc_id in ids:
        try:
            yield database.get(doc_id, attachments=True)
        except DAMAGE as exc:
            report.fault(database.name, doc_id, f"it cannot be read: {exc}")
