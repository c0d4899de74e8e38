"""`_local` documents."""

from __future__ import annotations

from collections.abc import Iterator

from replication.couch.link import Link
from replication.document import EMPTY_BODY, Rev
from replication.errors import BadRequest, NotFound
from replication.jsontext import dump_json, parse_json
from replication.store import JsonObject, LocalDoc

LOCAL = "_local/"
PAGE = 200


class LocalDocs:
    """The local documents of one database."""

    def __init__(self, link: Link, database: str) -> None:
        self._link = link
        self._database = database

    def get(self, local_id: str) -> LocalDoc:
        """Return one. Raises `NotFound("missing")`."""
        return _read(self._link.json("GET", self._path(local_id), repeat=True))

    def put(self, local_id: str, body: bytes) -> Rev:
        """Store one and return its new revision. CouchDB asks for no revision here and counts on from the one given."""
        value = parse_json(body)
        if not isinstance(value, dict) or any(member.startswith("_") for member in value):
            raise BadRequest("a local document must be a JSON object without members that begin with '_'")
        try:
            value["_rev"] = self.get(local_id).rev
        except NotFound as missing:
            if missing.reason not in ("missing", "deleted"):
                raise
        return Rev(self._link.json("PUT", self._path(local_id), value, repeat=True)["rev"])

    def delete(self, local_id: str) -> None:
        """Remove one. Raises `NotFound("missing")`."""
        self._link.json("DELETE", self._path(local_id))

    def all(self) -> Iterator[LocalDoc]:
        """Yield all by id, a page at a time."""
        query: JsonObject = {"limit": PAGE}
        while True:
            rows = self._link.json(
                "POST", (self._database, "_local_docs"), query, params={"include_docs": True}, repeat=True
            )["rows"]
            for row in rows:
                yield _read(row["doc"])
            if len(rows) < PAGE:
                return
            query = {"limit": PAGE, "start_key": rows[-1]["key"], "skip": 1}

    def _path(self, local_id: str) -> tuple[str, ...]:
        return self._database, "_local", local_id


def _read(value: JsonObject) -> LocalDoc:
    local_id, rev = value.pop("_id").removeprefix(LOCAL), Rev(value.pop("_rev"))
    return LocalDoc(local_id, rev, dump_json(value) if value else EMPTY_BODY)
