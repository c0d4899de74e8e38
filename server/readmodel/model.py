"""The read model as one thing: tables, follower, queries, and whole dossiers folded from the store when asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from replication.errors import NotFound
from replication.store import Database, Store
from server.dossier import units
from server.dossier.dossier import Dossier
from server.dossier.event import StoredEvent
from server.dossier.fold import fold
from server.dossier.proofs import NOTHING, Proofs
from server.dossier.roles import Grants
from server.errors import Missing
from server.filestore import FileStore
from server.intake.places import REGISTRY
from server.intake.verdict import Admissions
from server.readmodel.catalogue import Catalogue, read_catalogue
from server.readmodel.closings import Closings
from server.readmodel.documents import HeldEvent, read_events
from server.readmodel.eventpages import EventPages
from server.readmodel.evidence import EvidenceReader, LogTimes
from server.readmodel.filepages import FilePages
from server.readmodel.follower import Follower
from server.readmodel.forgetting import forget_events, forget_files
from server.readmodel.grants import GrantsCache
from server.readmodel.people import PeopleQueries
from server.readmodel.queries import DossierRow, EventVerdict, Queries
from server.readmodel.tables import Tables
from server.readmodel.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Story:
    """A dossier with what the store adds to it: its line in the lists, its events, doubts about signatures."""

    dossier: Dossier
    row: DossierRow
    events: tuple[HeldEvent, ...]
    verdicts: tuple[EventVerdict, ...]
    proofs: Proofs


class ReadModel:
    """The read model of one node. Safe from several threads; `follower` is started by whoever owns it."""

    def __init__(self, path: Path, store: Store, admissions: Admissions, files: FileStore) -> None:
        self._store = store
        self._tables = Tables(path)
        self._grants = GrantsCache(store, self._tables)
        self._catalogue_lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self.queries = Queries(self._tables)
        self.people = PeopleQueries(self._tables)
        self.waiting = Waiting(self._tables)
        self.closings = Closings(self._tables)
        self._evidence = EvidenceReader(self._tables, admissions)
        self._pages = events = EventPages(self._grants, admissions, self._evidence)
        self.follower = Follower(store, self._tables, events, FilePages(files), self._evidence)

    def grants(self, database: str) -> Grants:
        """Return the roles that the grants in a database give."""
        return self._grants.of(database)

    def units(self) -> Grants:
        """Return what the registry says about units (`Grants.describe`)."""
        return self._grants.of(REGISTRY)

    def story(self, stream: str) -> Story:
        """Return a dossier, folded now from what the store holds. Raises `Missing`."""
        row = self.queries.dossier(stream)
        if row is None:
            raise Missing(f"there is no dossier {stream[:64]} here")
        events = self.events(stream, row.database)
        proofs = self.proofs(stream, row.database)
        dossier = fold([held.stored for held in events], self.grants(row.database), proofs)
        return Story(dossier, row, tuple(events), self.queries.verdicts(stream), proofs)

    def proofs(self, stream: str, database: str) -> Proofs:
        """Return what is known about a stream's events beside them: proven times, ends of certificates, doubts."""
        return self._evidence.of(database, [stream])

    def unit_events(self, database: str, ids: Sequence[str]) -> tuple[list[StoredEvent], Grants, Proofs]:
        """Return those events of a unit's own stream that a database holds, with what decides which of them count: the
        roles given there, and what is known beside the stream. No events where the database is no unit's, or gone."""
        owner = units.unit_of_database(database)
        if owner is None or not ids:
            return [], Grants(), NOTHING
        try:
            opened = self._store.open(database)
        except NotFound:
            return [], Grants(), NOTHING
        events = [held.stored for held in read_events(opened, ids)]
        return events, self.grants(database), self._evidence.of_documents(database, ids)

    def learn_proofs(self, database: str, events: Iterable[str], checkpoint: str = "") -> None:
        """Fold anew what events (by id) of a database belong to, since proofs of them arrived, what people acted in
        whose roles begin or end at another time by that, and what events belong to whose authors had seen `checkpoint`
        (its name), since its time is known now."""
        proven = frozenset(events)
        with self._tables.writing() as connection:  # first: an event that is being indexed must not be overlooked
            subjects = self._grants.changed_by_proofs(database, proven)
            streams = {*self.queries.dossiers_of(database, list(proven))}
            if checkpoint:
                streams.update(self.queries.dossiers_after(database, checkpoint))
            if streams or subjects:
                self._pages.refold(connection, self._store.open(database), streams, subjects)

    def forget(self, database: str, stream: str, doc_ids: Sequence[str]) -> tuple[str, ...]:
        """Forget events of a dossier that were erased. Returns the hashes of files that no dossier here names now."""
        files = {row[0] for row in self._tables.rows("SELECT sha256 FROM file_refs WHERE stream = ?", (stream,))}
        with self._tables.writing() as connection:
            if forget_events(connection, database, stream, doc_ids):
                self._pages.refold(connection, self._store.open(database), {stream})
        self._tables.overwrite()
        return tuple(sorted(each for each in files if not self.queries.file_uses(each)))

    def forget_files(self, database: str, manifests: Sequence[str]) -> None:
        """Forget manifests that were erased from an `f-` database."""
        with self._tables.writing() as connection:
            forget_files(connection, database, manifests)

    def use_log(self, log: LogTimes) -> None:
        """Take proven times from a log from now on."""
        self._evidence.log = self._grants.log = log

    def events(self, stream: str, database: str) -> list[HeldEvent]:
        """Return a stream's events in one database, unordered."""
        return read_events(self._store.open(database), self.queries.event_ids(stream).get(database, []))

    def open(self, database: str) -> Database:
        """Return a database of the store the model follows. Raises `NotFound`."""
        return self._store.open(database)

    def catalogue(self) -> Catalogue:
        """Return the procedures and calendars of the registry, as of its newest event."""
        ids = [
            doc_id
            for kind in ("procedure.published", "calendar.published")
            for doc_id in self.queries.streams_of_type(kind).get(REGISTRY, [])
        ]
        with self._catalogue_lock:
            if self._catalogue is None or self._catalogue.sources != tuple(ids):
                held = read_events(self._store.open(REGISTRY), ids) if ids else []
                self._catalogue = read_catalogue([each.stored for each in held], tuple(ids))
            return self._catalogue

    def close(self) -> None:
        """Stop following and close the file."""
        self.follower.stop()
        self._tables.close()
