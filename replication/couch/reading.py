"""Documents out of CouchDB, nearly all through `_bulk_get`.

One POST answers any number of rows in their order, and it sets no bound on the length of ids and revision lists, as
the address of a GET does. A row without `rev` answers with all leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from replication.couch.docjson import parse_doc
from replication.couch.link import Link
from replication.couch.paths import build_doc_path
from replication.document import Attachment, Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest, NotFound, Unavailable
from replication.store import GetRequest, JsonObject, MissingRev, RevInfo

NO_ANSWER = "internal_fabric_error"
NOBODYS_REV = "1-none"
MAX_ID_IN_ADDRESS = 500  # characters; 6 KB when percent-encoded, and CouchDB stops reading a head at 8 KB
ROWS_PER_REQUEST = 1000  # CouchDB takes 10,000 (max_bulk_get_count); answers stay moderate this way
Found = Doc | MissingRev


class Reader:
    """Reads the documents of one database."""

    def __init__(self, link: Link, database: str) -> None:
        self._link = link
        self._database = database
        self._copies = 0  # of each document; not asked yet

    def leaves(self, request: GetRequest, *, latest: bool = False, attachments: bool = False) -> list[Found]:
        """Return what one row answers: best leaf first where there are several."""
        return self.rows([request], latest=latest, attachments=attachments)[0]

    def rows(
        self, requests: Sequence[GetRequest], *, latest: bool = False, attachments: bool = False
    ) -> list[list[Found]]:
        """Return one list per request: the revision, all leaves where no revision is named, or what is missing."""
        params = {"revs": True, "att_encoding_info": True, "attachments": attachments, "latest": latest}
        found: list[list[Found]] = []
        for start in range(0, len(requests), ROWS_PER_REQUEST):
            part = requests[start : start + ROWS_PER_REQUEST]
            wanted = {"docs": [_build_row(request) for request in part]}
            answer = self._link.json("POST", (self._database, "_bulk_get"), wanted, params=params, repeat=True)
            found += [self._parse_row(*pair) for pair in zip(part, answer["results"], strict=True)]
        return found

    def winner(self, doc_id: DocId, *, attachments: bool = False) -> Doc:
        """Return the winning revision. Raises `NotFound("missing")` or `NotFound("deleted")`.

        A plain GET, which takes CouchDB half the time of a `_bulk_get`, unless the id is long.
        """
        if doc_id.startswith("_local/"):
            raise NotFound("missing")
        if len(doc_id) <= MAX_ID_IN_ADDRESS:
            params = {"revs": True, "att_encoding_info": True, "attachments": attachments}
            path = (self._database, *build_doc_path(doc_id))
            try:
                return parse_doc(self._link.json("GET", path, params=params, repeat=True), self.fetch_stored)
            except NotFound as missing:
                if missing.reason != "missing" or not self.has_copies():  # else see `find_rarely_held`
                    raise
        doc = pick(self.leaves(GetRequest(doc_id), attachments=attachments)[0])
        if doc.deleted:
            raise NotFound("deleted")
        return doc

    def find_rarely_held(self, ids: Sequence[DocId]) -> dict[DocId, Doc]:
        """Return those of the documents CouchDB calls missing that one copy has all the same.

        Two copies without a document outvote the third in a GET and in `_all_docs`. That third may hold what a change
        feed has shown already, or what was accepted while it was alone (202). `_bulk_get` asks every copy that lives.
        """
        if not ids or not self.has_copies():
            return {}
        rows = self.rows([GetRequest(doc_id) for doc_id in ids])
        return {found.id: found for row in rows for found in row[:1] if isinstance(found, Doc)}

    def has_copies(self) -> bool:
        """Return whether the database is kept on several nodes of a cluster. Asked once."""
        if not self._copies:
            info = self._link.json("GET", (self._database,), repeat=True)
            self._copies = int(info.get("cluster", {}).get("n", 1))
        return self._copies > 1

    def fetch_stored(self, doc_id: DocId, rev: Rev, name: str) -> bytes:
        """Return one attachment's bytes as stored, encoded or not. Raises `NotFound`."""
        path = (self._database, *build_doc_path(doc_id), name)
        return self._link.request(
            "GET", path, params={"rev": rev}, headers={"Accept": "*/*", "Accept-Encoding": "gzip"}, repeat=True
        ).body

    def attachment(self, doc: Doc, name: str) -> Attachment:
        """Return one attachment of a document, with bytes. Raises `NotFound` when it has none of that name."""
        stub = doc.attachments.get(name)
        if stub is None or doc.rev is None:
            raise NotFound("Document is missing attachment")
        return replace(stub, data=self.fetch_stored(doc.id, doc.rev, name))

    def revs_info(self, doc: Doc) -> tuple[RevInfo, ...]:
        """Return the document's path, newest first, each revision with whether its body is held."""
        revs = [Rev(f"{doc.generation - offset}-{digest}") for offset, digest in enumerate(doc.path)]
        rows = self.rows([GetRequest(doc.id, rev) for rev in revs])
        return tuple(_build_info(rev, row[0]) for rev, row in zip(revs, rows, strict=True))

    def _parse_row(self, request: GetRequest, result: JsonObject) -> list[Found]:
        docs = [self._parse_found(request, entry) for entry in result["docs"]]
        return sorted(docs, key=_rank, reverse=True) if len(docs) > 1 else docs

    def _parse_found(self, request: GetRequest, entry: JsonObject) -> Found:
        if "ok" in entry:
            return parse_doc(entry["ok"], self.fetch_stored)
        error = entry["error"]
        if error.get("error") == NO_ANSWER:  # no copy of its shard could be asked: it may well be there
            raise Unavailable(f"CouchDB cannot read {request.id!r} now: try again ({error.get('reason')})")
        return MissingRev(request.id, request.rev, str(error.get("reason", "missing")))


def pick(found: Found) -> Doc:
    """Return what was found. Raises `NotFound("missing")`, or `BadRequest` for what is no revision."""
    if isinstance(found, Doc):
        return found
    if found.reason in ("missing", "deleted"):
        raise NotFound(found.reason)
    raise BadRequest(found.reason)


def _build_row(request: GetRequest) -> dict[str, Any]:
    row: dict[str, Any] = {"id": request.id}
    if request.rev is not None:
        row["rev"] = request.rev
    if request.atts_since is not None:
        # CouchDB takes an empty list for no list.
        row["atts_since"] = list(request.atts_since) or [NOBODYS_REV]
    return row


def _rank(found: Found) -> tuple[bool, int, str]:
    if not isinstance(found, Doc) or found.rev is None:
        return False, 0, ""
    return not found.deleted, *parse_rev(found.rev)


def _build_info(rev: Rev, found: Found) -> RevInfo:
    if isinstance(found, MissingRev):
        return RevInfo(rev, "missing")
    return RevInfo(rev, "deleted" if found.deleted else "available")
