"""Documents into CouchDB, so that one that fails fails alone.

CouchDB refuses a whole `_bulk_docs` request for one bad document (an illegal id, a stub without its bytes), yet may
have stored some of the others: its shards work apart. The request is then halved until the bad ones stand alone.
What had been stored is stored again without harm under `new_edits=false`. An interactive edit that comes a second
time answers "conflict", but its outcome is there to be seen: a leaf with the same parent and the same content, which
is the very revision a first success would have named, since CouchDB computes revisions from parent and content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from replication.couch.answers import build_row_error
from replication.couch.docjson import build_doc_json, build_doc_multipart, check_doc, needs_multipart
from replication.couch.link import Link
from replication.couch.paths import build_doc_path
from replication.couch.reading import Reader
from replication.document import Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest, Conflict, Forbidden, MissingStub, StoreError
from replication.jsontext import parse_json
from replication.store import GetRequest, JsonObject, WriteResult

# 400 and 412 name one document's fault; 413 says that one is too large, or all of them together.
_SPOILING = (400, 412, 413)
_STUB_CRASH = "function_clause"  # CouchDB 3.5 answers 500 with it to a stub in a document it has never seen


@dataclass(frozen=True, slots=True)
class _Pending:
    """A document of a batch that is to be sent: its place, and whether its id stands there for the first time."""

    index: int
    doc: Doc
    is_first: bool


class Writer:
    """Writes documents into one database."""

    def __init__(self, link: Link, database: str, reader: Reader) -> None:
        self._link = link
        self._database = database
        self._reader = reader

    def store(self, docs: Sequence[Doc], *, new_edits: bool) -> list[WriteResult]:
        """Return one result per document, in order. Raises for what concerns the whole database."""
        results = [_refuse(doc, new_edits) for doc in docs]
        if new_edits:
            results = self._refuse_unknown_parents(docs, results)
        seen: set[DocId] = set()
        pending = []
        for index, (doc, result) in enumerate(zip(docs, results, strict=True)):
            if result is None:
                pending.append(_Pending(index, doc, is_first=doc.id not in seen))
                seen.add(doc.id)
        # In order, because a later document may build on an earlier one of the same batch.
        for alone, group in groupby(pending, lambda entry: _travels_alone(entry.doc, new_edits)):
            part = list(group)
            stored = (
                [result for entry in part for result in self._store_alone(entry, new_edits)]
                if alone
                else self._store_batch(part, new_edits, again=False)
            )
            for entry, result in zip(part, stored, strict=True):
                results[entry.index] = result
        return [result for result in results if result is not None]

    def _refuse_unknown_parents(
        self, docs: Sequence[Doc], results: Sequence[WriteResult | None]
    ) -> list[WriteResult | None]:
        """Return the results with a `Conflict` for each edit of a revision that is not there.

        CouchDB 3.5 stores the edit of a document that was never there as if its parent existed, unless a validation
        function, an attachment or a shard that was just opened makes it look (`before_docs_update` in couch_db.erl).
        """
        edits: dict[DocId, list[Rev]] = {}
        for doc, result in zip(docs, results, strict=True):
            if result is None and doc.rev is not None:
                edits.setdefault(doc.id, []).append(doc.rev)
        if not edits:
            return list(results)
        answer = self._link.json("POST", (self._database, "_revs_diff"), edits, repeat=True)
        return [
            WriteResult(doc.id, error=Conflict())
            if result is None and doc.rev in answer.get(doc.id, {}).get("missing", ())
            else result
            for doc, result in zip(docs, results, strict=True)
        ]

    def _store_alone(self, entry: _Pending, new_edits: bool) -> list[WriteResult]:
        if needs_multipart(entry.doc):
            return [self._store_multipart(entry, new_edits)]
        return self._store_batch([entry], new_edits, again=False)

    def _store_batch(self, part: Sequence[_Pending], new_edits: bool, *, again: bool) -> list[WriteResult]:
        texts = [build_doc_json(entry.doc, new_edits=new_edits) for entry in part]
        head = b'{"new_edits":true,"docs":[' if new_edits else b'{"new_edits":false,"docs":['
        body = head + b",".join(texts) + b"]}"
        try:
            answer = self._link.request("POST", (self._database, "_bulk_docs"), body, repeat=True)
        except StoreError as error:
            if not _spoils(error):
                raise
            if len(part) == 1:
                return [WriteResult(part[0].doc.id, error=_explain(part[0].doc, error))]
            middle = len(part) // 2
            halves = (part[:middle], part[middle:])
            return [result for half in halves for result in self._store_batch(half, new_edits, again=True)]
        rows: list[JsonObject] = answer.json()
        if not new_edits:
            return _read_failures(part, rows)
        results = [_read_row(entry.doc, row) for entry, row in zip(part, rows, strict=True)]
        return self._recognise(part, results) if again or answer.repeated else results

    def _store_multipart(self, entry: _Pending, new_edits: bool) -> WriteResult:
        doc = entry.doc
        content_type, body = build_doc_multipart(doc, new_edits=new_edits)
        try:
            answer = self._link.request(
                "PUT",
                (self._database, *build_doc_path(doc.id)),
                body,
                params={"new_edits": new_edits},
                headers={"Content-Type": content_type},
                repeat=not new_edits,
            )
        except StoreError as error:
            if _spoils(error) or isinstance(error, Conflict | Forbidden):
                return WriteResult(doc.id, error=_explain(doc, error))
            raise
        return WriteResult(doc.id, Rev(answer.json()["rev"]))

    def _recognise(self, part: Sequence[_Pending], results: Sequence[WriteResult]) -> list[WriteResult]:
        """Return the results with those conflicts turned to success that only our own first attempt caused."""
        return [
            WriteResult(entry.doc.id, rev)
            # A second edit of one document in a batch is a true conflict.
            if isinstance(result.error, Conflict) and entry.is_first and (rev := self._find_own(entry.doc)) is not None
            else result
            for entry, result in zip(part, results, strict=True)
        ]

    def _find_own(self, edit: Doc) -> Rev | None:
        for leaf in self._reader.leaves(GetRequest(edit.id)):
            if isinstance(leaf, Doc) and _is_outcome(leaf, edit):
                return leaf.rev
        return None


def _refuse(doc: Doc, new_edits: bool) -> WriteResult | None:
    try:
        check_doc(doc, new_edits=new_edits)
    except BadRequest as error:
        return WriteResult(doc.id, error=error)
    return None


def _travels_alone(doc: Doc, new_edits: bool) -> bool:
    """Return whether a document must not share a request: JSON cannot carry it, or it is likely to spoil the others.

    An edit with stubs is: CouchDB refuses its whole batch after storing part of it. Replicated ones are left with the
    others, since sending those again is harmless.
    """
    return needs_multipart(doc) or (new_edits and any(entry.data is None for entry in doc.attachments.values()))


def _spoils(error: StoreError) -> bool:
    return error.status in _SPOILING or error.reason == _STUB_CRASH


def _explain(doc: Doc, error: StoreError) -> StoreError:
    if error.reason != _STUB_CRASH:
        return error
    names = [name for name, entry in doc.attachments.items() if entry.data is None]
    return MissingStub(f"Invalid attachment stub in {doc.id} for {', '.join(names)}") if names else error


def _read_failures(part: Sequence[_Pending], rows: Sequence[JsonObject]) -> list[WriteResult]:
    """Return results from the answer to `new_edits=false`, which lists nothing but failures."""
    failures = {(row.get("id"), row.get("rev")): build_row_error(row) for row in rows if "error" in row}
    return [
        WriteResult(entry.doc.id, error=failures[entry.doc.id, entry.doc.rev])
        if (entry.doc.id, entry.doc.rev) in failures
        else WriteResult(entry.doc.id, entry.doc.rev)
        for entry in part
    ]


def _read_row(doc: Doc, row: JsonObject) -> WriteResult:
    if "error" in row:
        return WriteResult(doc.id, error=build_row_error(row))
    return WriteResult(doc.id, Rev(row["rev"]))


def _is_outcome(leaf: Doc, edit: Doc) -> bool:
    if edit.rev is not None:
        generation, digest = parse_rev(edit.rev)
        if leaf.generation != generation + 1 or leaf.path[1:2] != (digest,):
            return False
    return (
        leaf.deleted == edit.deleted
        and leaf.attachments.keys() == edit.attachments.keys()
        and bool(parse_json(leaf.body) == parse_json(edit.body))
    )
