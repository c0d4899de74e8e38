"""The gate of one link: asks its rules and today's count before a pair may carry, and counts what it carried."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from replication.peers import Traffic
from replication.replicator import Pair
from server.links.allowance import Kind, LinkRules, Verdict, judge
from server.links.spending import Spending

# Hours are of the wall clock, which may be set; the replicator waits by the monotonic one. A minute late will do.
ASK_AGAIN_S = 60.0


def kind_of(pair: Pair, *, previews_only: bool = False) -> Kind:
    """Return the class a pair's bytes count for. A pair of files that carries previews alone counts for those."""
    if not pair.source.name.startswith("f-"):
        return Kind.EVENTS
    return Kind.PREVIEWS if previews_only else Kind.FILES


class LinkGate:
    """`replication.replicator.Gate` for one link. `now` is in UTC. One thread calls `waits_s` and `carried`."""

    def __init__(self, rules: LinkRules, spending: Spending, now: Callable[[], datetime]) -> None:
        self.rules = rules
        self._spending = spending
        self._now = now
        self._accounted = 0
        self.previews_only = False

    def judge(self, kind: Kind) -> Verdict:
        """Return whether a class may travel now. From any thread."""
        return judge(self.rules, kind, self._spending.today(), self._now().astimezone(self.rules.zone))

    def waits_s(self, pair: Pair) -> float:
        """Return 0.0 if the pair may carry, else seconds until asking again."""
        if self.rules.are_none:
            return 0.0
        return min(self.judge(kind_of(pair, previews_only=self.previews_only)).wait_s, ASK_AGAIN_S)

    def carried(self, pair: Pair, bytes_out: int, bytes_in: int) -> None:
        """Count bytes on the wire for the pair's class."""
        self._accounted += bytes_out + bytes_in
        self._spending.add(kind_of(pair, previews_only=self.previews_only), bytes_out + bytes_in)

    def settle(self, traffic: Traffic) -> None:
        """Count what the sockets carried beyond the pairs' own bytes (meeting, notes, waiting for news) as events."""
        rest = traffic.bytes_out + traffic.bytes_in - self._accounted
        if rest > 0:
            self._accounted += rest
            self._spending.add(Kind.EVENTS, rest)
