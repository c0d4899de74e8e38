"""Which databases to replicate with a neighbour, which way, and what of them first.

To a parent go this node's databases of its own subtree, and back comes what the parent's tier added, and `registry`.
From a child come its subtree's databases, and back goes what this tier added, and `registry`. The same documents by two
roads are one document; a link that would only carry what the neighbour's own link carries stands back (`presence`).

One order for everything on a link: events, then previews, then files. Events and files are databases of their own, so
that is a priority of pairs; previews stand in the same database as files and go ahead of its feed by name (`express`).
While the rules keep files back and let previews go, the pair's feed shows nothing new: only what is named travels.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from replication.document import DocId, Seq
from replication.errors import StoreError
from replication.peers import Endpoint, FeedAnswer, HttpPeer, LocalPeer
from replication.peers.pending import Done, Pending
from replication.replicator import DatabaseState, Pair, Resume
from replication.store import ChangesPage, Database, Store
from server.dossier import units
from server.intake.door import Intake
from server.intake.guard import GuardedDatabase
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.links.meeting import Acquaintance

_LOG = logging.getLogger(__name__)

# Events before files, and what goes out before what comes in: the parent's work waits for ours.
_EVENTS_OUT, _EVENTS_IN, _FILES_OUT, _FILES_IN = 0, 1, 2, 3


class Wanted(Protocol):
    """What people wait for most. Called in the thread of a link's run, before each stretch of named documents."""

    def to_send(self, database: Database, since: Seq, *, previews_only: bool) -> Sequence[DocId]:
        """Return documents of ours behind `since` (what is acknowledged over there), most wanted first."""

    def to_fetch(self, database: str, *, previews_only: bool) -> Sequence[DocId]:
        """Return documents of a database over there that are missing here, most wanted first."""


class NotedState(DatabaseState):
    """Remembers in memory, too, up to where a database's documents are acknowledged over there.

    `ahead`: documents go by name while the feed stands still, so what lies behind the acknowledged place may be over
    there already; the run after this one asks before it sends.
    """

    def __init__(self, database: Database, *, ahead: bool = False) -> None:
        super().__init__(database)
        self.since = Seq("0")
        self._ahead = ahead

    def load(self, replication_id: str) -> Resume | None:
        resume = super().load(replication_id)
        self.since = resume.since if resume is not None else self.since
        if self._ahead and resume is not None and resume.clean:
            resume = replace(resume, clean=False)
            super().save(replication_id, resume)
        return resume

    def save(self, replication_id: str, resume: Resume) -> None:
        super().save(replication_id, replace(resume, clean=resume.clean and not self._ahead))
        self.since = resume.since


class Pairing:
    """The pairs of one node's links."""

    def __init__(
        self,
        *,
        unit: str,
        store: Store,
        intake: Intake,
        ensure: Callable[[str], Database],
        wanted: Wanted | None = None,
    ) -> None:
        self._unit = unit
        self._store = store
        self._intake = intake
        self._ensure = ensure
        self._wanted = wanted
        # What was named while the feed stood still, by neighbour and database: the feed asks before it sends it again.
        self._ahead: dict[tuple[str, str], set[DocId]] = {}

    @property
    def unit(self) -> str:
        """The node's own unit."""
        return self._unit

    def shared(self, unit: str) -> set[str]:
        """Return the databases held here of the branch shared with `unit`, which is the lower one's; not `registry`."""
        lower = unit if units.is_within(unit, self._unit) else self._unit
        names = self._store.names()
        return {name for name in names if (owner := units.unit_of_database(name)) and units.is_within(owner, lower)}

    def wanted(self, there: Acquaintance) -> frozenset[tuple[str, str]]:
        """Return (database, "out" or "in") for everything both ends have of the branch they share."""
        names = self.shared(there.unit) | {name for name in there.databases if units.unit_of_database(name)}
        # The registry goes downward alone.
        registry = (REGISTRY, "out" if units.is_within(there.unit, self._unit) else "in")
        return frozenset({(name, way) for name in names for way in ("out", "in")} | {registry})

    def build(
        self, wanted: Iterable[tuple[str, str]], there: Acquaintance, endpoint: Endpoint, *, previews_only: bool = False
    ) -> list[Pair]:
        """Return the pairs for a link to `there` over one endpoint.

        `previews_only`: of files, nothing travels but what is named as a preview.
        """
        return [self._pair(name, way, there, endpoint, previews_only) for name, way in sorted(wanted)]

    def _pair(self, name: str, way: str, there: Acquaintance, endpoint: Endpoint, previews_only: bool) -> Pair:
        database = self._ensure(name)
        is_files = name.startswith("f-")
        quiet = previews_only and is_files
        state = NotedState(database, ahead=quiet)
        if way == "out":
            near = (_QuietLocal if quiet else LocalPeer)(database, self._store.uuid)
            express = self._sending(database, state, quiet, self._ahead.setdefault((there.urn, name), set()))
            return Pair(near, HttpPeer(endpoint, name), state, _FILES_OUT if is_files else _EVENTS_OUT, express=express)
        guarded = GuardedDatabase(database, self._intake, Source("peer", there.urn))
        far = (_QuietFar if quiet else HttpPeer)(endpoint, name)
        return Pair(
            far,
            LocalPeer(guarded, self._store.uuid),
            state,
            _FILES_IN if is_files else _EVENTS_IN,
            create_target=False,
            # What a branch files comes from below; asking above for it by name would cost bytes for nothing.
            express=self._fetching(name, quiet) if is_files and units.is_within(there.unit, self._unit) else None,
        )

    def _sending(
        self, database: Database, state: NotedState, quiet: bool, ahead: set[DocId]
    ) -> Callable[[], Sequence[DocId]] | None:
        wanted = self._wanted
        if wanted is None or units.unit_of_database(database.name) is None:
            return None

        def name() -> Sequence[DocId]:
            ids = wanted.to_send(database, state.since, previews_only=quiet)
            if quiet:
                ahead.update(ids)
                return ids
            return [each for each in ids if each not in ahead]

        return lambda: _readable(name)

    def _fetching(self, name: str, quiet: bool) -> Callable[[], Sequence[DocId]] | None:
        wanted = self._wanted
        if wanted is None:
            return None
        return lambda: _readable(lambda: wanted.to_fetch(name, previews_only=quiet))


def _readable(ask: Callable[[], Sequence[DocId]]) -> Sequence[DocId]:
    """Return what is wanted first; nothing where the read model cannot be read, for then the feed's order does."""
    try:
        return ask()
    except StoreError:
        _LOG.exception("the order on a link cannot be read; documents go in the order of the feed")
        return []


def _nothing_new(since: Seq) -> Pending[FeedAnswer]:
    return Done(lambda: FeedAnswer(ChangesPage((), since, 0)), ())


class _QuietLocal(LocalPeer):
    """A database of ours whose feed stands still."""

    def feed(self, since: Seq, limit: int, *, docs: bool) -> Pending[FeedAnswer]:
        return _nothing_new(since)

    def wait_for_change(self, since: Seq, timeout_s: float, stop: threading.Event) -> bool:
        stop.wait(timeout_s)
        return False


class _QuietFar(HttpPeer):
    """A database over there whose feed is not asked for."""

    def feed(self, since: Seq, limit: int, *, docs: bool) -> Pending[FeedAnswer]:
        return _nothing_new(since)
