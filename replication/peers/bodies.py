"""Request bodies that go on where a cut has torn them, to a server that keeps what came (`tram-bodies/1`).

A body has a name that we choose. After a cut the next connection begins with one question about all torn bodies, and
other data goes out while its answer travels; then each goes on behind what the server holds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from replication.errors import NotAPeer, ReplicationError
from replication.peers.answers import parse_json
from replication.peers.channel import Broken, Exchange
from replication.peers.pending import Pending

FEATURE = "tram-bodies/1"
HEADER = "Tram-Body"
# Below this the header costs more than the half that a cut loses.
MIN_BYTES = 1024
MAX_BYTES = 512 * 1024  # what a server keeps of one
MAX_ASKED = 16


class Fate(Enum):
    """What is known of a body: to be sent behind `at`; torn, to be asked about; came whole; nothing of it is held."""

    READY = 0
    TORN = 1
    WHOLE = 2
    GONE = 3


@dataclass(slots=True, eq=False)
class Body:
    """A packed body. `at`: how much the server holds; `all_left`: it may have been heeded."""

    data: bytes
    coding: str
    name: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    at: int = 0
    fate: Fate = Fate.READY
    all_left: bool = False

    @property
    def is_ready(self) -> bool:
        """May it be sent (again) without a question about its documents?"""
        return self.fate is Fate.READY or (self.fate is Fate.GONE and not self.all_left)

    @property
    def is_waiting(self) -> bool:
        """Is it not known yet how to go on?"""
        return self.fate is Fate.TORN

    @property
    def header(self) -> str:
        return f"{self.name};at={self.at}" if self.at else self.name

    def tear(self, torn: Broken) -> None:
        """Note what a cut has left of a request with this body."""
        if torn.left > torn.size - (len(self.data) - self.at) or not torn.never_left:
            self.fate = Fate.TORN
            self.all_left = not torn.never_left

    def learn(self, held: object) -> None:
        """Note what the server says it holds: bytes, True for all of it, None for nothing."""
        if held is True:
            self.fate = Fate.WHOLE
        elif isinstance(held, int) and 0 < held <= len(self.data):
            self.fate, self.at = Fate.READY, held
        else:
            self.fate, self.at = Fate.GONE, 0


class Torn(Broken):
    """A `Broken` whose request had a body that may go on."""

    def __init__(self, torn: Broken, body: Body) -> None:
        super().__init__(str(torn), never_left=torn.never_left, part=torn.part, left=torn.left, size=torn.size)
        self.body = body


class TornBodies:
    """Bodies a cut has torn, and the question about them: one on each connection."""

    def __init__(self) -> None:
        self._torn: list[Body] = []
        self._inquiry: tuple[list[Body], Pending[Exchange]] | None = None

    def add(self, body: Body) -> None:
        """Have a body asked about on the next connection."""
        self._torn.append(body)

    def inquire(self, ask: Callable[[str], Pending[Exchange]]) -> None:
        """Ask about those there are; `ask` makes a GET. Those beyond what one question takes are sent whole."""
        if not self._torn:
            return
        asked, rest = self._torn[:MAX_ASKED], self._torn[MAX_ASKED:]
        for body in rest:
            body.learn(None)
        self._torn = []
        names = ",".join(body.name for body in asked)
        self._inquiry = asked, ask(f"/_tram/bodies?ids={names}")

    def take(self) -> None:
        """Take the answer if it has come; what was asked on a line that broke is asked again on the next."""
        if self._inquiry is None or not self._inquiry[1].done:
            return
        (asked, pending), self._inquiry = self._inquiry, None
        try:
            held = _parse(pending.result())
        except Broken:
            self._torn += asked
            return
        except ReplicationError:
            held = {}  # it keeps nothing any more; what is not there is sent whole
        for body in asked:
            body.learn(held.get(body.name))


def _parse(exchange: Exchange) -> dict[str, Any]:
    value = parse_json(exchange.answer)
    if not isinstance(value, dict) or not isinstance(value.get("bodies"), dict):
        raise NotAPeer("the answer does not list bodies")
    held: dict[str, Any] = value["bodies"]
    return held
