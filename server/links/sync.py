"""Background sync: one `NeighbourLink` per neighbour, kept running, readable from any thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cryptography import x509

from replication.peers import Traffic
from replication.replicator import Figures, Progress
from replication.store import Store
from server.clocks.clock import NodeClock
from server.clocks.localtime import OfficeClock
from server.links.firsts import First, Firsts
from server.links.link import NeighbourLink
from server.links.meeting import Also, Companion, Meeting
from server.links.neighbours import Links, Neighbour
from server.links.pairing import Pairing
from server.links.presence import Presence
from server.links.refusals import Refusals
from server.links.status import LinkStatus, build_status
from server.links.trust import build_context
from server.links.wanted import WantedFirst
from server.nodedb import NodeDb
from server.signing import NodeSigner

_LOG = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0  # for new databases, changed links and rules, links that gave up


class Sync:
    """All links of a node."""

    def __init__(
        self,
        *,
        links: Links,
        pairing: Pairing,
        store: Store,
        signer: NodeSigner,
        chain: list[x509.Certificate],
        clock: NodeClock,
        db: NodeDb,
        companion: Companion | None = None,
        firsts: Firsts,
        presence: Presence,
        roots: Sequence[x509.Certificate],
    ) -> None:
        self._links = links
        self._firsts = firsts
        self._presence = presence
        self._roots = roots
        self._order: list[First] = []
        self._pairing = pairing
        self._store = store
        self._signer = signer
        self._chain = chain
        self._clock = clock
        self._office = OfficeClock(clock)
        self._db = db
        self._companion = companion
        self.refusals = Refusals(db)
        self.on_met: Also = lambda _there, _ask: None
        self._running: dict[str, NeighbourLink] = {}
        self._complaints: dict[str, str] = {}  # by link, "" for all of them: told once
        self._stop = threading.Event()
        self._news = False
        self._thread: threading.Thread | None = None

    @property
    def pairing(self) -> Pairing:
        """Which databases this node shares with whom; the same over a link and on a stick."""
        return self._pairing

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
        return [
            build_status(
                running.get(each.name) or self._link(each), self._store, changed=self._links.rules_changed(each.name)
            )
            for each in self._links.all()
        ]

    def run_once(self, name: str, on_progress: Callable[[list[Progress]], None] | None = None) -> Figures:
        """Replicate with one neighbour now, in this thread, whatever its hours and limits.

        Raises `ReplicationError`, `Refused("no_link")`.
        """
        return self._link(self._links.get(name)).run_once(on_progress)

    def notice(self, streams: set[str]) -> None:
        """Hear that dossiers changed: within `LOOK_EVERY_S` every link looks again at what is wanted first."""
        self._news = True

    def unsent(self, stream: str, database: str, wanted: WantedFirst) -> dict[str, int]:
        """Return by link how many documents of a dossier are not acknowledged over there; links at work alone."""
        found: dict[str, int] = {}
        for name, link in dict(self._running).items():
            for pair, _ in link.pairs():
                if pair.source.endpoint is None and pair.source.name[2:] == database[2:]:
                    held = self._store.open(pair.source.name)
                    found[name] = found.get(name, 0) + wanted.unsent_of(stream, held, link.since_of(pair))
        return found

    def _supervise(self) -> None:
        seconds = 0.0
        while not self._stop.is_set():
            with self._trying(""):
                self._look(seconds)
            self._stop.wait(LOOK_EVERY_S)
            seconds += LOOK_EVERY_S

    def _look(self, seconds: float) -> None:
        """Start, stop and tend links so that what runs is what `links` says."""
        news, self._news = self._news, False
        order = self._firsts.all()
        news, self._order = news or order != self._order, order
        wanted = {each.name: each for each in self._links.all() if not each.paused}
        for name, link in list(self._running.items()):
            if wanted.get(name) != link.neighbour:
                link.stop()  # first: what is still ending may still carry, and is shown as running
                self._running.pop(name)
        for neighbour in wanted.values():
            with self._trying(neighbour.name):
                self._mind(neighbour, seconds, news)

    def _mind(self, neighbour: Neighbour, seconds: float, news: bool) -> None:
        """See to it that one link runs, by its rules."""
        name = neighbour.name
        if name not in self._running:
            self._running[name] = self._link(neighbour)
            self._running[name].start()
        link = self._running[name]
        if news:
            link.wake()
        link.set_rules(self._links.rules(name))
        link.tend(seconds)

    @contextmanager
    def _trying(self, name: str) -> Iterator[None]:
        """For what comes again in `LOOK_EVERY_S`, whatever fails now: a disk that is full, rules or authorities of one
        link that cannot be read. They must not end the others."""
        try:
            yield
        except Exception as exc:
            if self._complaints.get(name) != str(exc):
                _LOG.exception("%s could not be looked after; trying again", f"link {name}" if name else "the links")
            self._complaints[name] = str(exc)
        else:
            self._complaints.pop(name, None)

    def _link(self, neighbour: Neighbour) -> NeighbourLink:
        meeting = Meeting(
            neighbour.url,
            signer=self._signer,
            chain=self._chain,
            clock=self._clock,
            ours=self._pairing.shared,
            traffic=Traffic(),
            tls=build_context(neighbour, self._pairing.unit, self._roots),
            also=lambda there, ask: self.on_met(there, ask),
        )
        return NeighbourLink(
            neighbour,
            pairing=self._pairing,
            meeting=meeting,
            rules=self._links.rules(neighbour.name),
            db=self._db,
            now=self._office.now,
            companion=self._companion,
            comes_by_itself=self._presence.is_at_work,
        )
