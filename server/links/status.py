"""How a link stands, as values for people: what waits by class, how fast it goes, what the rules say, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from replication.replicator import JobState, Pair, Progress
from replication.store import Store
from server.dossier.event import is_dossier_stream
from server.links.allowance import Kind, LinkRules, Verdict
from server.links.gate import kind_of
from server.links.link import NeighbourLink
from server.links.neighbours import Neighbour

MOST_ROWS = 5000  # of a feed looked through to count dossiers; beyond that "more than" is as good


@dataclass(frozen=True, slots=True)
class KindStatus:
    """One class on one link. `queued_bytes` and `eta_s` are None while nobody can tell."""

    kind: Kind
    queued_docs: int
    queued_bytes: int | None
    eta_s: float | None
    used_today: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Audit:
    """The newest comparison of both sides' documents: when (RFC 3339), how many differed, whether all is mended."""

    at: str
    differing: int
    mended: bool


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link as people see it. `last_success` and `since` (of the present error, or of being well) are RFC 3339.

    `progress` has one entry per database and direction while the link runs. `dossiers_to_go` counts those with events
    that are not acknowledged over there, `dossiers_more` says that there are more than were counted. `stands_back` says
    that the child's own link to us carries everything.
    """

    neighbour: Neighbour
    running: bool
    last_success: str | None
    last_error: str | None
    since: str
    progress: tuple[Progress, ...]
    rules: LinkRules = field(default_factory=LinkRules)
    rules_changed: tuple[str, str] = ("", "")
    kinds: tuple[KindStatus, ...] = ()
    rate_bps: int = 0
    dossiers_to_go: int = 0
    dossiers_more: bool = False
    refusals: int = 0
    clock_offset_s: int = 0
    audit: Audit | None = None
    there_name: str = ""
    cuts: int = 0
    stands_back: bool = False

    @property
    def state(self) -> str:
        """Return "paused", "aside", "down", "held", "working" or "idle"; "aside" while it stands back."""
        if self.neighbour.paused:
            return "paused"
        if self.stands_back:
            return "aside"
        if not self.running or any(each.state is JobState.CUT for each in self.progress):
            return "down"
        if any(each.state in (JobState.SENDING, JobState.STARTING) and each.queued_docs for each in self.progress):
            return "working"
        waiting = any(each.queued_docs and not each.verdict.open for each in self.kinds)
        return "held" if waiting or any(each.state is JobState.HELD for each in self.progress) else "idle"

    @property
    def used_today(self) -> int:
        """Return the bytes on the wire since midnight, both ways."""
        return sum(each.used_today for each in self.kinds)


def build_status(link: NeighbourLink, store: Store, *, changed: tuple[str, str] = ("", "")) -> LinkStatus:
    """Return how a link stands now. Reads feeds of the store up to `MOST_ROWS` rows."""
    kept, facts, pairs = link.state.read(), link.state.facts(), link.pairs()
    streams, more = _dossiers(link, pairs, store)
    return LinkStatus(
        neighbour=link.neighbour,
        running=link.is_running,
        last_success=kept.last_success,
        last_error=kept.last_error,
        since=kept.since,
        progress=tuple(progress for _, progress in pairs),
        rules=link.gate.rules,
        rules_changed=changed,
        kinds=tuple(_kind(kind, link, pairs, store) for kind in Kind),
        rate_bps=max((progress.rate_bps for _, progress in pairs), default=0),
        dossiers_to_go=len(streams),
        dossiers_more=more,
        refusals=link.refusals.count(link.neighbour.name),
        clock_offset_s=int(facts.get("clock_offset_s", "0")),
        audit=parse_audit(facts),
        there_name=facts.get("name", ""),
        cuts=link.cuts,
        stands_back=link.stands_back,
    )


def parse_audit(facts: Mapping[str, str]) -> Audit | None:
    """Return the newest audit noted among a link's facts, None before the first."""
    if "audit_at" not in facts:
        return None
    return Audit(facts["audit_at"], int(facts.get("audit_differing", "0")), facts.get("audit_mended", "") == "yes")


def _kind(kind: Kind, link: NeighbourLink, pairs: Sequence[tuple[Pair, Progress]], store: Store) -> KindStatus:
    if kind is Kind.FILES and link.gate.previews_only:
        return _unseen_files(link, pairs, store)
    rows = [p for pair, p in pairs if kind_of(pair, previews_only=link.gate.previews_only) is kind]
    sizes = [p.queued_bytes for p in rows if p.queued_docs]
    etas = [p.eta_s for p in rows if p.queued_docs]
    known = [eta for eta in etas if eta is not None]
    return KindStatus(
        kind=kind,
        queued_docs=sum(p.queued_docs for p in rows),
        queued_bytes=None if None in sizes else sum(size for size in sizes if size is not None),
        # One line carries them all, so what each would take alone adds up.
        eta_s=sum(known) if known and len(known) == len(etas) else None,
        used_today=link.spending.today()[kind],
        verdict=link.gate.judge(kind),
    )


def _unseen_files(link: NeighbourLink, pairs: Sequence[tuple[Pair, Progress]], store: Store) -> KindStatus:
    """Return how many files wait while only previews travel: the pairs themselves do not look at their feeds then."""
    waiting = 0
    for pair, _ in pairs:
        if pair.source.endpoint is None and pair.source.name.startswith("f-"):
            page = store.open(pair.source.name).changes(link.since_of(pair), limit=1)
            waiting += len(page.rows) + page.pending
    verdict = link.gate.judge(Kind.FILES)
    return KindStatus(Kind.FILES, waiting, None, None, link.spending.today()[Kind.FILES], verdict)


def _dossiers(link: NeighbourLink, pairs: Sequence[tuple[Pair, Progress]], store: Store) -> tuple[set[str], bool]:
    """Return the dossiers with events of ours that are not acknowledged over there, and whether there are more."""
    streams: set[str] = set()
    more = False
    for pair, progress in pairs:
        if pair.source.endpoint is not None or not pair.source.name.startswith("u-") or not progress.queued_docs:
            continue
        page = store.open(pair.source.name).changes(link.since_of(pair), limit=MOST_ROWS)
        streams |= {stream for row in page.rows if is_dossier_stream(stream := row.id.partition(":")[0])}
        more = more or page.pending > 0
    return streams, more
