"""Verifying one database: every document by what it says of itself, then whole files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from cryptography import x509

from crypto import base64url, strictjson
from crypto.errors import CryptoError
from crypto.event import parse_signed_event
from crypto.hashing import parse_sha256_id, rev_of, sha256_id
from replication.attached import build_digest
from replication.document import Doc, DocId
from replication.errors import StoreError
from replication.store import ZERO, ChangeRow, Database, GetRequest, MissingRev
from server.dossier import units
from server.dossier.documents import CERTIFICATE_PREFIX, CHUNK, CRL_PREFIX, FILE_PREFIX, LOG_PREFIX, TIMESTAMP_PREFIX
from server.dossier.event import Event, document_id, parse_event
from server.dossier.manifest import CHUNK_BYTES, Manifest, parse_manifest
from server.errors import Refused, ServerError
from server.verify.logs import LogDocuments
from server.verify.proofs import Proofs
from server.verify.report import Report
from server.verify.timestamps import TimestampDocuments

_AT_ONCE = 200  # documents in memory; with chunks some 7 MB
_MAX_BODY_BYTES = 8 * 1024 * 1024  # a CRL is the largest; the store bounds what it takes in
# What damaged bytes make the parsers below raise. ValueError covers JSON, base64 and UTF-8.
_FAULTS = (CryptoError, ServerError, StoreError, KeyError, TypeError, ValueError)


class DatabaseCheck:
    """One database: proofs first, then what they prove, then whole files."""

    def __init__(self, database: Database, roots: Sequence[x509.Certificate], report: Report) -> None:
        self._database = database
        self._report = report
        self.proofs = Proofs(roots)
        self.logs = LogDocuments(database.name, self.proofs.log_signer, report)
        self.timestamps = TimestampDocuments(database, report)
        self.policies: list[tuple[str, Event]] = []  # by id, the events that say which authorities count
        self.events: set[bytes] = set()  # hashes of the events that were read
        self._manifests: list[Manifest] = []
        self._chunks: set[str] = set()
        self._bad_chunks: set[str] = set()
        self.whole: set[str] = set()  # ids of manifests whose files were read whole
        self.files: dict[str, tuple[str, tuple[str, ...]]] = {}  # event id → document id, manifests it names
        self.receipted: set[str] = set()  # ids of events for whose files a receipt was issued

    def run(self) -> None:
        """Check everything, into the report. Raises `StoreError` if the database cannot be read at all."""
        rows = self._rows()
        proofs = [row for row in rows if row.id.startswith((CERTIFICATE_PREFIX, CRL_PREFIX))]
        others = [row for row in rows if not row.id.startswith((CERTIFICATE_PREFIX, CRL_PREFIX))]
        ders = dict(self._each(proofs, self._take_proof))
        for doc_id, der in ders.items():
            self._guard(doc_id, self._verify_proof, doc_id, der)
        for _ in self._each(others, self._check):
            continue
        for manifest in self._manifests:
            self._guard(FILE_PREFIX + manifest.id, self._check_whole, manifest)

    # Going through the documents

    def _rows(self) -> list[ChangeRow]:
        rows: list[ChangeRow] = []
        since = ZERO
        while True:
            page = self._database.changes(since, limit=1000)
            rows += page.rows
            since = page.last_seq
            if not page.rows or not page.pending:
                break
        count = self._database.info().doc_count
        live = sum(not row.deleted for row in rows)
        if live != count:
            self._problem(f"the feed lists {live} documents, the database counts {count}")
        return rows

    def _each(self, rows: Sequence[ChangeRow], check: Callable[[Doc], Any]) -> Iterator[tuple[str, Any]]:
        """Run `check` on every document; yield (id, what it returned) for those that pass."""
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            for row, docs in zip(some, self._read(some), strict=True):
                passed, doc = self._guard(row.id, _check_form, row, docs)
                if passed:
                    passed, value = self._guard(row.id, check, doc)
                if passed:
                    yield row.id, value
                else:
                    self._bad_chunks.add(row.id)

    def _read(self, rows: Sequence[ChangeRow]) -> list[list[Doc | MissingRev]]:
        """Read documents with their bytes; if the batch does not come out, one by one, to find those to blame."""
        requests = [GetRequest(DocId(row.id)) for row in rows]
        try:
            return self._database.bulk_get(requests, attachments=True)
        except (StoreError, ValueError):
            return [self._read_one(request) for request in requests]

    def _read_one(self, request: GetRequest) -> list[Doc | MissingRev]:
        passed, docs = self._guard(request.id, self._database.bulk_get, [request], attachments=True)
        return list(docs[0]) if passed else []

    def _guard(self, doc_id: str, check: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[bool, Any]:
        """Run a check; a failure becomes a problem that names the document."""
        try:
            return True, check(*arguments, **options)
        except _FAULTS as exc:
            self._problem(f"{doc_id}: {exc}")
            return False, None

    def _problem(self, what: str) -> None:
        self._report.problems.append(f"{self._database.name}: {what}")

    # One document

    def _take_proof(self, doc: Doc) -> bytes:
        member = "certificate" if doc.id.startswith(CERTIFICATE_PREFIX) else "crl"
        text = _fields(doc, {member})[member]
        der = base64.b64decode(text, validate=True)
        if base64.b64encode(der).decode("ascii") != text:
            raise Refused("schema", "base64 in another spelling than its own")
        prefix = CERTIFICATE_PREFIX if member == "certificate" else CRL_PREFIX
        _check_name(doc, prefix + sha256_id(der), rev_of(der))
        if member == "certificate":
            self.proofs.take_certificate(der)
        return der

    def _verify_proof(self, doc_id: str, der: bytes) -> None:
        if doc_id.startswith(CERTIFICATE_PREFIX):
            self.proofs.verify_certificate(der)
            self._report.checked["certificates"] += 1
        else:
            self.proofs.verify_crl(der)
            self._report.checked["revocation lists"] += 1

    def _check(self, doc: Doc) -> None:
        if doc.id.startswith(FILE_PREFIX):
            self._check_manifest(doc)
        elif doc.id.startswith("sha256-"):
            self._check_chunk(doc)
        elif doc.id.startswith(LOG_PREFIX):
            self.logs.take(doc)
            self._report.checked["log documents"] += 1
        elif doc.id.startswith(TIMESTAMP_PREFIX):
            self.timestamps.take(doc)
        else:
            self._check_event(doc)

    def _check_event(self, doc: Doc) -> None:
        fields = _fields(doc, {"event", "signatures"})
        event = parse_event(fields["event"])
        signed = parse_signed_event(fields)
        _check_name(doc, document_id(event.stream, signed.id), signed.rev)
        self.events.add(parse_sha256_id(signed.id))
        self.proofs.verify_event(signed)
        owner = units.unit_of_database(self._database.name)
        if owner is not None and not units.is_within(owner, event.unit):
            raise Refused("wrong_database", f"an event of {event.unit}")
        if event.files:
            self.files[signed.id] = (doc.id, tuple(file.manifest for file in event.files))
        if event.type == "policy.trust":
            self.policies.append((signed.id, event))
        if event.type == "log.alarm":
            self._report.notes.append(f"ALARM by {event.unit}: {event.body['origin']}: {event.body['reason']}")
        if event.type == "receipt.issued":
            self.receipted.add(event.body["of"])
        self._report.checked["events"] += 1

    def _check_manifest(self, doc: Doc) -> None:
        manifest = parse_manifest(_fields(doc, {"manifest"})["manifest"])
        _check_name(doc, FILE_PREFIX + manifest.id, rev_of(manifest.canonical()))
        self._manifests.append(manifest)
        self._report.checked["manifests"] += 1

    def _check_chunk(self, doc: Doc) -> None:
        chunk = doc.attachments.get(CHUNK)
        if chunk is None or chunk.data is None or len(doc.attachments) != 1 or doc.body.strip() != b"{}":
            raise Refused("schema", "not a document with one attachment and nothing else")
        name: str = sha256_id(chunk.data)
        if doc.id != name or len(chunk.data) > CHUNK_BYTES:
            raise Refused("bad_hash", f"its {len(chunk.data)} bytes are {name}")
        _check_name(doc, name, rev_of(chunk.data))
        if chunk.digest != build_digest(chunk.data) or chunk.length != len(chunk.data):
            raise Refused("bad_hash", f"digest {chunk.digest} and length {chunk.length} are not those of its bytes")
        if chunk.content_type != "application/octet-stream" or chunk.encoding is not None:
            raise Refused("schema", f"a chunk is application/octet-stream, this is {chunk.content_type[:40]!a}")
        self._chunks.add(doc.id)
        self._report.checked["chunks"] += 1

    def _check_whole(self, manifest: Manifest) -> None:
        """Read a file whole. Chunks that have not come are a note; those that are bad have been named."""
        wanted = set(manifest.chunks)
        if wanted & self._bad_chunks:
            raise Refused("bad_hash", "a chunk of this file is bad")
        if absent := wanted - self._chunks:
            self._report.notes.append(
                f"{self._database.name}: file {manifest.sha256}: {len(absent)} of {len(wanted)} chunks are not here"
            )
            return
        digest, size = sha256(), 0
        for chunk in manifest.chunks:
            found = self._database.attachment(DocId(chunk), CHUNK)
            assert found.data is not None  # `attachment` brings the bytes
            digest.update(found.data)
            size += len(found.data)
        if "sha256-" + base64url.encode(digest.digest()) != manifest.sha256 or size != manifest.size:
            raise Refused("bad_hash", f"the chunks do not make the file {manifest.sha256}")
        self.whole.add(manifest.id)
        self._report.checked["whole files"] += 1


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


def _fields(doc: Doc, members: set[str]) -> dict[str, Any]:
    """Return the body of a document that has exactly these members and no attachments."""
    value = strictjson.parse(doc.body, max_bytes=_MAX_BODY_BYTES, max_depth=20)
    if not isinstance(value, dict) or value.keys() != members:
        raise Refused("schema", f"expected exactly the members {', '.join(sorted(members))}")
    if doc.attachments:
        raise Refused("schema", "it carries attachments; only chunks do")
    return value


def _check_name(doc: Doc, expected_id: str, expected_rev: str) -> None:
    if doc.id != expected_id or doc.rev != expected_rev:
        raise Refused("bad_id", f"its content is {expected_id} {expected_rev}, it is stored as {doc.rev}")
