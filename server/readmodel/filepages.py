"""A page of the feed of an `f-` database: how many bytes of which file are here."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from crypto.errors import CryptoError
from replication.store import Database
from server.dossier.documents import FILE_PREFIX
from server.dossier.manifest import Manifest
from server.dossier.units import unit_of_database
from server.errors import Refused
from server.filestore import FileStore
from server.intake.files import check_manifest_document
from server.readmodel.documents import read_page

_LOG = logging.getLogger(__name__)


class FilePages:
    """Turns pages of document ids into rows. `read` runs inside the follower's transaction."""

    def __init__(self, files: FileStore) -> None:
        self._files = files

    def read(self, connection: sqlite3.Connection, database: Database, ids: Sequence[str]) -> set[str]:
        """Take in manifests and chunks. Returns the dossier streams that name a file of which more is here now."""
        touched: set[str] = set()
        for doc in read_page(database, [each for each in ids if each.startswith(FILE_PREFIX)]):
            try:
                manifest = check_manifest_document(doc)
            except (CryptoError, Refused) as exc:
                _LOG.error("%s in %s cannot be read, run tram verify: %s", doc.id, database.name, exc)
                continue
            self._take_manifest(connection, database.name, manifest)
            touched.add(manifest.id)
        for chunk in ids:
            if not chunk.startswith(FILE_PREFIX):
                touched |= _take_chunk(connection, database.name, chunk)
        return _streams(connection, database.name, touched)

    def _take_manifest(self, connection: sqlite3.Connection, database: str, manifest: Manifest) -> None:
        """Note a file. Which chunks are here is asked of the store: their rows of the feed may have gone by."""
        bytes_of: dict[str, int] = {}
        for i, chunk in enumerate(manifest.chunks):
            bytes_of[chunk] = bytes_of.get(chunk, 0) + manifest.length(i)
        unit = unit_of_database(database)
        assert unit is not None  # the follower opens no other databases
        missing = self._files.missing(unit, tuple(bytes_of))
        here = manifest.size - sum(bytes_of[chunk] for chunk in missing)
        connection.execute(
            "INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?)",
            (database, manifest.id, manifest.sha256, manifest.size, here),
        )
        connection.execute("DELETE FROM awaited WHERE database = ? AND manifest = ?", (database, manifest.id))
        connection.executemany(
            "INSERT INTO awaited VALUES (?, ?, ?, ?)",
            [(database, chunk, manifest.id, bytes_of[chunk]) for chunk in missing],
        )


def _take_chunk(connection: sqlite3.Connection, database: str, chunk: str) -> set[str]:
    """Count a chunk that came. Returns the manifests that waited for it."""
    rows = connection.execute(
        "DELETE FROM awaited WHERE database = ? AND chunk = ? RETURNING manifest, bytes", (database, chunk)
    ).fetchall()
    for manifest, size in rows:
        connection.execute(
            "UPDATE manifests SET here = here + ? WHERE database = ? AND manifest = ?", (size, database, manifest)
        )
    return {manifest for manifest, _ in rows}


def _streams(connection: sqlite3.Connection, database: str, manifests: set[str]) -> set[str]:
    found: set[str] = set()
    for manifest in manifests:
        rows = connection.execute(
            "SELECT DISTINCT stream FROM file_refs WHERE database = ? AND manifest = ?", (database, manifest)
        )
        found |= {row[0] for row in rows}
    return found
