"""What a set of events amounts to: the status, who is in conflict with whom, and what has been settled.

Each event is judged by what its author had seen: the view of its past. That verdict never changes when more events
arrive. The view of a set is then found in stages, every one a function of the set alone:

1. Decisions about conflicts: one that a later author overruled falls away; two parallel ones that contradict each
   other settle nothing.
2. Set aside: what lost a settled conflict, and what was built on that by people who did not know of the settlement.
3. Submissions: a stream has one. If two were made apart, the one that more of the office's own events build on counts
   (whoever hears of a stream later cannot push in before its owner), else the smaller id. What was judged under
   the other one, whose owner may be somebody else, is disputed with it.
4. Conflicts: parallel decisions that cannot both stand. They are disputed, and so is what builds on one side only.
5. Replay: what is left takes its steps in order; a step that is no longer possible has been overtaken.

An act that was held for a leader takes its step where the leader's review adopts it: the review stands for the act. If
reviews were made apart, one that discards outweighs those that adopt, and of several that adopt the first counts.

Where an event builds on everything in a set, stages 1 to 4 bring nothing new and only its own step is taken: so a
dossier without parallel events, which is nearly every one, folds in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from server.dossier.event import Event
from server.dossier.order import Order, bits
from server.dossier.states import DECISIONS, MOVE_OF, Text, next_status

SUBMITTED = "dossier.submitted"
ACCEPTED = "dossier.accepted"
SUPPLEMENT_REQUESTED = "dossier.supplement_requested"
ACT_REVIEWED = "dossier.act_reviewed"


@dataclass(frozen=True, slots=True)
class Open:
    """A conflict nobody has settled. `members` may be chosen, `sides` are the first of each branch, `undone` decisions
    about it that contradict each other. All are sets of indexes."""

    kind: str
    members: int
    sides: int
    undone: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """A decision about a conflict that was possible: what it chose, and the set that it put aside."""

    chosen: int
    losers: int
    sides: int
    kind: str


@dataclass(frozen=True, slots=True)
class View:
    """The outcome of a set of events. Indexes are those of the order, -1 for none; sets are bits.

    `resume` is the status to return to when papers come. `stepped` took their step, `overtaken` could no longer.
    """

    status: int = 0
    resume: int = 0
    root: int = -1
    accepted: int = -1
    stepped: int = 0
    overtaken: int = 0
    set_aside: int = 0
    disputed: int = 0
    open: tuple[Open, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether officials have to settle a conflict before they can go on."""
        return any(conflict.kind == "decision" for conflict in self.open)


EMPTY = View()


class Views:
    """The views of a stream's events, taken in order: `before(i)`, then `admit(i)` if the event may count, then the
    next."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._after: dict[int, View] = {}
        self._merged: dict[int, View] = {0: EMPTY}
        self._moves = self._decisions = self._submissions = self._witnesses = 0
        self.resolutions: dict[int, Resolution] = {}
        self.held: dict[int, Text] = {}  # held act → why
        self._adoptions: dict[int, int] = {}  # review → the held act it adopted
        self._discards: dict[int, int] = {}  # held act → the set of reviews that discarded it
        self.judged: dict[int, int] = {}  # admitted event → the submission it was judged under; itself for one

    def stands_for(self, i: int) -> int:
        """Return the index of the act that the event at `i` performs: itself, or what a review adopted."""
        return self._adoptions.get(i, i)

    def event(self, i: int) -> Event:
        """The event at an index; of a review that adopts, the act it adopted."""
        return self._order.events[self.stands_for(i)].event

    def member(self, event: str, members: int) -> int:
        """Return the index in `members` that performs the event with this id, -1 if none does."""
        wanted = self._order.index.get(event, -1)
        return next((i for i in bits(members) if self.stands_for(i) == wanted), -1)

    def reviews_of(self, held: int) -> int:
        """Return the set of admitted reviews of a held act."""
        return self._discards.get(held, 0) | sum(1 << i for i, act in self._adoptions.items() if act == held)

    def dropped(self, members: int) -> int:
        """Return the adoptions in `members` that another review in it outweighs."""
        dropped, adopted = 0, 0
        for i, act in sorted(self._adoptions.items()):
            if not members >> i & 1:
                continue
            if self._discards.get(act, 0) & members or adopted >> act & 1:
                dropped |= 1 << i
            adopted |= 1 << act
        return dropped

    def before(self, i: int) -> View:
        """Return the view of all that the author of event `i` had seen."""
        past, parents = self._order.past[i], self._order.parents[i]
        for parent in parents:
            if past == self._order.past[parent] | 1 << parent:
                return self._after[parent]
        return self._merge(past)

    def hold(self, i: int, view: View, reason: Text) -> None:
        """Let event `i` wait for a leader's review."""
        self.held[i] = reason
        self.pass_over(i, view)

    def admit(self, i: int, view: View, *, is_office: bool) -> None:
        """Count event `i`, whose view is `view`. `is_office`: a node or an official in office is its author."""
        event = self._order.events[i].event
        if event.type == ACT_REVIEWED:
            held = self._order.index[event.body["of"]]
            if event.body["decision"] == "discarded":
                self._discards[held] = self._discards.get(held, 0) | 1 << i
                self.pass_over(i, view)
                return
            self._adoptions[i] = held
        kind = self.event(i).type
        self.judged[i] = i if kind == SUBMITTED else view.root
        self._witnesses |= is_office << i
        if kind == "dossier.conflict_resolved":
            self.resolutions[i] = self._resolution(i, view)
            self._after[i] = self._merge(self._order.past[i] | 1 << i)
            return
        self._moves |= (kind in MOVE_OF) << i
        self._decisions |= (kind in DECISIONS) << i
        self._submissions |= (kind == SUBMITTED) << i
        self._after[i] = self._step(view, i)

    def pass_over(self, i: int, view: View) -> None:
        """Let event `i` stand in the order without counting."""
        self._after[i] = view

    def whole(self) -> View:
        """Return the view of everything that is not waiting."""
        everything = (1 << len(self._order.events)) - 1 & ~self._order.waiting
        heads = self._order.heads
        if len(heads) == 1:
            return self._after[self._order.index[heads[0]]]
        return self._merge(everything)

    def merged_whole(self) -> View:
        """Return the same by all five stages, without the short way of a single head."""
        return self._build((1 << len(self._order.events)) - 1 & ~self._order.waiting)

    def _merge(self, members: int) -> View:
        view = self._merged.get(members)
        if view is None:
            view = self._merged[members] = self._build(members)
        return view

    def _build(self, members: int) -> View:
        members &= ~self.dropped(members)
        moves = self._moves & members
        settled, undone = self._standing(members)  # 1
        set_aside = self._set_aside(moves, settled)  # 2
        root, rivals, conflicts = self._submission(members, moves & ~set_aside, undone)  # 3
        disputed = rivals and sum(1 << i for i in bits(moves) if self.judged[i] != root)
        alive = moves & ~set_aside & ~disputed
        conflicts += self._conflicts(alive, undone)  # 4
        for conflict in conflicts:
            if conflict.kind == "decision":
                disputed |= conflict.members | self._on_one_side(alive, conflict)
        view = View(set_aside=set_aside, disputed=disputed, open=tuple(conflicts))
        for i in bits(moves & ~set_aside & ~disputed):  # 5
            view = self._step(view, i)
        return view

    def _standing(self, members: int) -> tuple[Mapping[int, Resolution], int]:
        """Stage 1: the resolutions that stand, and the set of those that contradict each other."""
        here = {i: resolution for i, resolution in self.resolutions.items() if members >> i & 1}
        past = self._order.past
        latest = {
            i: one
            for i, one in here.items()
            if not any(past[j] >> i & 1 and _contradict(one, other) for j, other in here.items())
        }
        undone = 0
        for i, one in latest.items():
            for j, other in latest.items():
                if i < j and _contradict(one, other):
                    undone |= 1 << i | 1 << j
        return {i: one for i, one in latest.items() if not undone >> i & 1}, undone

    def _set_aside(self, moves: int, settled: Mapping[int, Resolution]) -> int:
        """Stage 2. Who saw the settlement or the chosen side did not build on the loser alone."""
        set_aside = 0
        for i, resolution in settled.items():
            set_aside |= self._dependents(moves, resolution.losers, 1 << i | 1 << resolution.chosen)
        return set_aside

    def _dependents(self, moves: int, causes: int, unless: int) -> int:
        """Return `causes` and those of `moves` that build on them and on nothing in `unless`."""
        if not causes:
            return 0
        past = self._order.past
        return causes | sum(1 << i for i in bits(moves) if past[i] & causes and not past[i] & unless)

    def _submission(self, members: int, alive: int, undone: int) -> tuple[int, int, list[Open]]:
        """Stage 3: the submission that counts (-1 if none), the set of its rivals, the conflict if there is one."""
        submissions = self._submissions & alive
        if not submissions:
            return -1, 0, []
        if submissions & (submissions - 1) == 0:
            return submissions.bit_length() - 1, 0, []
        witnesses = [self._order.past[i] for i in bits(self._witnesses & members)]
        root = min(
            bits(submissions), key=lambda s: (-sum(past >> s & 1 for past in witnesses), self._order.events[s].id)
        )
        about = self._undone_about(undone, submissions)
        return root, submissions & ~(1 << root), [Open("submission", submissions, submissions, about)]

    def _conflicts(self, alive: int, undone: int) -> list[Open]:
        """Stage 4: connected groups of parallel decisions that disagree."""
        decisions = list(bits(self._decisions & alive))
        against = {i: sum(1 << j for j in decisions if self._disagree(i, j)) for i in decisions}
        conflicts = []
        left = sum(1 << i for i, others in against.items() if others)
        while left:
            group = fresh = left & -left
            while fresh:
                reached = 0
                for i in bits(fresh):
                    reached |= against[i]
                fresh = reached & ~group
                group |= fresh
            left &= ~group
            sides = sum(1 << i for i in bits(group) if not self._order.past[i] & group)
            conflicts.append(Open("decision", group, sides, self._undone_about(undone, group)))
        return conflicts

    def _disagree(self, i: int, j: int) -> bool:
        if not self._order.is_parallel(i, j):
            return False
        one, other = self.event(i), self.event(j)
        if one.type != other.type:
            return True
        return any(one.body[name] != other.body[name] for name in DECISIONS[one.type])

    def _on_one_side(self, alive: int, conflict: Open) -> int:
        """Return what builds on one side of a conflict and had not seen the others."""
        past = self._order.past
        return sum(
            1 << i for i in bits(alive & ~conflict.members) if past[i] & conflict.members and conflict.sides & ~past[i]
        )

    def _undone_about(self, undone: int, members: int) -> int:
        return sum(1 << i for i in bits(undone) if members >> self.resolutions[i].chosen & 1)

    def _resolution(self, i: int, view: View) -> Resolution:
        """Return what the admissible event `i` settles: it puts aside all that disagrees with what it chose."""
        named = self.event(i).body["chosen"]
        conflict = next(c for c in view.open if self.member(named, c.members) >= 0)
        chosen = self.member(named, conflict.members)
        if conflict.kind == "submission":
            losers = conflict.members & ~(1 << chosen)
        else:
            losers = sum(1 << j for j in bits(conflict.members) if self._disagree(chosen, j))
        return Resolution(chosen, losers, conflict.sides, conflict.kind)

    def _step(self, view: View, i: int) -> View:
        """Return `view` after event `i`, which builds on all of it or comes later in order."""
        kind = self.event(i).type
        if kind not in MOVE_OF:
            return view
        target = next_status(kind, view.status, view.resume)
        if target is None or (kind == ACCEPTED and view.accepted >= 0):
            return replace(view, overtaken=view.overtaken | 1 << i)
        return View(
            target,
            view.status if kind == SUPPLEMENT_REQUESTED else view.resume,
            i if kind == SUBMITTED else view.root,
            i if kind == ACCEPTED else view.accepted,
            view.stepped | 1 << i,
            view.overtaken,
            view.set_aside,
            view.disputed,
            view.open,
        )


def _contradict(one: Resolution, other: Resolution) -> bool:
    return bool(one.losers >> other.chosen & 1 or other.losers >> one.chosen & 1)
