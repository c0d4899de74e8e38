"""The JSON of a CouchDB peer's answers as values, and of our questions. Anything of another shape is `NotAPeer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from replication.document import Doc, DocId, Rev, Seq, parse_rev
from replication.errors import BadRequest, NotAPeer
from replication.peers.encoded import is_inexact
from replication.peers.peer import NO_SEQ, JsonObject, Outgoing, Refusal, Summary
from replication.store import ChangeRow, ChangesPage, GetRequest, MissingRev, RevsDiff
from replication.wire import parse_document

# Row errors that say something about the peer's day, not about the document.
TRANSIENT_WORDS = frozenset({"service_unavailable", "insufficient_storage", "timeout", "internal_server_error"})


def parse_summary(value: Any) -> Summary:
    """Return what `GET /db` says."""
    try:
        count = int(value["doc_count"]) + int(value.get("doc_del_count", 0))
        return Summary(count, Seq(str(value["update_seq"])), str(value.get("instance_start_time", "")))
    except (TypeError, KeyError, ValueError, AttributeError) as exc:
        raise NotAPeer("the answer does not describe a database") from exc


def parse_changes(value: Any) -> ChangesPage:
    """Return the rows of a `_changes`; where the peer does not say how many follow, as many are expected again."""
    try:
        rows = tuple(_parse_change(row) for row in value["results"])
        pending = value.get("pending")
        return ChangesPage(rows, Seq(str(value["last_seq"])), pending if isinstance(pending, int) else len(rows))
    except (TypeError, KeyError, AttributeError, BadRequest) as exc:
        raise NotAPeer("the answer is no feed of changes") from exc


def _parse_change(row: Any) -> ChangeRow:
    seq = row.get("seq")
    leaves = tuple(Rev(change["rev"]) for change in row["changes"])
    for leaf in leaves:
        parse_rev(leaf)
    doc_id = row["id"]
    if not isinstance(doc_id, str) or not leaves:
        raise NotAPeer("a row of the feed of changes names no document")
    return ChangeRow(NO_SEQ if seq is None else Seq(str(seq)), DocId(doc_id), leaves, row.get("deleted") is True)


def parse_brought(rows: Sequence[Any]) -> dict[tuple[DocId, Rev], Doc]:
    """Return the documents that came with rows of a feed: those that need no history beyond their own revision.

    What cannot be read is left out; asked for by itself, it is named to whoever waits for it.
    """
    brought = {}
    for row in rows:
        value, leaves = row.get("doc"), row["changes"]
        if not isinstance(value, dict) or len(leaves) != 1 or row.get("deleted") is True:
            continue
        try:
            doc = parse_document(value, new_edits=False)
        except BadRequest:
            continue
        known = doc.generation == 1 and (doc.id, doc.rev) == (row["id"], leaves[0]["rev"])
        if known and not is_inexact(doc):
            brought[doc.id, Rev(leaves[0]["rev"])] = doc
    return brought


def parse_revs_diff(value: Any) -> dict[DocId, RevsDiff]:
    """Return what is missing, by id; ids with nothing missing are left out."""
    try:
        return {
            DocId(doc_id): RevsDiff(
                tuple(Rev(rev) for rev in entry["missing"]),
                tuple(Rev(rev) for rev in entry.get("possible_ancestors") or ()),
            )
            for doc_id, entry in value.items()
            if entry.get("missing")
        }
    except (TypeError, KeyError, AttributeError) as exc:
        raise NotAPeer("the answer is no _revs_diff") from exc


def build_get(request: GetRequest) -> JsonObject:
    """Return one row of a `_bulk_get` question."""
    row: JsonObject = {"id": request.id}
    if request.rev is not None:
        row["rev"] = request.rev
    if request.atts_since:
        row["atts_since"] = list(request.atts_since)
    return row


def parse_bulk_get(requests: Sequence[GetRequest], value: Any) -> list[list[Doc | MissingRev]]:
    """Return the revisions of a `_bulk_get`, one list a request.

    CouchDB answers in the order of the request, one result each; anything else cannot be trusted."""
    try:
        results = value["results"]
        if [result["id"] for result in results] != [request.id for request in requests]:
            raise NotAPeer("the _bulk_get answers other documents than were asked for")
        return [
            [_parse_got(request, row) for row in result["docs"]]
            for request, result in zip(requests, results, strict=True)
        ]
    except (TypeError, KeyError, AttributeError, BadRequest) as exc:
        raise NotAPeer("the answer is no _bulk_get") from exc


def _parse_got(request: GetRequest, row: Any) -> Doc | MissingRev:
    if "ok" in row:
        try:
            doc = parse_document(row["ok"], new_edits=False)
        except BadRequest as exc:  # one unreadable document must not hold up the others
            return MissingRev(request.id, request.rev, f"unreadable: {exc.reason}")
        if doc.id != request.id:
            raise NotAPeer("the _bulk_get answers a document under another's name")
        return doc
    return MissingRev(request.id, request.rev, str(row["error"].get("error", "missing")))


def parse_refusals(docs: Sequence[Outgoing], value: Any) -> tuple[Refusal, ...]:
    """Return the refusals of a `_bulk_docs`: CouchDB lists failures only; rows that say ok are passed over."""
    if not isinstance(value, list):
        raise NotAPeer("the answer is no _bulk_docs")
    revs = {out.doc.id: out.doc.rev for out in docs}
    refusals = []
    for row in value:
        if not isinstance(row, dict):
            raise NotAPeer("the answer is no _bulk_docs")
        if "error" not in row:
            continue
        doc_id, word = DocId(str(row.get("id"))), str(row["error"])
        rev = row.get("rev")
        known = Rev(rev) if isinstance(rev, str) and rev else revs.get(doc_id)
        refusals.append(Refusal(doc_id, known, word, str(row.get("reason", "")), word in TRANSIENT_WORDS))
    return tuple(refusals)


def is_new(row: Any) -> bool:
    """Is this the row of a document with one leaf of the first generation, which came along with it?"""
    changes, doc = row.get("changes"), row.get("doc")
    if row.get("seq") is None or not isinstance(changes, list) or len(changes) != 1 or not isinstance(doc, dict):
        return False
    rev = doc.get("_rev")
    return (row.get("id"), changes[0]) == (doc.get("_id"), {"rev": rev}) and str(rev).startswith("1-")
