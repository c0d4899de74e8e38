"""`Intake.admit`: a batch in, one result per document; the good is stored durably, the rest held as evidence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from crypto import strictjson
from crypto.crl import Crl
from crypto.event import parse_signed_event
from crypto.hashing import rev_of, sha256_id
from replication.document import Doc, DocId, Rev
from replication.errors import Forbidden, StoreError, Unavailable
from replication.store import Database, Store, WriteResult
from server.clocks.clock import NodeClock
from server.dossier.documents import CERTIFICATE_PREFIX, CRL_PREFIX
from server.dossier.event import Event, document_id
from server.errands import for_each
from server.errors import Refused
from server.intake.certificates import CheckedCertificate, check_certificate_document, check_crl_document
from server.intake.documents import Kind, check_immutable, check_name, kind_of
from server.intake.erased import Erased
from server.intake.events import MAX_BODY_BYTES, MAX_BODY_DEPTH, check_event_document
from server.intake.files import check_chunk_document, check_manifest_document
from server.intake.ledger import EventLog, NoLog
from server.intake.logs import check_log_document, check_log_name
from server.intake.places import check_kind
from server.intake.quarantine import Quarantine, Refusal, parse_evidence
from server.intake.refusal import forbidden, refusing
from server.intake.source import Source
from server.intake.timestamps import check_timestamp_document, check_timestamp_name
from server.intake.verdict import Admissions, Verdict
from server.pki.directory import Directory, UnknownCertificate
from server.pki.documents import parse_der_body

_LOG = logging.getLogger(__name__)

_PROOFS: tuple[Kind, ...] = ("certificate", "crl")


@dataclass(slots=True)
class _Batch:
    """One `admit` at work: the documents by their place in the request, and what has become of them."""

    database: Database
    source: Source
    docs: dict[int, tuple[Kind, Doc]] = field(default_factory=dict)
    results: dict[int, WriteResult] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    crls: dict[int, Crl] = field(default_factory=dict)
    satisfied: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class Intake:
    """The door of one node. Safe from several threads. `on_stored` is told the database after each durable write,
    `on_judged` the results of each batch. `may_bring` raises `Refused` for a proven event that a person brings and
    that cannot count any more; what peers bring is never asked about, or tiers would hold different sets of events."""

    def __init__(
        self,
        *,
        unit: str,
        store: Store,
        directory: Directory,
        quarantine: Quarantine,
        admissions: Admissions,
        clock: NodeClock,
        log: EventLog | None = None,
        erased: Erased | None = None,
        may_bring: Callable[[str, Event], None] = lambda _database, _event: None,
        on_stored: Callable[[str], None] = lambda _: None,
        on_judged: Callable[[Sequence[WriteResult]], None] = lambda _: None,
    ) -> None:
        self._unit = unit
        self._store = store
        self._directory = directory
        self._quarantine = quarantine
        self._admissions = admissions
        self._clock = clock
        self._log: EventLog = log or NoLog()
        self._erased = erased
        self._may_bring = may_bring
        self.on_stored = on_stored
        self._on_judged = on_judged

    def admit(self, database_name: str, docs: Sequence[Doc], *, source: Source) -> list[WriteResult]:
        """Return one result per document, in order: its revision once it is durably stored, or `Forbidden` with a
        reason that begins with the word of the step that refused it.

        A document that is here already is a success and changes nothing. Within a batch certificates and CRLs go first.
        What waited in quarantine for a certificate of this batch is offered again. Raises what the store raises for the
        batch as a whole: `NotFound` for the database, `StorageFull`.
        """
        batch = _Batch(self._store.open(database_name), source)
        for i, doc in enumerate(docs):
            self._step(batch, i, doc, self._sort)
        self._settle_known(batch)
        self._settle_erased(batch)
        self._admit_proofs(batch)
        for i, (_, doc) in list(batch.docs.items()):
            self._step(batch, i, doc, self._check)
        self._quarantine.hold(batch.refused, database=database_name, source=str(batch.source), at=self._clock.now())
        self._write(batch, list(batch.docs))
        if batch.satisfied:
            self._offer_again(database_name, batch.satisfied)
        results = [batch.results[i] for i in range(len(docs))]
        self._on_judged(results)
        return results

    def erased(self, database_name: str, doc_ids: Sequence[str]) -> set[str]:
        """Return those of some documents that were erased here for good (`server.erasure`)."""
        return self._erased.among(database_name, doc_ids) if self._erased is not None and doc_ids else set()

    def offer_waiting(self) -> None:
        """Offer again whatever in quarantine waits for a certificate that is here by now.

        `admit` does so when it takes the certificate; a crash or a full disk may come between, and another process may
        have taken it. Raises `server.errands.Unfinished` for databases where that failed; the others are done.
        """
        found: dict[str, list[str]] = {}
        databases = set(self._store.names())
        for database, key in self._quarantine.wanted():
            if database in databases and self._directory.holds(database, key):
                found.setdefault(database, []).append(key)
        for_each(found, lambda database: self._offer_again(database, found[database]))

    # Stages, in the order of `admit`

    def _sort(self, batch: _Batch, i: int, doc: Doc) -> None:
        """Take a document into the batch if it is of an immutable kind that this database holds."""
        kind = kind_of(doc)
        check_immutable(doc)  # 4
        check_kind(batch.database.name, kind)
        batch.docs[i] = (kind, doc)

    def _settle_known(self, batch: _Batch) -> None:
        """Answer for what is stored already: the name must fit the content, the rest was proven when it was stored."""
        wanted: dict[DocId, list[Rev]] = {}
        for _, doc in batch.docs.values():
            wanted.setdefault(doc.id, []).append(_rev(doc))
        missing = batch.database.revs_diff(wanted) if wanted else {}
        logged: list[str] = []
        for i, (kind, doc) in list(batch.docs.items()):
            if doc.id in missing and doc.rev in missing[doc.id].missing:
                continue
            self._step(batch, i, doc, _check_name_alone)
            if i in batch.docs:
                batch.results[i] = WriteResult(doc.id, doc.rev)
                del batch.docs[i]
                if kind == "event":
                    logged.append(doc.id)
        if logged:
            self._log.ensure(batch.database.name, logged, self._clock.now())

    def _settle_erased(self, batch: _Batch) -> None:
        """Answer for what was erased here: a success, so that whoever brought it goes on, and nothing is stored."""
        events = [doc.id for kind, doc in batch.docs.values() if kind == "event"]
        erased = self.erased(batch.database.name, events)
        for i, (_, doc) in list(batch.docs.items()):
            if doc.id in erased:
                self._step(batch, i, doc, _check_name_alone)
            if doc.id in erased and i in batch.docs:
                _LOG.info("erased: %s from %s is not stored again", doc.id, batch.source)
                batch.results[i] = WriteResult(doc.id, doc.rev)
                del batch.docs[i]

    def _admit_proofs(self, batch: _Batch) -> None:
        """Check and store certificates and CRLs, issuers before what they issued, however the batch orders them."""
        left = [i for i, (kind, _) in batch.docs.items() if kind in _PROOFS]
        while left:
            waiting = self._check_proofs(batch, left, may_wait=True)
            if len(waiting) == len(left):  # nothing in this batch helps any of them
                self._check_proofs(batch, left, may_wait=False)
                break
            left = waiting
        self._write(batch, [i for i, (kind, _) in batch.docs.items() if kind in _PROOFS])

    def _check_proofs(self, batch: _Batch, places: Sequence[int], *, may_wait: bool) -> list[int]:
        """Check certificates and CRLs; return the places of those whose issuer may still be found in this batch."""
        waiting: list[int] = []

        def check(batch: _Batch, i: int, doc: Doc) -> None:
            try:
                self._check(batch, i, doc)
            except UnknownCertificate:
                if not may_wait:
                    raise
                waiting.append(i)

        for i in places:
            self._step(batch, i, batch.docs[i][1], check)
        return waiting

    def _check(self, batch: _Batch, i: int, doc: Doc) -> None:
        """Run the numbered steps for one document. Raises `Refused`."""
        kind = batch.docs[i][0]
        name, now = batch.database.name, self._clock.now()
        if kind == "certificate":
            checked = check_certificate_document(doc, database=name, directory=self._directory, now=now)
            self._learn(name, checked)
            batch.satisfied += checked.satisfies
        elif kind == "crl":
            batch.crls[i] = check_crl_document(doc, database=name, directory=self._directory)
        elif kind == "manifest":
            check_manifest_document(doc)
        elif kind == "chunk":
            check_chunk_document(doc)
        elif kind == "log":
            check_log_document(doc, database=name, directory=self._directory, now=now)
        elif kind == "timestamp":
            check_timestamp_document(doc, source=batch.source)
        else:
            event = check_event_document(
                doc, database=name, home_unit=self._unit, source=batch.source, directory=self._directory, now=now
            )
            if batch.source.kind == "person":
                self._may_bring(name, event.event)
            batch.verdicts[i] = event.verdict

    def _learn(self, database: str, checked: CheckedCertificate) -> None:
        if checked.is_ca:
            self._directory.learn_authority(database, checked.certificate, checked.fingerprint)

    def _write(self, batch: _Batch, places: Sequence[int]) -> None:
        """Store what passed, in one durable step."""
        if not places:
            return
        docs = [replace(doc, path=(_rev(doc).partition("-")[2],)) for doc in (batch.docs[i][1] for i in places)]
        name = batch.database.name
        verdicts = [(batch.docs[i][1].id, batch.verdicts[i]) for i in places if i in batch.verdicts]
        now = self._clock.now()
        with self._log.intending(name, [doc_id for doc_id, _ in verdicts], now):
            self._admissions.record(name, verdicts, now)
        results = batch.database.bulk_docs(docs, new_edits=False)
        refused = {result.id for result in results if result.error is not None}
        events = [doc_id for doc_id, _ in verdicts]
        self._log.settle(
            name, [each for each in events if each not in refused], [each for each in events if each in refused], now
        )
        for i, result in zip(places, results, strict=True):
            batch.results[i] = result
            if i in batch.crls and result.error is None:
                self._directory.learn_crl(name, batch.crls[i])
            batch.docs.pop(i)
        self.on_stored(name)

    def _offer_again(self, database: str, keys: Iterable[str]) -> None:
        """Admit what was refused only because a certificate was missing that has come now."""
        for held in self._quarantine.waiting(database, list(keys)):
            kind, _, name = held.source.partition(":")
            source = Source(kind, name)  # type: ignore[arg-type]  # `str(source)` wrote it
            error = self.admit(database, [parse_evidence(held)], source=source)[0].error
            if error is None or (isinstance(error, Forbidden) and not error.reason.startswith(held.code)):
                self._quarantine.release(held.id)  # admitted, or held now for another reason

    # Refusing

    def _step(self, batch: _Batch, i: int, doc: Doc, step: Callable[[_Batch, int, Doc], None]) -> None:
        """Run one step for one document; if it fails, the document leaves the batch with its result."""
        try:
            step(batch, i, doc)
        except Refused as exc:
            self._hold(batch, doc, exc)
            error: StoreError = forbidden(exc)
        except StoreError as exc:
            if exc.status >= 500:  # the store's trouble, not the document's
                raise
            refused = Refused("bad_id", exc.reason)
            self._hold(batch, doc, refused)
            error = forbidden(refused)
        except Exception:
            # A defect of this program that one document brings to light must not hold up the others. The sender keeps
            # the document and offers it again later, because the status says that it is not the document's fault.
            _LOG.exception("intake failed on %s for %s", doc.id, batch.database.name)
            error = Unavailable(f"intake failed on {doc.id}; the node's log says why")
        else:
            return
        batch.docs.pop(i, None)
        batch.results[i] = WriteResult(doc.id, error=error)

    def _hold(self, batch: _Batch, doc: Doc, exc: Refused) -> None:
        _LOG.info("refused %s from %s for %s: %s", doc.id, batch.source, batch.database.name, exc)
        waiting_for = exc.waiting_for if isinstance(exc, UnknownCertificate) else None
        batch.refused.append(Refusal(doc, exc.code, exc.reason, waiting_for))


def _rev(doc: Doc) -> Rev:
    assert doc.rev is not None  # `check_immutable` saw to it
    return doc.rev


def _check_name_alone(batch: _Batch, i: int, doc: Doc) -> None:
    """Raise `Refused` unless the document's name is the hash of its content (step 4)."""
    kind = batch.docs[i][0]
    if kind == "manifest":
        check_manifest_document(doc)
    elif kind == "chunk":
        check_chunk_document(doc)
    elif kind == "event":
        with refusing():
            fields = strictjson.parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_BODY_DEPTH)
            signed = parse_signed_event(fields)
        check_name(doc, document_id(str(signed.event.get("stream")), signed.id), signed.rev)
    elif kind == "log":
        check_log_name(doc)
    elif kind == "timestamp":
        check_timestamp_name(doc)
    else:
        prefix = CERTIFICATE_PREFIX if kind == "certificate" else CRL_PREFIX
        der = parse_der_body(doc.body, kind)
        check_name(doc, prefix + sha256_id(der), rev_of(der))
