"""The store a home says it has: SQLite in the home itself, or a CouchDB."""

from __future__ import annotations

from replication.sqlite import SqliteStore
from replication.store import Store
from server.errors import Refused
from server.home import Engine, Home


def open_store(home: Home) -> Store:
    """Return the home's store. CouchDB is not spoken to before the first call.

    Raises `Refused("bad_home")` for a CouchDB without an address.
    """
    return open_engine(home, home.settings.engine)


def open_engine(home: Home, engine: Engine) -> Store:
    """Return the store the home has, had, or will have on an engine. Raises as `open_store`."""
    if engine.kind == "sqlite":
        return SqliteStore(home.path / "store")
    if engine.url is None:
        raise Refused("bad_home", f"{home.path} is on CouchDB but names no address")
    from replication.couch import CouchStore  # its client is slow to import, and most nodes have no CouchDB

    return CouchStore(engine.url, prefix=engine.prefix)
