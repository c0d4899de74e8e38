"""Request bodies that go on after a cut: what came is kept under a name the client chose.

    POST /db/_bulk_docs      Tram-Body: 3xVn0eF2…           the line breaks after 20 KB
    GET  /_tram/bodies?ids=3xVn0eF2…                       {"bodies":{"3xVn0eF2…":19456}}
    POST /db/_bulk_docs      Tram-Body: 3xVn0eF2…;at=19456  the rest; the whole body is what is heeded

The idea of draft-ietf-httpbis-resumable-upload with fewer round trips: the name is the client's (at least 128 random
bits), so the first request needs no answer, and bytes the server has already may come again. An id is answered with
the bytes held, with `true` when the body came whole (its answer may be lost), and is left out when nothing is known.
What is kept is bounded in bytes, number and age, for each sender; it is not durable, and nothing is acknowledged.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from replication.errors import BadRequest, StoreError

HEADER = "Tram-Body"
FEATURE = "tram-bodies/1"
# The largest batch our replicator packs is 256 KB; what is larger travels as it always did.
MAX_BODY_BYTES = 512 * 1024
MAX_BYTES = 8 * 1024 * 1024
MAX_BODIES_OF_ONE = 8
MAX_AGE_S = 3600.0
MAX_IDS_ASKED = 16
_VALUE = re.compile(r"([A-Za-z0-9_-]{22,64})(?:;at=([0-9]{1,9}))?")


class BodyNotHeld(StoreError):
    """The body goes on behind what is held of it: 409, and the client asks how much that is."""

    status = 409
    error = "body_not_held"


@dataclass(slots=True, eq=False)
class _Held:
    sender: str
    touched: float
    data: bytearray = field(default_factory=bytearray)
    turn: int = 0  # of the request that may add to it: an older connection may not know yet that it is dead
    whole: bool = False
    dropped: bool = False


class Bodies:
    """What is held, by sender and name. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._bytes = 0

    @property
    def bytes_held(self) -> int:
        return self._bytes

    def receive(self, sender: str, name: str, at: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the whole body: `at` bytes held from before, then `pieces`, each kept as it comes.

        Raises `BodyNotHeld` where fewer are held, `BadRequest` when another connection has gone on with it.
        """
        held, turn, before = self._begin(sender, name, at)
        if before:
            yield before
        for piece in pieces:
            self._add(held, turn, piece)
            yield piece
        self._end(held, turn)

    def sizes(self, sender: str, names: list[str]) -> dict[str, int | bool]:
        """Return how much is held of each, True for what came whole."""
        with self._lock:
            self._expire(time.monotonic())
            found = {name: self._held.get((sender, name)) for name in names}
            return {name: held.whole or len(held.data) for name, held in found.items() if held is not None}

    def _begin(self, sender: str, name: str, at: int) -> tuple[_Held, int, bytes]:
        now = time.monotonic()
        with self._lock:
            self._expire(now)
            held = self._held.get((sender, name))
            if at > (0 if held is None else len(held.data)):
                raise BodyNotHeld(f"fewer than {at} bytes of this body are held; ask /_tram/bodies, or send it whole")
            if held is None:
                held = _Held(sender, now)
                self._held[sender, name] = held
            self._held.move_to_end((sender, name))
            self._bytes -= len(held.data) - at
            del held.data[at:]
            held.turn += 1
            held.touched, held.whole = now, False
            self._make_room(sender, held)
            return held, held.turn, bytes(held.data)

    def _add(self, held: _Held, turn: int, piece: bytes) -> None:
        with self._lock:
            if held.turn != turn:
                raise BadRequest("another connection goes on with this body")
            if held.dropped or len(held.data) + len(piece) > MAX_BODY_BYTES:
                return  # it is heeded when it comes whole, and not kept
            held.data += piece
            held.touched = time.monotonic()
            self._bytes += len(piece)
            self._make_room(held.sender, held)

    def _end(self, held: _Held, turn: int) -> None:
        """Keep that it came whole, and not the bytes."""
        with self._lock:
            if held.turn == turn:
                self._bytes -= len(held.data)
                held.data.clear()
                held.whole = True

    def _expire(self, now: float) -> None:
        while self._held and now - next(iter(self._held.values())).touched > MAX_AGE_S:
            self._drop(next(iter(self._held)))

    def _make_room(self, sender: str, keep: _Held) -> None:
        """Drop the sender's oldest beyond its number, then anybody's oldest beyond the bytes."""
        own = [key for key, held in self._held.items() if held.sender == sender and held is not keep]
        for key in own[: max(0, len(own) + 1 - MAX_BODIES_OF_ONE)]:
            self._drop(key)
        while self._bytes > MAX_BYTES and next(iter(self._held.values())) is not keep:
            self._drop(next(iter(self._held)))

    def _drop(self, key: tuple[str, str]) -> None:
        held = self._held.pop(key)
        self._bytes -= len(held.data)
        held.data.clear()
        held.dropped = True


@cache
def default_bodies() -> Bodies:
    """Return what this process holds: names are random, so its servers may share it."""
    return Bodies()


def collect(sender: str, value: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the body of a request that bears a `Tram-Body` of this value. Raises `BadRequest`, `BodyNotHeld`."""
    matched = _VALUE.fullmatch(value)
    if matched is None:
        raise BadRequest(f"{HEADER} must be 22 to 64 characters of base64url, and ;at=<bytes held>")
    return default_bodies().receive(sender, matched[1], int(matched[2] or 0), pieces)


def parse_names(text: str) -> list[str]:
    """Return the names in a list with commas. Raises `BadRequest`."""
    names = [name for name in text.split(",") if name]
    if len(names) > MAX_IDS_ASKED or not all(_VALUE.fullmatch(name) for name in names):
        raise BadRequest(f"ids must be at most {MAX_IDS_ASKED} names of bodies with commas between them")
    return names
