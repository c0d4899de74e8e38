"""Files of one unit in its `f-` database: which chunks are here, and the bytes of a file once all of them are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from crypto import base64url, strictjson
from replication.document import Doc, DocId
from replication.errors import NotFound
from replication.store import AllDocsQuery, GetRequest, Store
from server.dossier import units
from server.dossier.documents import CHUNK, FILE_PREFIX
from server.dossier.manifest import Manifest, parse_manifest, verify_chunk
from server.errors import Missing, Refused
from server.intake.files import MAX_MANIFEST_BYTES

_ASKED_AT_ONCE = 500  # ids per question to the engine: a URL or SQL statement of some 25 KB
_READ_AT_ONCE = 48  # chunks in memory: half a megabyte, of the largest files 1.5 MB


@dataclass(frozen=True, slots=True)
class Presence:
    """How much of a file is here. `missing` are chunk ids, each once; `bytes` counts those present."""

    manifest: Manifest | None
    bytes: int
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every chunk is here. Whether they make the whole is `FileStore.verify`'s to say."""
        return self.manifest is not None and not self.missing


class FileStore:
    """The files of a node's store. Safe from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def missing(self, unit: str, ids: Sequence[str]) -> list[str]:
        """Return those of `ids` (documents of the unit's `f-` database) that are not here, in the order asked."""
        try:
            database = self._store.open(units.files_database_name(unit))
        except NotFound:
            return list(ids)
        absent: set[str] = set()
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            keys = tuple(ids[start : start + _ASKED_AT_ONCE])
            rows = database.all_docs(AllDocsQuery(keys=keys)).rows
            absent |= {row.id for row in rows if row.rev is None or row.deleted}
        return [each for each in ids if each in absent]

    def manifest(self, unit: str, manifest_id: str) -> Manifest | None:
        """Return a manifest by its content id, None if it is not here."""
        try:
            doc = self._store.open(units.files_database_name(unit)).get(DocId(FILE_PREFIX + manifest_id))
        except NotFound:
            return None
        return parse_manifest(strictjson.parse(doc.body, max_bytes=MAX_MANIFEST_BYTES, max_depth=4)["manifest"])

    def presence(self, unit: str, manifest_id: str) -> Presence:
        """Return how much of the file behind a manifest is here; `manifest` None if not even that is."""
        manifest = self.manifest(unit, manifest_id)
        if manifest is None:
            return Presence(None, 0, ())
        missing = tuple(self.missing(unit, tuple(dict.fromkeys(manifest.chunks))))
        absent = frozenset(missing)
        present = sum(manifest.length(i) for i, chunk in enumerate(manifest.chunks) if chunk not in absent)
        return Presence(manifest, present, missing)

    def read(self, unit: str, manifest: Manifest) -> Iterator[bytes]:
        """Yield the chunks of a file in order, each checked. Raises `Missing`, `Refused("bad_hash")`."""
        database = self._store.open(units.files_database_name(unit))
        for start in range(0, len(manifest.chunks), _READ_AT_ONCE):
            wanted = manifest.chunks[start : start + _READ_AT_ONCE]
            found = database.bulk_get([GetRequest(DocId(chunk)) for chunk in wanted], attachments=True)
            for i, docs in enumerate(found, start):
                yield verify_chunk(manifest, i, _bytes_of(docs, manifest.chunks[i]))

    def verify(self, unit: str, manifest: Manifest) -> None:
        """Read the whole file and return if it is what its manifest says. Raises `Missing`, `Refused("bad_hash")`."""
        digest = sha256()
        for chunk in self.read(unit, manifest):
            digest.update(chunk)
        if "sha256-" + base64url.encode(digest.digest()) != manifest.sha256:
            raise Refused("bad_hash", f"the chunks are whole, but do not make {manifest.sha256}; its manifest is wrong")


def _bytes_of(docs: Sequence[object], chunk: str) -> bytes:
    doc = docs[0] if docs else None
    attachment = doc.attachments.get(CHUNK) if isinstance(doc, Doc) else None
    if attachment is None or attachment.data is None:
        raise Missing(f"chunk {chunk} is not here yet")
    return attachment.data
