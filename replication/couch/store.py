"""The databases of one node on a CouchDB server, which several nodes may share."""

from __future__ import annotations

import re
import threading
from contextlib import suppress

from replication.couch.database import CouchDatabase
from replication.couch.identity import IDENTITY_NAME, fetch_uuid, renew_uuid
from replication.couch.link import Link
from replication.errors import BadRequest, IllegalDatabaseName, NotFound
from replication.jsontext import dump_json

_PREFIX = re.compile(r"[a-z][a-z0-9_$()+/-]*", re.ASCII)
_BEHIND_ALL = "\ufff0"  # sorts behind every character of a database name
_SYSTEM = ("_users", "_replicator")


class CouchStore:
    """Fulfils `replication.store.Store` over the CouchDB at `url` (http://user:password@host:5984).

    Database `u-h41` is CouchDB's `<prefix>u-h41`; databases without the prefix do not exist here. With an empty
    prefix all of the server's do, but for CouchDB's own, which begin with "_": those can be opened and are not listed.
    Nothing is sent before the first call. Calls raise `Unavailable` while CouchDB does not answer.
    """

    def __init__(self, url: str, *, prefix: str = "") -> None:
        if prefix and not _PREFIX.fullmatch(prefix):
            raise BadRequest(f"prefix {prefix!r}: it must begin with a-z and hold only a-z, 0-9 and _$()+-/")
        self._link = Link(url)
        self._prefix = prefix
        self._databases: dict[str, CouchDatabase] = {}
        self._uuid: str | None = None
        self._lock = threading.Lock()

    @property
    def uuid(self) -> str:
        with self._lock:
            if self._uuid is None:
                self._uuid = fetch_uuid(self._link, self._prefix + IDENTITY_NAME)
            return self._uuid

    def rebirth(self) -> None:
        """Take a new uuid: to be called once after databases were put back from a backup."""
        with self._lock:
            self._uuid = renew_uuid(self._link, self._prefix + IDENTITY_NAME)

    def create(self, name: str) -> CouchDatabase:
        self._check(name)
        self._link.json("PUT", (self._prefix + name,))
        return self._remember(name)

    def open(self, name: str) -> CouchDatabase:
        """Return an existing database. CouchDB is asked once; later its calls raise `NotFound` if it is gone."""
        with self._lock:
            known = self._databases.get(name)
        if known is not None:
            return known
        self._check_known(name)
        self._link.json("GET", (self._prefix + name,), repeat=True)
        return self._remember(name)

    def delete(self, name: str) -> None:
        self._check_known(name)
        with self._lock:
            self._databases.pop(name, None)
        self._link.json("DELETE", (self._prefix + name,))

    def names(self) -> list[str]:
        wanted = {
            "start_key": dump_json(self._prefix).decode(),
            "end_key": dump_json(self._prefix + _BEHIND_ALL).decode(),
        }
        found = self._link.request("GET", ("_all_dbs",), params=wanted if self._prefix else None, repeat=True).json()
        names = (name.removeprefix(self._prefix) for name in found if name.startswith(self._prefix))
        return sorted(name for name in names if name and name != IDENTITY_NAME and not name.startswith("_"))

    def remove(self) -> None:
        """Remove everything this store keeps on the server: its databases, then its identity. For good."""
        for name in self.names():
            self.delete(name)
        with suppress(NotFound):  # never asked for its uuid
            self._link.json("DELETE", (self._prefix + IDENTITY_NAME,))

    def close(self) -> None:
        self._link.close()

    def _remember(self, name: str) -> CouchDatabase:
        with self._lock:
            return self._databases.setdefault(name, CouchDatabase(self._link, name, self._prefix + name))

    def _is_listed(self, stored: str) -> bool:
        name = stored.removeprefix(self._prefix)
        return stored.startswith(self._prefix) and name[:1] not in ("", "_") and not name.endswith(IDENTITY_NAME)

    def _check_known(self, name: str) -> None:
        try:
            self._check(name)
        except IllegalDatabaseName as error:
            raise NotFound("Database does not exist.") from error

    def _check(self, name: str) -> None:
        # CouchDB judges the name with the prefix before it, so a bad first character would pass.
        if name == IDENTITY_NAME or (name not in _SYSTEM and not _PREFIX.fullmatch(name)):
            raise IllegalDatabaseName(
                f"Name: '{name}'. Only lowercase characters (a-z), digits (0-9), and any of the characters "
                "_, $, (, ), +, -, and / are allowed. Must begin with a letter."
            )
