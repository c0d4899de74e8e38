"""Background sync: one `Link` per neighbour, kept running, readable from any thread.

To a parent go this node's databases of its own subtree, events before files, and back comes what the parent's tier
added, and `registry`. From a child come its subtree's databases, and back goes what this tier added, and `registry`.
The same documents by two roads are one document, so nothing is asked about who else brought what.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from replication.errors import LinkError, ReplicationError, StoreError
from replication.peers import Endpoint, HttpPeer, LocalPeer, Refusal
from replication.replicator import DatabaseState, Figures, JobState, Link, Pair, Progress
from replication.store import Database, Store
from server.dossier import units
from server.intake.door import Intake
from server.intake.guard import GuardedDatabase
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.node.clock import NodeClock
from server.node.links import Links, Neighbour
from server.node.neighbour import Acquaintance, Tokens, fetch_acquaintance
from server.node.refusals import Refusals
from server.node.signing import NodeSigner
from server.nodedb import NodeDb

_LOG = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0  # for new databases, paused links, links that gave up
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # after the neighbour did not answer: fast at first, lines come back in seconds
REINTRODUCE_AFTER_S = 30.0
RELIST_S = 300.0

# Events before files, and what goes out before what comes in: the parent's work waits for ours.
_EVENTS_OUT, _EVENTS_IN, _FILES_OUT, _FILES_IN = 0, 1, 2, 3

SCHEMA = """
CREATE TABLE IF NOT EXISTS link_state (name TEXT PRIMARY KEY, last_success TEXT, last_error TEXT, since TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link as people see it. `last_success` and `since` (of the present error, or of being well) are RFC 3339.

    `progress` has one entry per database and direction while the link runs.
    """

    neighbour: Neighbour
    running: bool
    last_success: str | None
    last_error: str | None
    since: str
    progress: tuple[Progress, ...]


class Pairing:
    """Which databases to replicate with a neighbour, which way."""

    def __init__(self, *, unit: str, store: Store, intake: Intake, ensure: Callable[[str], Database]) -> None:
        self._unit = unit
        self._store = store
        self._intake = intake
        self._ensure = ensure

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

    def build(self, wanted: Iterable[tuple[str, str]], there: Acquaintance, endpoint: Endpoint) -> list[Pair]:
        """Return the pairs for a link to `there` over one endpoint."""
        return [self._pair(name, way, there, endpoint) for name, way in sorted(wanted)]

    def _pair(self, name: str, way: str, there: Acquaintance, endpoint: Endpoint) -> Pair:
        database = self._ensure(name)
        state = DatabaseState(database)
        far = HttpPeer(endpoint, name)
        if way == "out":
            near = LocalPeer(database, self._store.uuid)
            return Pair(near, far, state, _FILES_OUT if name.startswith("f-") else _EVENTS_OUT)
        guarded = GuardedDatabase(database, self._intake, Source("peer", there.urn))
        near = LocalPeer(guarded, self._store.uuid)
        return Pair(far, near, state, _FILES_IN if name.startswith("f-") else _EVENTS_IN, create_target=False)


class NeighbourLink:
    """One neighbour's link, in a thread of its own."""

    def __init__(
        self, neighbour: Neighbour, pairing: Pairing, meet: Callable[[str], tuple[Acquaintance, Tokens]], db: NodeDb
    ) -> None:
        self.neighbour = neighbour
        self._pairing = pairing
        self._meet = meet
        self._db = db
        self._refusals = Refusals(db)
        self._stop = threading.Event()
        self._end = threading.Event()  # of the present run only
        self._link: Link | None = None
        self._wanted: frozenset[tuple[str, str]] = frozenset()
        self._there: Acquaintance | None = None
        self._met_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"link-{neighbour.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the link; returns when its thread has ended."""
        self._stop.set()
        self._end_run()
        self._thread.join()

    def tend(self, seconds: float) -> None:
        """Look after the run: begin it anew for new databases, or if it cannot get on. `seconds` is a steady clock."""
        link, there = self._link, self._there
        if link is None or there is None:
            return
        stuck = any(p.state is JobState.WAITING and p.last_error for p in link.progress())
        # A child may have got databases of units below it; nobody tells us.
        patience_s = REINTRODUCE_AFTER_S if stuck else RELIST_S if self.neighbour.role == "child" else math.inf
        if self._pairing.wanted(there) != self._wanted or seconds - self._met_at > patience_s:
            self._met_at = seconds
            self._end_run()
        self._note(link.progress())

    def status(self) -> LinkStatus:
        row = self._db.row("SELECT * FROM link_state WHERE name = ?", (self.neighbour.name,))
        link = self._link
        return LinkStatus(
            neighbour=self.neighbour,
            running=link is not None,
            last_success=row["last_success"] if row else None,
            last_error=row["last_error"] if row else None,
            since=row["since"] if row else "",
            progress=tuple(link.progress()) if link else (),
        )

    def run_once(self, on_progress: Callable[[list[Progress]], None] | None = None) -> Figures:
        """Replicate in the caller's thread until both sides have everything, over cuts. Raises `ReplicationError`."""
        there, tokens = self._meet(self.neighbour.url)
        link = self._build(there, tokens, on_progress)
        figures = link.run(self._stop)
        self._note(link.progress())
        return figures

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                there, tokens = self._meet(self.neighbour.url)
                failures = 0
                self._serve(there, tokens)
            except Exception as exc:
                if not isinstance(exc, ReplicationError):
                    _LOG.exception("link %s failed", self.neighbour.name)
                self._note_error(str(exc))
                wait_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                failures += 1
                self._stop.wait(wait_s)

    def _serve(self, there: Acquaintance, tokens: Tokens) -> None:
        """Replicate until the run is ended."""
        self._end = threading.Event()
        self._there = there
        self._link = self._build(there, tokens, None)
        if self._stop.is_set():
            self._end.set()
        try:
            self._link.run(self._end, continuous=True)
        finally:
            self._link = None

    def _build(self, there: Acquaintance, tokens: Tokens, on_progress: Callable[[list[Progress]], None] | None) -> Link:
        endpoint = Endpoint(f"{self.neighbour.url}/db", headers=tokens.headers)
        self._wanted = self._pairing.wanted(there)
        pairs = self._pairing.build(self._wanted, there, endpoint)
        return Link(pairs, on_progress=on_progress, on_refusal=self._note_refusal)

    def _note_refusal(self, pair: Pair, refusal: Refusal) -> None:
        _LOG.warning("link %s: %s refused %s: %s", self.neighbour.name, pair.label, refusal.id, refusal.reason)
        self._refusals.note(self.neighbour.name, pair.label, refusal, datetime.now(UTC))

    def _end_run(self) -> None:
        self._end.set()
        link = self._link
        if link is not None:
            link.wake()

    def _note(self, progress: Iterable[Progress]) -> None:
        rows = list(progress)
        error = next((p.last_error for p in rows if p.last_error), None)
        times = [p.last_success for p in rows if p.last_success]
        last = datetime.fromtimestamp(max(times), UTC).isoformat(timespec="seconds") if times else None
        self._write(last, error)

    def _note_error(self, error: str) -> None:
        self._write(None, error)

    def _write(self, last_success: str | None, error: str | None) -> None:
        """Keep how the link stands, if that differs from what is kept."""
        row = self._db.row("SELECT * FROM link_state WHERE name = ?", (self.neighbour.name,))
        if row and row["last_error"] == error and last_success in (None, row["last_success"]):
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        since = row["since"] if row and row["last_error"] == error else now
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO link_state VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " last_success = coalesce(excluded.last_success, last_success), last_error = excluded.last_error,"
                " since = excluded.since",
                (self.neighbour.name, last_success, error, since),
            )


class Sync:
    """All links of a node."""

    def __init__(
        self,
        *,
        links: Links,
        pairing: Pairing,
        signer: NodeSigner,
        chain: list[x509.Certificate],
        clock: NodeClock,
        db: NodeDb,
    ) -> None:
        self._links = links
        self._pairing = pairing
        self._signer = signer
        self._chain = chain
        self._clock = clock
        self._db = db
        self.refusals = Refusals(db)
        self._running: dict[str, NeighbourLink] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        db.ensure(SCHEMA)

    def start(self) -> None:
        """Run every link that is not paused, and follow what `tram link` changes."""
        self._thread = threading.Thread(target=self._supervise, name="sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all links; returns when their threads have ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for link in list(self._running.values()):
            link.stop()
        self._running.clear()

    def status(self) -> list[LinkStatus]:
        """Return how every link stands, by name."""
        running = dict(self._running)
        return [(running.get(each.name) or self._link(each)).status() for each in self._links.all()]

    def run_once(self, name: str, on_progress: Callable[[list[Progress]], None] | None = None) -> Figures:
        """Replicate with one neighbour now, in this thread. Raises `ReplicationError`, `Refused("no_link")`."""
        return self._link(self._links.get(name)).run_once(on_progress)

    def _supervise(self) -> None:
        seconds = 0.0
        while not self._stop.is_set():
            try:
                self._look(seconds)
            except (StoreError, LinkError):
                _LOG.exception("sync could not look after its links; trying again")
            self._stop.wait(LOOK_EVERY_S)
            seconds += LOOK_EVERY_S

    def _look(self, seconds: float) -> None:
        """Start, stop and tend links so that what runs is what `links` says."""
        wanted = {each.name: each for each in self._links.all() if not each.paused}
        for name, link in list(self._running.items()):
            if wanted.get(name) != link.neighbour:
                self._running.pop(name)
                link.stop()
        for name, neighbour in wanted.items():
            if name not in self._running:
                self._running[name] = self._link(neighbour)
                self._running[name].start()
            self._running[name].tend(seconds)

    def _link(self, neighbour: Neighbour) -> NeighbourLink:
        return NeighbourLink(neighbour, self._pairing, self._meet, self._db)

    def _meet(self, url: str) -> tuple[Acquaintance, Tokens]:
        return fetch_acquaintance(url, self._signer, self._chain, self._clock, self._pairing.shared)
