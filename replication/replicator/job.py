"""One pair of databases being replicated: the feed of one, the writes of the other, and the notes between them.

A job never waits. A run asks it for `turn`s, each starting at most one call or taking the answers that came, and
pumps the wires in between; so several jobs share one connection and none can hold up the others.

    Opening ─► Stages, over and over ─► Journal
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from enum import Enum

from replication.document import Seq
from replication.errors import StoreError, Unavailable
from replication.peers import Endpoint, Traffic
from replication.replicator.figures import JobState, Progress, Tally, build_progress
from replication.replicator.footing import Footing
from replication.replicator.journal import Journal
from replication.replicator.opening import Opening
from replication.replicator.pair import Pair
from replication.replicator.stages import Stages
from replication.replicator.stretches import LEAST_STRETCH_S, LONE_STRETCH_S, STRETCH_S
from replication.replicator.wire import Pace, SetBack, Wire
from replication.store import ZERO


class Turn(Enum):
    """What a turn did: nothing to do or no room; something small or local; a call that carries documents."""

    NOTHING = 0
    STEP = 1
    DATA = 2


class Job:
    """`wires` are the source's and the target's, None for a side in this process."""

    def __init__(self, pair: Pair, wires: tuple[Wire | None, Wire | None], random: Callable[[], float]) -> None:
        self.pair = pair
        self.tally = Tally()
        self.pace = Pace(random)
        self.continuous = False
        self.last_turn = 0
        self.held_until = 0.0  # the gate is closed until then (monotonic); `inf` until woken
        self.traffic = Traffic()
        self._wires = wires
        self._stages = Stages(pair, wires, self.pace, self.tally)
        self.stand(alone=False)
        self._opening = self._build_opening()
        self._journal: Journal | None = None
        self._footing = Footing(pair.target)
        self._refused_openings = 0
        self.fatal: StoreError | None = None
        self.link_error: str | None = None

    def stand(self, *, alone: bool) -> None:
        """Say whether no other pair pulls over the same line: others wait while a stretch of our feed travels."""
        shared = max(LEAST_STRETCH_S, STRETCH_S / (1 + max(0, self.pair.priority)))
        self._stages.stretch_s = LONE_STRETCH_S if alone else shared

    def _build_opening(self) -> Opening:
        pair = self.pair
        return Opening(pair.source, pair.target, pair.state, pair.direction, create_target=pair.create_target)

    # What the run asks

    @property
    def priority(self) -> int:
        """Smaller goes first."""
        return self.pair.priority

    @property
    def endpoints(self) -> list[Endpoint]:
        return [wire.endpoint for wire in self._wires if wire is not None]

    @property
    def line(self) -> Endpoint | None:
        """A connection of its own beside those, while it has one."""
        return self._stages.line

    def pump(self) -> None:
        """Move bytes on the connection of its own."""
        self._stages.pump()

    def hang_up(self) -> None:
        """End the connection of its own."""
        self._stages.hang_up()

    @property
    def feed_seq(self) -> Seq:
        """Where the feed is read on; whoever waits for news of the source waits from here."""
        return self._stages.feed_seq

    @property
    def is_waiting_for_news(self) -> bool:
        """Has the feed been read to its end?"""
        return self._journal is not None and self._stages.at_end

    @property
    def is_settled(self) -> bool:
        """Is everything the feed held over there, and written down?"""
        journal = self._journal  # watchers ask, and a run may start over meanwhile
        if journal is None or journal.is_writing:
            return False
        published = journal.is_published or journal.last_error is not None or self._is_fresh(journal)
        return published and self._stages.is_caught_up

    def _is_fresh(self, journal: Journal) -> bool:
        """An empty source that was never replicated: nothing is worth writing down."""
        return self.tally.docs == 0 and journal.since == ZERO

    def cut(self, why: str) -> None:
        """Say that the connection is lost. Calls under way are broken and taken back at the next turn."""
        self.link_error = why
        self._stages.hang_up()
        if self._journal is None:
            self._opening.restart()

    def connected(self) -> None:
        """Say that a connection stands again."""
        self._footing.connected()

    def start_over(self, endpoint: Endpoint) -> None:
        """What the server behind `endpoint` has acknowledged may be gone. Where it is the target, nothing that was
        noted here since is relied upon; a source is read on from the seq we have, and says itself whether it knows it.

        Called when all calls under way are taken back."""
        if endpoint not in self.endpoints:
            return
        if self._journal is None:
            self._opening = self._build_opening()  # what it was vouched for is void
        elif self.pair.target.endpoint is endpoint:
            stretch_s = self._stages.stretch_s
            self._stages = Stages(self.pair, self._wires, self.pace, self.tally)
            self._stages.stretch_s = stretch_s
            self._opening, self._journal = self._build_opening(), None
            self._footing = Footing(self.pair.target)

    def take_back(self, now: float) -> None:
        """After a cut: take what had come, and store it where that needs no line, before another is tried."""
        if self._journal is None:
            return
        self._reap(now)
        if self._wires[1] is None:
            self._stages.store_what_came(now)
            self._reap(now)
        self._note()

    @property
    def activity(self) -> int:
        """A number that stays the same while nothing is read or written."""
        return self.tally.docs + self.tally.docs_written + self.tally.refused

    @property
    def reached(self) -> Seq:
        """Up to where everything is acknowledged."""
        return self._journal.since if self._journal is not None else ZERO

    def vouch(self, seq: Seq | None, reached: Seq | None) -> None:
        """Say how far the database over there has got, if it is certain that it is as our last note left it, and how
        far this pair had got then."""
        self._opening.vouch(seq, reached)

    def poke(self) -> None:
        """Say that the source has news."""
        self._stages.look_again()

    def wake(self) -> None:
        """Something may have changed: the gate and whoever names express documents are asked again."""
        self.held_until = 0.0
        self._stages.wake()

    def wakes_at(self) -> float | None:
        """Return when to ask for a turn again though nothing arrives, None for never."""
        now = time.monotonic()
        times = [at for at in (self.pace.not_before, self.held_until) if now < at < math.inf]
        later = self._stages.wakes_at()
        return min([*times, *([later] if later is not None else [])], default=None)

    def turn(self, now: float) -> Turn:
        """Take answers, or start one call. Raises `SetBack` where the target is not what it was."""
        if self._journal is None:
            return Turn.NOTHING if now < self.pace.not_before else self._open(now)
        if self._reap(now):
            self._note()
            return Turn.STEP
        if self._footing.is_lost and self.pair.target.endpoint is not None:
            raise SetBack(self.pair.target.endpoint)
        if now < self.pace.not_before:
            return Turn.NOTHING
        if self.continuous and self._footing.turn():
            return Turn.STEP
        if self._journal.is_due(now) and self._publish(now):
            return Turn.STEP
        load = self._load()
        if self._stages.carry(now, held=now < self.held_until):
            return Turn.DATA if self._load() > load else Turn.STEP
        return self._rest(now)

    def _load(self) -> int:
        """Count the calls under way that carry documents over a wire."""
        return sum(wire.writes + wire.reads for wire in self._wires if wire is not None)

    def _open(self, now: float) -> Turn:
        try:
            opened = self._opening.turn()
        except StoreError as exc:
            self._refused_openings += 1
            # The second time in a row it is no accident of the line.
            self.fatal = exc if self._refused_openings > 1 and not isinstance(exc, Unavailable) else None
            self.pace.fault(exc, now)
            self._opening = self._build_opening()
            return Turn.STEP
        if opened is None:
            return Turn.NOTHING
        self.fatal = None
        self._refused_openings = 0
        self.pace.success()
        self._journal = Journal(self.pair.source, self.pair.target, self.pair.state, opened, self.tally)
        self._stages.begin(opened)
        return Turn.STEP

    def _reap(self, now: float) -> bool:
        assert self._journal is not None
        taken = [self._stages.reap(now), self._journal.reap(now), self._footing.reap()]
        return any(taken)

    def _note(self) -> None:
        assert self._journal is not None
        reached = self._stages.advance()
        if reached is not None and reached != self._journal.since:
            self._journal.reached(reached)

    def _rest(self, now: float) -> Turn:
        """With nothing left to do: write the logs once, then note that all is quiet."""
        assert self._journal is not None
        if not self._stages.is_caught_up or self._journal.is_writing:
            return Turn.NOTHING
        if not self._is_fresh(self._journal) and self._publish(now):
            return Turn.STEP
        if self._is_told_of_target():
            self._journal.rest()
        return Turn.NOTHING

    def _publish(self, now: float) -> bool:
        """Write the logs. Tell whether something was started.

        Not before the target has answered on this connection: one that was set back meanwhile would be told, and tell
        us again, that it holds what it has lost."""
        assert self._journal is not None
        if self._is_told_of_target():
            return self._journal.publish(now)
        endpoint = self.pair.target.endpoint
        if endpoint is None or endpoint.heard or endpoint.outstanding:
            return False
        endpoint.request("GET", "/")  # the greeting names the life; a server set back ends this connection's run
        return True

    def _is_told_of_target(self) -> bool:
        endpoint = self.pair.target.endpoint
        if endpoint is None:
            return True
        return endpoint.heard and (endpoint.life.is_told or not self.continuous or self._footing.is_sure)

    # How it stands

    def progress(self, now: float) -> Progress:
        """Return how the pair stands, for people."""
        state = self._state(now)
        queued_docs = self._stages.queued_docs()
        up, down = (wire.meter if wire is not None else None for wire in reversed(self._wires))
        return build_progress(
            self.pair.label,
            state,
            self.tally,
            queued_docs=queued_docs,
            queued_bytes=self._stages.queued_bytes(queued_docs) if self._journal is not None else None,
            rate=up.up if up is not None else down.down if down is not None else None,
            last_error=self.link_error or self.pace.last_error or self._note_error(),
            held_s=self.held_until - now if state is JobState.HELD else None,
        )

    def _note_error(self) -> str | None:
        error = self._journal.note_error if self._journal is not None else None
        return None if error is None else f"this machine could not note how far the pair has got: {error.reason}"

    def _state(self, now: float) -> JobState:
        if self.is_settled and not self.continuous:
            return JobState.DONE  # also where the line broke over the question that comes after
        if self.link_error is not None:
            return JobState.CUT
        if now < self.pace.not_before:
            return JobState.WAITING
        if self._journal is None:
            return JobState.STARTING
        if not self._stages.is_caught_up:
            return JobState.HELD if now < self.held_until else JobState.SENDING
        return JobState.IDLE if self.continuous else JobState.DONE
