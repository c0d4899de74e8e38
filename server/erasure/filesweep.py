"""What of a dossier's files no other dossier needs, and taking it out of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from replication.document import DocId, Rev
from replication.store import AllDocsQuery, Database
from server.dossier.documents import FILE_PREFIX
from server.dossier.manifest import Manifest
from server.intake.files import check_manifest_document
from server.readmodel.documents import read_documents

_AT_ONCE: Final = 500


def read_manifests(database: Database) -> Iterator[Manifest]:
    """Yield every manifest of an `f-` database. Raises `Refused` for one that is damaged: nothing may be erased while
    it is not known what it needs."""
    start = FILE_PREFIX
    while True:
        rows = database.all_docs(AllDocsQuery(start=start, end=FILE_PREFIX + "~", limit=_AT_ONCE)).rows
        for doc in read_documents(database, [row.id for row in rows]):
            yield check_manifest_document(doc)
        if len(rows) < _AT_ONCE:
            return
        start = rows[-1].id + "\0"


def unneeded_chunks(database: Database, going: Iterable[str], chunks: Iterable[str] = ()) -> list[str]:
    """Return the chunks of the manifests `going` (content ids), and of `chunks`, that no other manifest names, sorted.
    Reads every manifest there is, and remembers only what may go: a unit has millions of chunks."""
    wanted, unneeded = set(going), set(chunks)
    for doc in read_documents(database, [FILE_PREFIX + each for each in sorted(wanted)]):
        if not doc.deleted:
            unneeded.update(check_manifest_document(doc).chunks)
    for manifest in read_manifests(database):
        if manifest.id not in wanted:
            unneeded.difference_update(manifest.chunks)
    return sorted(unneeded)


def purge_documents(database: Database, ids: Sequence[str]) -> int:
    """Take documents out of the store for good, with everything it kept of them. Returns how many were there."""
    done = 0
    for start in range(0, len(ids), _AT_ONCE):
        rows = database.all_docs(AllDocsQuery(keys=tuple(ids[start : start + _AT_ONCE]))).rows
        wanted = {DocId(row.id): [Rev(row.rev)] for row in rows if row.rev is not None and not row.deleted}
        if wanted:
            done += sum(1 for revs in database.purge(wanted).purged.values() if revs)
    return done
