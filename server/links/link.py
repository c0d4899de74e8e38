"""One neighbour's link: meeting it, replicating with it, minding its rules; in a thread of its own."""

from __future__ import annotations

import logging
import math
import random as random_module
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from replication.document import Seq
from replication.errors import ReplicationError, StoreError
from replication.peers import Busy, Endpoint, EndpointOptions, Refusal
from replication.replicator import Figures, JobState, Link, Pair, Progress
from server.links.allowance import Kind, LinkRules
from server.links.auditing import Auditor
from server.links.gate import LinkGate
from server.links.meeting import CONNECT_S, MUTE_S, Acquaintance, Caller, Companion, Meeting, Tokens
from server.links.neighbours import Neighbour
from server.links.pairing import NotedState, Pairing
from server.links.refusals import Refusals
from server.links.retry import Retry
from server.links.spending import Spending
from server.links.state import FarStores, LinkState
from server.nodedb import NodeDb

_LOG = logging.getLogger(__name__)

REINTRODUCE_AFTER_S = 30.0
RELIST_S = 300.0
# While cut the replicator waits up to 30 s between tries. Woken this often, by a look each 2 s, it keeps the half
# minute of `retry`, also where a line takes the call and stays mute (`MUTE_S`).
NUDGE_S = 8.0
STAND_BACK_S = 2.0  # between two looks whether the other side's link is still at work

ProgressCallback = Callable[[list[Progress]], None]


class NeighbourLink:
    """`now` is UTC for hours and days (`OfficeClock.now`); `random` in [0, 1) spreads tries.

    A link to a child stands back while `comes_by_itself` says that its node runs a link to us (decision 0114).
    """

    def __init__(
        self,
        neighbour: Neighbour,
        *,
        pairing: Pairing,
        meeting: Meeting,
        rules: LinkRules,
        db: NodeDb,
        now: Callable[[], datetime],
        random: Callable[[], float] = random_module.random,
        companion: Companion | None = None,
        comes_by_itself: Callable[[str], bool] = lambda _unit: False,
    ) -> None:
        self.neighbour = neighbour
        self.state = LinkState(db, neighbour.name)
        self.stores = FarStores(db)
        self.refusals = Refusals(db)
        self.spending = Spending(db, neighbour.name, lambda: now().astimezone(self.gate.rules.zone))
        self.gate = LinkGate(rules, self.spending, now)
        self._pairing = pairing
        self._meeting = meeting
        self._random = random
        self._companion = companion
        self._comes_by_itself = comes_by_itself
        self.auditor = Auditor(self.state, now, random)
        self._stop = threading.Event()
        self._end = threading.Event()  # of the present run only
        self._link: Link | None = None
        self._pairs: list[Pair] = []
        self._wanted: frozenset[tuple[str, str]] = frozenset()
        self._there: Acquaintance | None = None
        self._far: tuple[str, Endpoint] | None = None  # of the present or last run
        self._met_at = 0.0
        self._nudged_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"link-{neighbour.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the link; returns when its thread has ended and its count is written."""
        self._stop.set()
        self._end_run()
        self._thread.join()
        self.auditor.stop()
        self._settle()

    @property
    def is_running(self) -> bool:
        """Whether the neighbour has been met and documents may travel."""
        return self._link is not None

    @property
    def stands_back(self) -> bool:
        """Whether a child's own link to us carries everything, so that this one would carry it again."""
        there = self._there
        return self.neighbour.role == "child" and there is not None and self._comes_by_itself(there.unit)

    def progress(self) -> tuple[Progress, ...]:
        """Return how each database and direction stands, empty while the neighbour has not been met."""
        link = self._link
        return tuple(link.progress()) if link is not None else ()

    @property
    def cuts(self) -> int:
        """Return how often the connection broke in the present run."""
        link = self._link
        return link.figures().cuts if link is not None else 0

    def pairs(self) -> list[tuple[Pair, Progress]]:
        """Return the pairs of the present run with how they stand."""
        link = self._link
        return list(zip(self._pairs, link.progress(), strict=False)) if link is not None else []

    def audited(self) -> list[Pair]:
        """Return the pairs that may be audited now: not those of files while files may not go."""
        files_go = self.gate.judge(Kind.FILES).open
        return [pair for pair in self._pairs if files_go or not pair.source.name.startswith("f-")]

    def set_rules(self, rules: LinkRules) -> None:
        """Follow other rules from now on."""
        if rules != self.gate.rules:
            self.gate.rules = rules
            self.wake()

    def wake(self) -> None:
        """Look again at what may go and what is wanted first."""
        link = self._link
        if link is not None:
            link.wake()

    def tend(self, seconds: float) -> None:
        """Look after the run: begin it anew for new databases, or if it cannot get on. `seconds` is a steady clock."""
        link, there = self._link, self._there
        if link is None or there is None:
            return
        if self.stands_back:
            self._end_run()
            return
        rows = link.progress()
        stuck = any(p.state is JobState.WAITING and p.last_error for p in rows)
        # A child may have got databases of units below it; nobody tells us.
        patience_s = REINTRODUCE_AFTER_S if stuck else RELIST_S if self.neighbour.role == "child" else math.inf
        changed = self._pairing.wanted(there) != self._wanted or self._previews_only() != self.gate.previews_only
        if changed or seconds - self._met_at > patience_s:
            self._met_at = seconds
            self._end_run()
        self._nudge(rows, seconds)
        if all(p.state is JobState.IDLE for p in rows):
            self.auditor.tend(self.audited())
        self._note(rows)
        self.gate.settle(self._meeting.traffic)

    def run_once(self, on_progress: ProgressCallback | None = None) -> Figures:
        """Replicate in the caller's thread until both sides have everything, over cuts; rules hold nothing back.

        Somebody who asks for it now means now; what it carries counts. Raises `ReplicationError`.
        """
        there, tokens = self._meeting.fetch_acquaintance()
        self.gate.rules = LinkRules(utc_offset_minutes=self.gate.rules.utc_offset_minutes)
        if self._companion is not None:
            self._companion.greet(there.unit, Caller(self._meeting, tokens))
        self._link = self._build(there, tokens, on_progress)
        try:
            figures = self._link.run(self._stop)
            if self._companion is not None:
                self._companion.visit(there.unit, Caller(self._meeting, tokens))
            return figures
        finally:
            self._note(self._link.progress())
            self._link = None
            self._settle()

    def _run(self) -> None:
        retry = Retry(self._random)
        while not self._stop.is_set():
            if self.stands_back:
                with self._noting():
                    self.state.note(None, None)
                self._stop.wait(STAND_BACK_S)
                continue
            try:
                there, tokens = self._meeting.fetch_acquaintance()
                retry.reset()
                self._there = there
                if not self.stands_back:
                    self._serve(there, tokens)
            except Exception as exc:
                if not isinstance(exc, ReplicationError):
                    _LOG.exception("link %s failed", self.neighbour.name)
                with self._noting():
                    self.state.note(None, str(exc))
                self._stop.wait(retry.next_s(asked_s=exc.retry_after_s if isinstance(exc, Busy) else 0.0))

    def _serve(self, there: Acquaintance, tokens: Tokens) -> None:
        """Replicate until the run is ended."""
        self._end = threading.Event()
        with self._noting():
            self.state.set_facts(clock_offset_s=str(there.clock_offset_s), name=there.name)
        caller = Caller(self._meeting, tokens)
        if self._companion is not None:
            self._companion.greet(there.unit, caller)
        self._link = self._build(there, tokens, None)
        if self._companion is not None:
            self._companion.met(there.unit, caller)
        if self._stop.is_set():
            self._end.set()
        try:
            self._link.run(self._end, continuous=True)
        finally:
            if self._companion is not None:
                self._companion.parted(caller)
            self._note(self._link.progress())
            self._link = None

    def _build(self, there: Acquaintance, tokens: Tokens, on_progress: ProgressCallback | None) -> Link:
        endpoint = Endpoint(
            f"{self.neighbour.url}/db",
            headers=tokens.headers,
            tls=self._meeting.tls,
            options=EndpointOptions(connect_timeout_s=CONNECT_S, stall_s=MUTE_S),
            traffic=self._meeting.traffic,
        )
        self._far = (there.unit, endpoint)
        self._wanted = self._pairing.wanted(there)
        self.gate.previews_only = self._previews_only()
        self._pairs = self._pairing.build(self._wanted, there, endpoint, previews_only=self.gate.previews_only)
        return Link(self._pairs, on_progress=on_progress, on_refusal=self._note_refusal, gate=self.gate)

    def _previews_only(self) -> bool:
        """Whether the rules keep files back now and let previews go."""
        return self.gate.judge(Kind.PREVIEWS).open and not self.gate.judge(Kind.FILES).open

    def _nudge(self, rows: Iterable[Progress], seconds: float) -> None:
        """Let a cut line be tried again; each link at moments of its own."""
        if all(p.state is JobState.CUT for p in rows) and seconds - self._nudged_at >= NUDGE_S:
            self._nudged_at = seconds - NUDGE_S / 2 * self._random()
            self.wake()

    def _note_refusal(self, pair: Pair, refusal: Refusal) -> None:
        _LOG.warning("link %s: %s refused %s: %s", self.neighbour.name, pair.label, refusal.id, refusal.reason)
        self.refusals.note(self.neighbour.name, pair.label, refusal, datetime.now(UTC))

    def _end_run(self) -> None:
        self._end.set()
        self.wake()

    def _note(self, progress: Iterable[Progress]) -> None:
        rows = list(progress)
        error = next((p.last_error for p in rows if p.last_error), None)
        times = [p.last_success for p in rows if p.last_success]
        last = datetime.fromtimestamp(max(times), UTC).isoformat(timespec="seconds") if times else None
        with self._noting():
            self.state.note(last, error)
            if self._far is not None and self._far[1].identity:
                self.stores.note(self._far[0], self._far[1].identity)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """For what is noted for people. Where `node.db` cannot be written, the disk being full or another process at
        it, the link goes on all the same."""
        try:
            yield
        except (StoreError, sqlite3.Error) as exc:
            _LOG.warning("link %s: how it stands cannot be noted: %s", self.neighbour.name, exc)

    def _settle(self) -> None:
        self.gate.settle(self._meeting.traffic)
        self.spending.flush()

    def since_of(self, pair: Pair) -> Seq:
        """Return up to which seq of its source a pair's documents are acknowledged."""
        return pair.state.since if isinstance(pair.state, NotedState) else Seq("0")
