"""What keeps a database in shape: purge, compaction, limits, who may see it at CouchDB's own door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from replication.couch.compaction import Compaction
from replication.couch.link import Link
from replication.document import DocId, Rev, Seq
from replication.errors import BadRequest
from replication.store import DatabaseInfo, JsonObject, PurgeResult

# CouchDB's max_document_id_number; the revisions of 100 documents stay far below max_revisions_number.
PURGE_IDS = 100

# What CouchDB 3 gives a new database: nobody but its admins. It is our `{}`.
CLOSED: JsonObject = {"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}}


class Maintenance:
    """The upkeep of one database."""

    def __init__(self, link: Link, database: str, name: str) -> None:
        self._link = link
        self._database = database
        self._name = name

    def info(self) -> DatabaseInfo:
        """Return counts, sizes and the current seq."""
        value = self._link.json("GET", (self._database,), repeat=True)
        return DatabaseInfo(
            name=self._name,
            doc_count=value["doc_count"],
            doc_del_count=value["doc_del_count"],
            update_seq=Seq(str(value["update_seq"])),
            purge_seq=Seq(str(value["purge_seq"])),
            # CouchDB tells seconds, the contract microseconds.
            instance_start_time=str(int(value["instance_start_time"]) * 1_000_000),
            disk_size=value["sizes"]["file"],
            data_size=value["sizes"]["active"],
            compact_running=value["compact_running"],
        )

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        """Purge the revisions and return what went."""
        purged: dict[DocId, tuple[Rev, ...]] = {}
        ids = list(wanted)
        for start in range(0, len(ids), PURGE_IDS):
            part = {doc_id: list(wanted[doc_id]) for doc_id in ids[start : start + PURGE_IDS]}
            answer = self._link.json("POST", (self._database, "_purge"), part, repeat=True)
            purged |= {doc_id: tuple(map(Rev, answer["purged"].get(doc_id, ()))) for doc_id in part}
        return PurgeResult(self.info().purge_seq, purged)

    def compact(self) -> None:
        """Compact, and return when every copy of every shard is done. Raises `Unavailable` when one cannot be."""
        self.info()  # CouchDB's map of shards says "missing" or "deleted" of a database that is gone
        Compaction(self._link, self._database).run()

    def revs_limit(self) -> int:
        """Return the limit."""
        return int(self._link.json("GET", (self._database, "_revs_limit"), repeat=True))

    def set_revs_limit(self, limit: int) -> None:
        """Set the limit. Raises `BadRequest` below 1."""
        if limit < 1:  # CouchDB 3.5 answers 500
            raise BadRequest("`rev_limit` must be greater than zero")
        self._link.json("PUT", (self._database, "_revs_limit"), limit, repeat=True)

    def security(self) -> JsonObject:
        """Return the security object, `{}` for a database that is open to nobody but CouchDB's admins."""
        value: Any = self._link.json("GET", (self._database, "_security"), repeat=True)
        return {} if value == CLOSED else value

    def set_security(self, security: JsonObject) -> None:
        """Replace the security object. `{}` becomes CouchDB's closed default: empty would open it to everybody."""
        self._link.json("PUT", (self._database, "_security"), security or CLOSED, repeat=True)
