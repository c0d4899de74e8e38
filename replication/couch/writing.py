"""Documents into CouchDB, so that one that fails fails alone.

CouchDB refuses a whole `_bulk_docs` request for one bad document (an illegal id, a stub without its bytes), yet may
have stored some of the others: its shards work apart. The request is then halved until the bad ones stand alone.
What had been stored is stored again without harm under `new_edits=false`. An interactive edit that comes a second
time answers "conflict", but gives the same revision (CouchDB derives it from parent and content): where that
revision is there, the edit was ours and has succeeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from replication.couch.answers import build_row_error
from replication.couch.docjson import build_doc_json, build_doc_multipart, check_doc, needs_multipart
from replication.couch.link import Link
from replication.couch.paths import build_doc_path
from replication.couch.reading import Reader
from replication.document import Doc, Rev
from replication.errors import Conflict, StorageFull, StoreError, Unauthorized, Unavailable
from replication.jsontext import parse_json
from replication.store import GetRequest, JsonObject, WriteResult

# 400 and 412 name a document's fault, 413 one that is too large or all of them together; 500 with this reason is
# how CouchDB 3.5 answers a stub whose document it has never seen.
_SPOILING = (400, 412, 413)
_CRASHED_ON_A_STUB = "function_clause"


class Writer:
    """Writes documents into one database."""

    def __init__(self, link: Link, database: str, reader: Reader) -> None:
        self._link = link
        self._database = database
        self._reader = reader

    def store(self, docs: Sequence[Doc], *, new_edits: bool) -> list[WriteResult]:
        """Return one result per document, in order. Raises only for what concerns the whole database."""
        results: list[WriteResult | None] = [_check(doc, new_edits) for doc in docs]
        batch = [index for index, result in enumerate(results) if result is None]
        single = [index for index in batch if needs_multipart(docs[index])]
        plain = [index for index in batch if index not in set(single)]
        for index in single:
            results[index] = self._store_multipart(docs[index], new_edits)
        stored = self._store_batch([docs[index] for index in plain], new_edits, again=False)
        for index, result in zip(plain, stored, strict=True):
            results[index] = result
        return [result for result in results if result is not None]
