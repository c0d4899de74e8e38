"""Several pairs over one connection: who goes first, what a cut means, and when to try again.

    link = Link([Pair(events_here, events_there, state, priority=0), Pair(files_here, files_there, state, priority=2)])
    link.run(stop, continuous=True)     # in a thread of its own; `link.progress()` from any other

Smaller priorities go first at every batch; an eighth of what is sent belongs to the last in line (`Turns`), so that
file chunks move even while events keep coming. A pair whose database is missing, full or forbidden waits by itself.
"""

from __future__ import annotations

import random as random_module
import threading
import time
from collections.abc import Callable, Sequence

from replication.errors import LinkError
from replication.peers import Endpoint
from replication.peers.bodies import FEATURE as BODIES_FEATURE
from replication.peers.readiness import wait_ready
from replication.replicator.alarm import Alarm
from replication.replicator.backoff import Backoff
from replication.replicator.batching import LinkMeter
from replication.replicator.figures import Figures, Progress
from replication.replicator.gate import Gate
from replication.replicator.job import Job, Turn
from replication.replicator.pair import Pair
from replication.replicator.quiet import Quiet
from replication.replicator.telling import ProgressCallback, RefusalCallback, Telling
from replication.replicator.turns import Turns
from replication.replicator.watcher import ServerWatcher, Watcher
from replication.replicator.wire import SetBack, Wire, explain

MAX_NAP_S = 1.0


class Link:
    """Runs pairs until they are settled, or until stopped. `random` spreads the tries after a cut; `gate` says when
    each pair may carry documents, None is always."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        on_progress: ProgressCallback | None = None,
        on_refusal: RefusalCallback | None = None,
        gate: Gate | None = None,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        if not pairs:
            raise ValueError("a link needs at least one pair")
        self._gate = gate
        self._woken = False
        self._backoff = Backoff(random)
        self._wires: dict[int, Wire] = {}
        self._jobs = [Job(pair, self._wires_of(pair), random) for pair in pairs]
        pulls = [job.pair.source.endpoint for job in self._jobs]
        for job in self._jobs:
            job.stand(alone=sum(endpoint is job.pair.source.endpoint for endpoint in pulls) == 1)
        self._turns = Turns()
        self._cuts = 0
        self._answered = 0
        self._heard = False
        self._was_cut = False
        self._seconds = 0.0
        self._quiet = Quiet(self._jobs)
        self._telling = Telling(self._jobs, on_progress, on_refusal, gate)
        self._alarm = Alarm()

    def _wires_of(self, pair: Pair) -> tuple[Wire | None, Wire | None]:
        return self._wire(pair.source.endpoint), self._wire(pair.target.endpoint)

    def _wire(self, endpoint: Endpoint | None) -> Wire | None:
        if endpoint is None:
            return None
        return self._wires.setdefault(id(endpoint), Wire(endpoint, LinkMeter(time.monotonic())))

    # Called from any thread

    def progress(self) -> list[Progress]:
        """Return how each pair stood a moment ago, in the order the pairs were given."""
        return self._telling.progress

    def wake(self) -> None:
        """End the run's current wait: there is news, the gate may have opened, other documents are wanted first, or
        `stop` was set."""
        self._woken = True
        self._alarm.ring()

    def figures(self) -> Figures:
        """Return the account so far."""
        traffic = [wire.endpoint.traffic for wire in self._wires.values()]
        tallies = [job.tally for job in self._jobs]
        return Figures(
            docs=sum(tally.docs for tally in tallies),
            docs_written=sum(tally.docs_written for tally in tallies),
            bytes_out=sum(entry.bytes_out for entry in traffic),
            bytes_in=sum(entry.bytes_in for entry in traffic),
            requests=sum(entry.requests for entry in traffic),
            resent_docs=sum(tally.resent_docs for tally in tallies),
            cuts=self._cuts,
            seconds=round(self._seconds, 3),
            refused=sum(tally.refused for tally in tallies),
            refusals=tuple(refusal for tally in tallies for refusal in tally.refusals),
        )

    # The run

    def run(self, stop: threading.Event, *, continuous: bool = False) -> Figures:
        """Replicate until every pair is settled, over cuts, or with `continuous` until `stop`.

        After setting `stop` call `wake`, or wait a second; a continuous run sets it itself when it ends.
        Without `continuous`, raises the `StoreError` of a pair that cannot even begin (no such source, wrong
        password) once nothing else is left to do.
        """
        begun = time.monotonic()
        self._alarm.open()
        watchers = self._watchers(stop) if continuous else []
        for job in self._jobs:
            job.continuous = continuous
        for watcher in watchers:
            watcher.start()
        try:
            while not stop.is_set() and not self._is_over(continuous):
                self._seconds = time.monotonic() - begun
                self._round(stop)
        finally:
            self._seconds = time.monotonic() - begun
            self._close(watchers, stop, continuous)
        self._raise_fatal(continuous)
        return self.figures()

    def _watchers(self, stop: threading.Event) -> list[threading.Thread]:
        watchers: list[threading.Thread] = [
            Watcher(job, self.wake, stop) for job in self._jobs if job.pair.source.endpoint is None
        ]
        for wire in self._wires.values():
            jobs = [job for job in self._jobs if wire.endpoint in job.endpoints]
            watchers.append(ServerWatcher(wire.endpoint, jobs, self.wake, stop))
        return watchers

    def _is_over(self, continuous: bool) -> bool:
        if continuous or not all(job.is_settled or job.fatal is not None for job in self._jobs):
            return False
        # Taking the note of a quiet moment may take a round trip; a run that is over waits for it, once.
        noted = self._quiet.is_noted or not self._wires
        return noted or any(job.fatal is not None for job in self._jobs)

    def _raise_fatal(self, continuous: bool) -> None:
        for job in self._jobs:
            if job.fatal is not None and not continuous:
                raise job.fatal

    def _close(self, watchers: list[threading.Thread], stop: threading.Event, continuous: bool) -> None:
        if continuous:
            stop.set()
        for watcher in watchers:
            watcher.join(timeout=5)
        for wire in self._wires.values():
            wire.endpoint.close()
        for job in self._jobs:
            job.hang_up()
        self._alarm.close()
        self._telling.tell(force=True)

    def _round(self, stop: threading.Event) -> None:
        try:
            self._connect()
            moved = self._turn()
            self._telling.tell()
            self._pump(0.0 if moved else self._nap_s())
            self._telling.tell_gate()
        except LinkError as exc:
            self._cut(exc, stop)

    def _connect(self) -> None:
        """Bring every wire up that is wanted; an idle line may stay down until there is something to say."""
        for wire in self._wires.values():
            if not wire.endpoint.connected and not self._is_quiet(wire):
                wire.endpoint.connect()
                if self._was_cut:
                    wire.endpoint.check_fresh()
                wire.endpoint.inquire()
                wire.meter.connected(time.monotonic())
                for job in self._jobs:
                    if wire.endpoint in job.endpoints:
                        job.connected()
                self._answered = self._answers()
                self._heard = False

    def _is_quiet(self, wire: Wire) -> bool:
        return all(job.is_settled for job in self._jobs if wire.endpoint in job.endpoints)

    def _turn(self) -> bool:
        """Give one job one turn. Tell whether it did something."""
        now = time.monotonic()
        if self._woken:
            self._woken = False
            for job in self._jobs:
                job.wake()
        if self._quiet.open():
            return True
        for job in self._turns.order(self._jobs):
            if not self._quiet.may_open(job):
                continue
            unsent = self._unsent_bytes()
            turn = self._turn_of(job, now)
            if turn is Turn.DATA:
                batch = min((wire.meter.up_batch_bytes(now) for wire in self._wires.values()), default=1.0)
                self._turns.note(job, self._jobs, (self._unsent_bytes() - unsent) / batch)
            if turn is not Turn.NOTHING:
                return True
        return self._quiet.take_note()

    def _turn_of(self, job: Job, now: float) -> Turn:
        if self._gate is not None and now >= job.held_until:
            wait_s = self._gate.waits_s(job.pair)
            job.held_until = now + wait_s if wait_s > 0 else 0.0
        for endpoint in job.endpoints:
            endpoint.account = job.traffic
        try:
            return job.turn(now)
        finally:
            for endpoint in job.endpoints:
                endpoint.account = None

    def _unsent_bytes(self) -> int:
        return sum(wire.endpoint.unsent_bytes for wire in self._wires.values())

    def _nap_s(self) -> float:
        now = time.monotonic()
        times = [wakes_at for job in self._jobs if (wakes_at := job.wakes_at()) is not None]
        return max(0.0, min([MAX_NAP_S, *(at - now for at in times)]))

    def _pump(self, timeout_s: float) -> None:
        wires = [wire.endpoint for wire in self._wires.values() if wire.endpoint.connected]
        lines = wires + [line for job in self._jobs if (line := job.line) is not None]
        reads: list[Endpoint | Alarm] = [*lines, self._alarm]
        writes = [endpoint for endpoint in lines if endpoint.unsent_bytes]
        readable, _ = wait_ready(reads, writes, timeout_s)
        if self._alarm.fileno() in readable:
            self._alarm.silence()
        for endpoint in wires:
            endpoint.pump(0.0)
        for job in self._jobs:
            job.pump()
        for wire in self._wires.values():
            if wire.endpoint.life.is_over:
                raise SetBack(wire.endpoint)
        # Not any bytes: a login page comes in pieces too, and would be asked for five times a second, without end.
        if self._answers() != self._answered:
            self._backoff.reset()
            self._answered = self._answers()
            self._heard = True
            self._was_cut = False
            for job in self._jobs:
                job.link_error = None

    def _answers(self) -> int:
        return sum(wire.endpoint.answers for wire in self._wires.values())

    def _cut(self, error: LinkError, stop: threading.Event) -> None:
        """Take note, and wait before the next try; an alarm (the line is back, stop) ends the wait."""
        now = time.monotonic()
        wait_s = self._backoff.next_s()
        for wire in self._wires.values():
            if self._heard:
                # What was read is kept, and what was sent of a body where the server keeps it.
                wire.meter.cut(now, lost_batch=bool(wire.writes) and BODIES_FEATURE not in wire.endpoint.features)
            wire.endpoint.close()
        self._telling.tell_gate()
        self._quiet.cut()
        self._cuts += 1 if self._heard else 0  # a line that was never up was not cut
        self._heard = False
        self._was_cut = True
        for job in self._jobs:
            job.cut(explain(error))
            job.take_back(now)
            if isinstance(error, SetBack):
                job.start_over(error.endpoint)
        if isinstance(error, SetBack):
            error.endpoint.forget()
        self._telling.tell(force=True)
        if not stop.is_set():
            self._alarm.wait(wait_s)


def replicate(
    pair: Pair,
    *,
    stop: threading.Event | None = None,
    continuous: bool = False,
    on_progress: ProgressCallback | None = None,
) -> Figures:
    """Replicate one pair; see `Link.run`."""
    return Link([pair], on_progress=on_progress).run(stop or threading.Event(), continuous=continuous)
