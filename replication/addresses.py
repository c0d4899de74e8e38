"""Databases as a command line names them: `http(s)://user:password@host:port/db` or `sqlite:DIR/db`."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from pathlib import Path

from replication.peers import Endpoint, HttpPeer, LocalPeer, Peer, split_database_url
from replication.sqlite import SqliteStore
from replication.store import Database

SQLITE = "sqlite:"
HELP = "http(s)://user:password@host:port/db or sqlite:DIR/db"


class Addresses:
    """Opens what is named, a folder or a server named twice only once, and closes it with `stack`. `ca` is a PEM file
    of whom to believe over https, None trusts whom this machine trusts. Raises `OSError` for one that is none."""

    def __init__(self, stack: ExitStack, ca: Path | None = None) -> None:
        self._stack = stack
        self._tls = ssl.create_default_context(cafile=ca) if ca is not None else None
        self._stores: dict[Path, SqliteStore] = {}
        self._endpoints: dict[str, Endpoint] = {}

    def open(self, address: str, *, create: bool = False) -> tuple[Peer, Database | None]:
        """Return the peer at an address, and its database where that is in this process, made if `create` is set.

        Raises `ValueError` for an address that cannot be understood, `NotFound` for a local database that is not there.
        """
        if not address.startswith(SQLITE):
            parts = split_database_url(address)
            return HttpPeer(self._endpoint(parts.server), parts.database), None
        folder, _slash, name = address.removeprefix(SQLITE).rpartition("/")
        if not folder or not name:
            raise ValueError(f"{address!r} names no database; write sqlite:DIR/db")
        if not create and not Path(folder).is_dir():
            raise ValueError(f"{address!r}: there is no folder {folder}")
        store = self._store(Path(folder).resolve())
        return LocalPeer.in_store(store, name, create=create), store.open(name)

    def _endpoint(self, server: str) -> Endpoint:
        if server not in self._endpoints:
            self._endpoints[server] = Endpoint(server, tls=self._tls)
            self._stack.callback(self._endpoints[server].close)
        return self._endpoints[server]

    def _store(self, folder: Path) -> SqliteStore:
        if folder not in self._stores:
            self._stores[folder] = SqliteStore(folder)
            self._stack.callback(self._stores[folder].close)
        return self._stores[folder]
