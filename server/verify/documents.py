"""Verifying documents of one database, every one by what it says of itself: the part that processes share out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crypto import strictjson
from crypto.errors import CryptoError
from crypto.event import parse_signed_event
from crypto.hashing import parse_sha256_id, rev_of, sha256_id
from replication.attached import build_digest
from replication.document import Doc, DocId
from replication.errors import StoreError
from replication.store import ChangeRow, Database, GetRequest, MissingRev
from server.dossier import units
from server.dossier.documents import CHUNK, FILE_PREFIX, LOG_PREFIX, TIMESTAMP_PREFIX
from server.dossier.erasing import TYPES
from server.dossier.event import Event, EventId, StoredEvent, document_id, parse_event
from server.dossier.granting import ROLE_TYPES
from server.dossier.manifest import MAX_CHUNK_BYTES, parse_manifest
from server.dossier.times import parse_time
from server.errors import Refused, ServerError
from server.log.pages import Cosigned, Page
from server.verify.logs import verify_log_document
from server.verify.proofs import Proofs
from server.verify.report import Report
from server.verify.timestamps import verify_timestamp_document

_AT_ONCE = 200  # documents in memory; with chunks some 2 MB, with the largest 7
_MAX_BODY_BYTES = 8 * 1024 * 1024  # a CRL is the largest; the store bounds what it takes in
# What damaged bytes make the parsers below raise. ValueError covers JSON, base64 and UTF-8.
FAULTS = (CryptoError, ServerError, StoreError, KeyError, TypeError, ValueError)


@dataclass
class Found:
    """What going through documents brought; what several processes found adds up.

    `events` are the hashes of those that could be read, `files` by event id the document and the manifests it names,
    `receipted` the ids of events a receipt was issued for, `manifests` the ids of those that hold, `bad` the ids of
    what does not, `policies` by event id those that say which time authorities count. Chunks are not remembered: there
    are thirty for each megabyte.
    """

    report: Report = field(default_factory=Report)
    events: set[bytes] = field(default_factory=set)
    files: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    receipted: set[str] = field(default_factory=set)
    manifests: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    logs: list[tuple[str, Page | Cosigned]] = field(default_factory=list)
    timestamps: list[str] = field(default_factory=list)
    policies: list[tuple[str, Event]] = field(default_factory=list)
    orders: list[StoredEvent] = field(default_factory=list)  # role and erasure events

    def add(self, other: Found) -> None:
        """Add what another process found in its share."""
        self.report.add(other.report)
        self.events |= other.events
        self.files |= other.files
        self.receipted |= other.receipted
        self.manifests += other.manifests
        self.bad |= other.bad
        self.logs += other.logs
        self.timestamps += other.timestamps
        self.policies += other.policies
        self.orders += other.orders


class DocumentCheck:
    """Checks documents of one database by `proofs`, into `found`."""

    def __init__(self, database: Database, proofs: Proofs, found: Found) -> None:
        self._database = database
        self._proofs = proofs
        self.found = found

    def run(self, rows: Sequence[ChangeRow]) -> None:
        """Check the documents of these rows of the feed, which are neither certificates nor CRLs."""
        for _ in self.each(rows, self._check):
            continue

    def each(self, rows: Sequence[ChangeRow], check: Callable[[Doc], Any]) -> Iterator[tuple[str, Any]]:
        """Run `check` on every document; yield (id, what it returned) for those that pass."""
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            for row, docs in zip(some, self._read(some), strict=True):
                passed, doc = self.guard(row.id, _check_form, row, docs)
                if passed:
                    passed, value = self.guard(row.id, check, doc)
                if passed:
                    yield row.id, value
                else:
                    self.found.bad.add(row.id)

    def _read(self, rows: Sequence[ChangeRow]) -> list[list[Doc | MissingRev]]:
        """Read documents with their bytes; if the batch does not come out, one by one, to find those to blame."""
        requests = [GetRequest(DocId(row.id)) for row in rows]
        try:
            return self._database.bulk_get(requests, attachments=True)
        except (StoreError, ValueError):
            return [self._read_one(request) for request in requests]

    def _read_one(self, request: GetRequest) -> list[Doc | MissingRev]:
        passed, docs = self.guard(request.id, self._database.bulk_get, [request], attachments=True)
        return list(docs[0]) if passed else []

    def guard(self, doc_id: str, check: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[bool, Any]:
        """Run a check; a failure becomes a problem that names the document."""
        try:
            return True, check(*arguments, **options)
        except FAULTS as exc:
            self.problem(f"{doc_id}: {exc}")
            return False, None

    def problem(self, what: str) -> None:
        self.found.report.problems.append(f"{self._database.name}: {what}")

    # One document

    def _check(self, doc: Doc) -> None:
        if doc.id.startswith(FILE_PREFIX):
            self._check_manifest(doc)
        elif doc.id.startswith("sha256-"):
            self._check_chunk(doc)
        elif doc.id.startswith(LOG_PREFIX):
            self.found.logs.append((doc.id, verify_log_document(doc, self._database.name, self._proofs.log_signer)))
            self.found.report.checked["log documents"] += 1
        elif doc.id.startswith(TIMESTAMP_PREFIX):
            self.found.timestamps.append(verify_timestamp_document(doc))
            self.found.report.checked["time-stamp documents"] += 1
        else:
            self._check_event(doc)

    def _check_event(self, doc: Doc) -> None:
        fields = fields_of(doc, {"event", "signatures"})
        event = parse_event(fields["event"])
        signed = parse_signed_event(fields)
        check_name(doc, document_id(event.stream, signed.id), signed.rev)
        self.found.events.add(parse_sha256_id(signed.id))
        signer = self._proofs.verify_event(signed)
        if signer.revoked_at is not None and parse_time(event.at) >= signer.revoked_at:
            self.found.report.checked["events of a key reported lost"] += 1
        owner = units.unit_of_database(self._database.name)
        if owner is not None and not units.is_within(owner, event.unit):
            raise Refused("wrong_database", f"an event of {event.unit}")
        if event.type in TYPES or event.type in ROLE_TYPES:
            self.found.orders.append(StoredEvent(EventId(signed.id), event))
        if event.files:
            self.found.files[signed.id] = (doc.id, tuple(file.manifest for file in event.files))
        if event.type == "policy.trust":
            self.found.policies.append((signed.id, event))
        if event.type == "log.alarm":
            self.found.report.notes.append(f"ALARM by {event.unit}: {event.body['origin']}: {event.body['reason']}")
        if event.type == "receipt.issued":
            self.found.receipted.add(event.body["of"])
        self.found.report.checked["events"] += 1

    def _check_manifest(self, doc: Doc) -> None:
        manifest = parse_manifest(fields_of(doc, {"manifest"})["manifest"])
        check_name(doc, FILE_PREFIX + manifest.id, rev_of(manifest.canonical()))
        self.found.manifests.append(manifest.id)
        self.found.report.checked["manifests"] += 1

    def _check_chunk(self, doc: Doc) -> None:
        chunk = doc.attachments.get(CHUNK)
        if chunk is None or chunk.data is None or len(doc.attachments) != 1 or doc.body.strip() != b"{}":
            raise Refused("schema", "not a document with one attachment and nothing else")
        name: str = sha256_id(chunk.data)
        if doc.id != name or len(chunk.data) > MAX_CHUNK_BYTES:
            raise Refused("bad_hash", f"its {len(chunk.data)} bytes are {name}")
        check_name(doc, name, rev_of(chunk.data))
        if chunk.digest != build_digest(chunk.data) or chunk.length != len(chunk.data):
            raise Refused("bad_hash", f"digest {chunk.digest} and length {chunk.length} are not those of its bytes")
        if chunk.content_type != "application/octet-stream" or chunk.encoding is not None:
            raise Refused("schema", f"a chunk is application/octet-stream, this is {chunk.content_type[:40]!a}")
        self.found.report.checked["chunks"] += 1


def _check_form(row: ChangeRow, docs: Sequence[Doc | MissingRev]) -> Doc:
    """Return the one revision of a document, alive, of generation 1, its history itself."""
    if len(docs) != 1 or not isinstance(docs[0], Doc):
        raise Refused("bad_id", "the feed names it, and the database does not hold it")
    doc = docs[0]
    if row.deleted or doc.deleted or len(row.leaves) != 1:
        raise Refused("not_immutable", "deleted, or with several revisions; ours have one and stay")
    if doc.rev is None or doc.rev != row.leaves[0] or doc.generation != 1:
        raise Refused("bad_id", f"revision {doc.rev}, the feed says {row.leaves[0]}")
    if doc.path != (doc.rev.partition("-")[2],):
        raise Refused("not_immutable", "it has a history; ours have none")
    return doc


def fields_of(doc: Doc, members: set[str]) -> dict[str, Any]:
    """Return the body of a document that has exactly these members and no attachments."""
    value = strictjson.parse(doc.body, max_bytes=_MAX_BODY_BYTES, max_depth=20)
    if not isinstance(value, dict) or value.keys() != members:
        raise Refused("schema", f"expected exactly the members {', '.join(sorted(members))}")
    if doc.attachments:
        raise Refused("schema", "it carries attachments; only chunks do")
    return value


def check_name(doc: Doc, expected_id: str, expected_rev: str) -> None:
    if doc.id != expected_id or doc.rev != expected_rev:
        raise Refused("bad_id", f"its content is {expected_id} {expected_rev}, it is stored as {doc.rev}")
