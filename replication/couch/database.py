"""One database of a CouchDB, as the engine contract sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from replication.couch.feed import Feed
from replication.couch.link import Link
from replication.couch.local import LocalDocs
from replication.couch.maintenance import Maintenance
from replication.couch.reading import Reader, pick
from replication.couch.writing import Writer
from replication.document import Attachment, Doc, DocId, Rev, Seq, parse_rev
from replication.errors import NotFound
from replication.store import (
    ZERO,
    AllDocsPage,
    AllDocsQuery,
    AllDocsRow,
    ChangesPage,
    DatabaseInfo,
    GetRequest,
    JsonObject,
    LocalDoc,
    MissingRev,
    PurgeResult,
    RevInfo,
    RevsDiff,
    WriteResult,
)


class CouchDatabase:
    """Fulfils `replication.store.Database`. Each call is one request to CouchDB unless its docstring says more."""

    def __init__(self, link: Link, name: str, database: str) -> None:
        self._link = link
        self._name = name
        self._database = database
        self._reader = Reader(link, database)
        self._writer = Writer(link, database, self._reader)
        self._feed = Feed(link, database)
        self._local = LocalDocs(link, database)
        self._maintenance = Maintenance(link, database, name)

    @property
    def name(self) -> str:
        return self._name

    def info(self) -> DatabaseInfo:
        return self._maintenance.info()

    def get(
        self,
        doc_id: DocId,
        rev: Rev | None = None,
        *,
        latest: bool = False,
        atts_since: Sequence[Rev] | None = None,
        attachments: bool = False,
    ) -> Doc:
        if rev is None and atts_since is None:
            return self._reader.winner(doc_id, attachments=attachments)
        if rev is not None:
            parse_rev(rev)
        request = GetRequest(doc_id, rev, None if atts_since is None else tuple(atts_since))
        doc = pick(self._reader.leaves(request, latest=latest, attachments=attachments)[0])
        if doc.deleted and rev is None:
            raise NotFound("deleted")
        return doc

    def open_revs(
        self,
        doc_id: DocId,
        revs: Sequence[Rev] | None,
        *,
        latest: bool = False,
        atts_since: Sequence[Rev] | None = None,
        attachments: bool = False,
    ) -> list[Doc | MissingRev]:
        since = None if atts_since is None else tuple(atts_since)
        if revs is None:
            found = self._reader.leaves(GetRequest(doc_id, None, since), latest=latest, attachments=attachments)
            return [entry for entry in found if isinstance(entry, Doc)]
        for rev in revs:
            parse_rev(rev)
        requests = [GetRequest(doc_id, rev, since) for rev in revs]
        rows = self._reader.rows(requests, latest=latest, attachments=attachments)
        found = [entry for row in rows for entry in row]
        if not latest:
            return found
        # Two revisions may have the same descendant; CouchDB's own open_revs names it once.
        by_rev: dict[Rev | None, Doc | MissingRev] = {}
        for entry in found:
            by_rev.setdefault(entry.rev, entry)
        return list(by_rev.values())

    def bulk_get(
        self, requests: Sequence[GetRequest], *, latest: bool = False, attachments: bool = False
    ) -> list[list[Doc | MissingRev]]:
        rows = self._reader.rows(requests, latest=latest, attachments=attachments)
        # CouchDB answers a row without rev with all leaves, best first as `Reader` sorts them; the contract, with one.
        return [row if request.rev is not None else row[:1] for request, row in zip(requests, rows, strict=True)]

    def leaves(self, doc_id: DocId) -> tuple[tuple[Rev, bool], ...]:
        leaves = [pick(found) for found in self._reader.leaves(GetRequest(doc_id))]
        return tuple((leaf.rev, leaf.deleted) for leaf in leaves if leaf.rev is not None)

    def revs_info(self, doc_id: DocId, rev: Rev | None = None) -> tuple[RevInfo, ...]:
        """As the contract says, in two requests: CouchDB prints `_revs_info` for a living winner only."""
        return self._reader.revs_info(self._leaf_or_rev(doc_id, rev))

    def attachment(self, doc_id: DocId, name: str, rev: Rev | None = None) -> Attachment:
        """As the contract says, in two requests: what it is, and its bytes as stored."""
        return self._reader.attachment(self.get(doc_id, rev), name)

    def all_docs(self, query: AllDocsQuery) -> AllDocsPage:
        answer = self._link.json("POST", (self._database, "_all_docs"), _build_range(query), repeat=True)
        rows = tuple(_read_all_docs_row(row) for row in answer["rows"])
        rare = self._reader.find_rarely_held([row.id for row in rows if row.rev is None])
        if rare:
            rows = tuple(_as_held(rare[row.id]) if row.id in rare else row for row in rows)
        total = answer.get("total_rows")
        offset = None if query.keys is not None else answer.get("offset")
        return AllDocsPage(rows, self.info().doc_count if total is None else total, offset)

    def changes(
        self,
        since: Seq = ZERO,
        *,
        limit: int | None = None,
        descending: bool = False,
        doc_ids: Sequence[DocId] | None = None,
    ) -> ChangesPage:
        return self._feed.page(since, limit, descending, doc_ids)

    def wait_for_change(self, since: Seq, timeout_s: float) -> bool:
        return self._feed.wait(since, timeout_s)

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> dict[DocId, RevsDiff]:
        for rev in chain.from_iterable(wanted.values()):
            parse_rev(rev)  # CouchDB lets some through that are none
        asked = {doc_id: list(revs) for doc_id, revs in wanted.items()}
        answer = self._link.json("POST", (self._database, "_revs_diff"), asked, repeat=True)
        return {doc_id: _read_diff(revs, answer[doc_id]) for doc_id, revs in asked.items() if doc_id in answer}

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        return self._writer.store(docs, new_edits=new_edits)

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        return self._maintenance.purge(wanted)

    def compact(self) -> None:
        self._maintenance.compact()

    def set_revs_limit(self, limit: int) -> None:
        self._maintenance.set_revs_limit(limit)

    def revs_limit(self) -> int:
        return self._maintenance.revs_limit()

    def security(self) -> JsonObject:
        return self._maintenance.security()

    def set_security(self, security: JsonObject) -> None:
        self._maintenance.set_security(security)

    def get_local(self, local_id: str) -> LocalDoc:
        return self._local.get(local_id)

    def put_local(self, local_id: str, body: bytes) -> Rev:
        return self._local.put(local_id, body)

    def delete_local(self, local_id: str) -> None:
        self._local.delete(local_id)

    def local_docs(self) -> Iterator[LocalDoc]:
        return self._local.all()

    def _leaf_or_rev(self, doc_id: DocId, rev: Rev | None) -> Doc:
        return pick(self._reader.leaves(GetRequest(doc_id, rev))[0])


def _build_range(query: AllDocsQuery) -> JsonObject:
    wanted: JsonObject = {"descending": query.descending, "skip": query.skip}
    if query.limit is not None:
        wanted["limit"] = query.limit
    if query.keys is not None:
        return {**wanted, "keys": list(query.keys)}
    wanted["inclusive_end"] = query.inclusive_end
    if query.start is not None:
        wanted["start_key"] = query.start
    if query.end is not None:
        wanted["end_key"] = query.end
    return wanted


def _read_all_docs_row(row: JsonObject) -> AllDocsRow:
    if "error" in row:
        return AllDocsRow(DocId(row["key"]), None)
    value = row["value"]
    return AllDocsRow(DocId(row["id"]), Rev(value["rev"]), value.get("deleted") is True)


def _as_held(doc: Doc) -> AllDocsRow:
    return AllDocsRow(doc.id, doc.rev, doc.deleted)


def _read_diff(asked: Sequence[Rev], answer: JsonObject) -> RevsDiff:
    missing = set(answer["missing"])
    # CouchDB lists them in no order; once each, in the order asked.
    ordered = tuple(rev for rev in dict.fromkeys(asked) if rev in missing)
    return RevsDiff(ordered, tuple(map(Rev, answer.get("possible_ancestors", ()))))
