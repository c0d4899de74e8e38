"""Verifying one database: proofs first, then every document by what it says of itself, then whole files."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from crypto import base64url
from crypto.hashing import rev_of, sha256_id
from replication.document import Doc, DocId, Seq
from replication.store import ZERO, AllDocsQuery, ChangeRow, Database
from server.dossier.documents import CERTIFICATE_PREFIX, CHUNK, CRL_PREFIX, FILE_PREFIX
from server.dossier.manifest import parse_manifest
from server.errors import Refused
from server.home import Engine
from server.verify.documents import DocumentCheck, Found, check_name, fields_of
from server.verify.effort import Effort
from server.verify.logs import LogDocuments
from server.verify.proofs import Proofs
from server.verify.report import Report
from server.verify.timestamps import TimestampDocuments
from server.verify.workers import Task, check_in_processes

_PAGE = 1000  # rows of the feed in memory, and what a process gets at once
_PROOFS = (CERTIFICATE_PREFIX, CRL_PREFIX)
Place = tuple[Path, Engine]


class DatabaseCheck:
    """One database. `place` is the home and engine it is in, by which other processes can open it too.

    Others may write meanwhile: what came after the first look is not gone into, its proofs may not have been seen.
    """

    def __init__(
        self,
        database: Database,
        roots: Sequence[x509.Certificate],
        report: Report,
        *,
        place: Place | None = None,
        effort: Effort = Effort(),  # noqa: B008 - frozen
    ) -> None:
        self._database = database
        self._report = report
        self._place = place
        self._effort = effort
        self.proofs = Proofs(roots)
        self.logs = LogDocuments(database.name, report)
        self.timestamps = TimestampDocuments(database, report)
        self.found = Found(report)
        self._check = DocumentCheck(database, self.proofs, self.found)
        self.whole: set[str] = set()  # ids of manifests whose files were read whole

    def run(self) -> None:
        """Check everything, into the report. Raises `StoreError` if the database cannot be read at all, `NotReady` if
        a process that helps died."""
        proofs, others, end = self._look()
        ders = dict(self._check.each(proofs, self._take_proof))
        for doc_id, der in ders.items():
            self._check.guard(doc_id, self._verify_proof, doc_id, der)
        self._check_others(others, end)
        for doc_id, log in self.found.logs:
            self.logs.keep(doc_id, log)
        for doc_id in self.found.timestamps:
            self.timestamps.keep(doc_id)
        for manifest_id in self.found.manifests:
            self._check.guard(FILE_PREFIX + manifest_id, self._check_whole, manifest_id)

    # Going through the documents, twice: what proves has to be known before what it proves is read

    def _look(self) -> tuple[list[ChangeRow], int, Seq]:
        """Return the rows of certificates and CRLs, how many others there are, and up to where that is."""
        proofs: list[ChangeRow] = []
        others = live = 0
        before, end = self._database.info().doc_count, ZERO
        for rows, reached in self._pages():
            end = reached
            found = [row for row in rows if row.id.startswith(_PROOFS)]
            proofs += found
            others += len(rows) - len(found)
            live += sum(not row.deleted for row in rows)
        count = self._database.info().doc_count
        if not min(before, count) <= live <= max(before, count):
            self._check.problem(f"the feed lists {live} documents, the database counts {count}")
        return proofs, others, end

    def _check_others(self, total: int, end: Seq) -> None:
        shares, done = self._shares(end), 0
        for count in self._in_processes(shares) if self._is_large(total) else self._here(shares):
            done += count
            self._effort.on_progress(self._database.name, done, total)
        if done < total:
            self._report.notes.append(f"{self._database.name}: {total - done} documents went while it was gone through")

    def _shares(self, end: Seq) -> Iterator[list[ChangeRow]]:
        """Yield the rows of all but proofs that are not after `end`. They are known by name: the order of a cluster's
        feed is one of each shard, and says nothing about when a row came."""
        later: set[str] = set()
        for rows, _ in self._pages():
            for news, reached in self._pages(end):
                later.update(row.id for row in news)
                end = reached
            yield [row for row in rows if not row.id.startswith(_PROOFS) and row.id not in later]

    def _is_large(self, total: int) -> bool:
        return self._place is not None and self._effort.processes > 1 and total >= self._effort.from_documents

    def _here(self, shares: Iterator[list[ChangeRow]]) -> Iterator[int]:
        for rows in shares:
            self._check.run(rows)
            yield len(rows)

    def _in_processes(self, shares: Iterator[list[ChangeRow]]) -> Iterator[int]:
        assert self._place is not None  # `_is_large` looked
        task = Task(*self._place, self._database.name, self.proofs.known())
        counts: list[int] = []

        def counted() -> Iterator[list[ChangeRow]]:
            for rows in shares:
                counts.append(len(rows))
                yield rows

        for number, found in enumerate(check_in_processes(task, counted(), self._effort.processes)):
            self.found.add(found)
            yield counts[number]

    def _pages(self, since: Seq = ZERO) -> Iterator[tuple[Sequence[ChangeRow], Seq]]:
        """Yield the feed's rows after `since`, and up to where each page goes."""
        while True:
            page = self._database.changes(since, limit=_PAGE)
            since = page.last_seq
            yield page.rows, since
            if not page.rows or not page.pending:
                return

    # Proofs and files

    def _take_proof(self, doc: Doc) -> bytes:
        member = "certificate" if doc.id.startswith(CERTIFICATE_PREFIX) else "crl"
        text = fields_of(doc, {member})[member]
        der = base64.b64decode(text, validate=True)
        if base64.b64encode(der).decode("ascii") != text:
            raise Refused("schema", "base64 in another spelling than its own")
        prefix = CERTIFICATE_PREFIX if member == "certificate" else CRL_PREFIX
        check_name(doc, prefix + sha256_id(der), rev_of(der))
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

    def _check_whole(self, manifest_id: str) -> None:
        """Read a file whole. Chunks that have not come are a note; those that are bad have been named."""
        doc = self._database.get(DocId(FILE_PREFIX + manifest_id))
        manifest = parse_manifest(fields_of(doc, {"manifest"})["manifest"])
        wanted = set(manifest.chunks)
        if wanted & self.found.bad:
            raise Refused("bad_hash", "a chunk of this file is bad")
        rows = self._database.all_docs(AllDocsQuery(keys=tuple(map(DocId, wanted)))).rows
        if absent := sum(row.rev is None or row.deleted for row in rows):
            self._report.notes.append(
                f"{self._database.name}: file {manifest.sha256}: {absent} of {len(wanted)} chunks are not here"
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
        self.whole.add(manifest_id)
        self._report.checked["whole files"] += 1
