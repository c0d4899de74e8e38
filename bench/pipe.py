"""The moving parts of the weak link: the serialiser of one direction, and one proxied connection."""

from __future__ import annotations

import random
import selectors
import socket
import struct
import time
from collections import deque

# A slice of 20 ms keeps delay honest at low rates; 256 bytes bounds the work at very low, 16 KiB at high ones.
SLICE_S = 0.02
MIN_SLICE = 256
MAX_SLICE = 16384
# How far ahead the serialiser may be booked: enough that it never idles between two turns of the loop.
AHEAD_S = 0.03
# What a lost segment costs on a thin line: with three or four segments under way there is no fast retransmit, so the
# sender waits for its timer, at least a second (RFC 6298 §2.4), and everything behind waits as well.
SEGMENT_BYTES = 1460
LEAST_RTO_S = 1.0
# Beyond this a direction without a rate would keep everything in our memory.
MAX_WAITING = 256 * 1024


class Shaper:
    """One direction of the link: bytes leave one after the other at `bps` bits a second (0: at once)."""

    def __init__(self, bps: int) -> None:
        self._seconds_per_byte = 8 / bps if bps else 0.0
        self._busy_until = 0.0
        self.slice_bytes = max(MIN_SLICE, min(MAX_SLICE, int(bps / 8 * SLICE_S))) if bps else MAX_SLICE
        self.total = 0

    def free_at(self) -> float:
        """Return the instant from which another slice may be booked."""
        return self._busy_until - AHEAD_S

    def book(self, size: int, now: float) -> float:
        """Take `size` bytes and return when the last of them has left."""
        self._busy_until = max(now, self._busy_until) + size * self._seconds_per_byte
        self.total += size
        return self._busy_until


class Flow:
    """Bytes from one socket to the other: read when the serialiser is free, delivered when they have travelled."""

    def __init__(
        self, source: socket.socket, target: socket.socket, shaper: Shaper, delay_s: float, open_at: float
    ) -> None:
        self.source = source
        self.target = target
        self._shaper = shaper
        self._delay_s = delay_s
        self._open_at = open_at
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._waiting_bytes = 0
        self._ended = False
        self.finished = False
        self._corrupt_every = 0
        self._corrupt_from: random.Random | None = None
        self._until_flip = 0
        self._loss = 0.0
        self._lose_by: random.Random | None = None
        self._not_before = 0.0
        self.stalls = 0

    def lose(self, share: float, source: random.Random) -> None:
        """Lose that share of the segments; `source` says which. They arrive, after a retransmission timer."""
        self._loss, self._lose_by = share, source

    def corrupt(self, every: int, source: random.Random) -> None:
        """Flip a bit every so many bytes on average, at places `source` names."""
        self._corrupt_every, self._corrupt_from = every, source
        self._until_flip = source.randint(1, 2 * every)

    def read_at(self) -> float | None:
        """Return when to read next, or None when not to."""
        if self._ended or self._waiting_bytes > MAX_WAITING:
            return None
        return max(self._open_at, self._shaper.free_at())

    def read(self, now: float) -> None:
        """Take one slice from the source. Raises OSError when the source is gone."""
        try:
            data = self.source.recv(self._shaper.slice_bytes)
        except BlockingIOError:
            return
        if not data:
            self._ended = True
            return
        due = max(self._shaper.book(len(data), now) + self._delay_s + self._lost(len(data), now), self._not_before)
        self._not_before = due
        self._waiting.append((due, self._spoil(data)))
        self._waiting_bytes += len(data)

    def deliver(self, now: float) -> float | None:
        """Write what is due and return when the next is, or None. Raises OSError when the target is gone."""
        while self._waiting and self._waiting[0][0] <= now:
            due, data = self._waiting.popleft()
            try:
                sent = self.target.send(data)
            except BlockingIOError:
                sent = 0
            self._waiting_bytes -= sent
            if sent < len(data):
                self._waiting.appendleft((due, data[sent:]))
                return now + SLICE_S
        if self._ended and not self._waiting and not self.finished:
            self.finished = True
            self.target.shutdown(socket.SHUT_WR)
        return self._waiting[0][0] if self._waiting else None

    def _lost(self, size: int, now: float) -> float:
        """Return how long the slice comes late because a segment of it was lost; sending it again takes the line."""
        if self._lose_by is None or self._lose_by.random() >= 1 - (1 - self._loss) ** (size / SEGMENT_BYTES):
            return 0.0
        self.stalls += 1
        self._shaper.book(min(size, SEGMENT_BYTES), now)
        return max(LEAST_RTO_S, 4 * self._delay_s)

    def _spoil(self, data: bytes) -> bytes:
        """Flip a bit at each place the seed names; places count bytes, so reads of another size change nothing."""
        if self._corrupt_from is None:
            return data
        spoiled = bytearray(data)
        while self._until_flip < len(data):
            spoiled[self._until_flip] ^= 1 << self._corrupt_from.randrange(8)
            self._until_flip += self._corrupt_from.randint(1, 2 * self._corrupt_every)
        self._until_flip -= len(data)
        return bytes(spoiled)


class Connection:
    """One client connection and its twin to the server."""

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        up: Shaper,
        down: Shaper,
        *,
        delay_s: float,
        open_at: float,
        corrupt_every: int = 0,
        corrupt_from: random.Random | None = None,
        loss: float = 0.0,
        lose_by: random.Random | None = None,
    ) -> None:
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._server = server
        self._up = Flow(client, server, up, delay_s, open_at)
        if corrupt_from is not None:
            self._up.corrupt(corrupt_every, corrupt_from)
        self._down = Flow(server, client, down, delay_s, open_at)
        if lose_by is not None:
            for flow in (self._up, self._down):
                flow.lose(loss, lose_by)
        self._mute = False
        self._watched: set[socket.socket] = set()
        self._selector: selectors.BaseSelector | None = None
        self.closed = False

    def move(self, now: float, selector: selectors.BaseSelector) -> float:
        """Move what is due, watch what may be read, and return when to come back."""
        self._selector = selector
        try:
            return min(self._turn(self._up, now), self._turn(self._down, now))
        except OSError:
            self.abort()
            return now

    def _turn(self, flow: Flow, now: float) -> float:
        if self.closed:
            return now
        if self._mute:
            return self._drain(now)
        due = flow.deliver(now)
        if self._up.finished and self._down.finished:
            self.abort()
            return now
        read_at = flow.read_at()
        ready = read_at is not None and read_at <= now
        self._watch(flow, ready)
        times = [instant for instant in (due, None if ready else read_at) if instant is not None]
        return min(times, default=now + 1)

    def _watch(self, flow: Flow, wanted: bool) -> None:
        assert self._selector is not None
        if wanted and flow.source not in self._watched:
            self._selector.register(flow.source, selectors.EVENT_READ, lambda: self._read(flow))
            self._watched.add(flow.source)
        elif not wanted and flow.source in self._watched:
            self._selector.unregister(flow.source)
            self._watched.discard(flow.source)

    def _read(self, flow: Flow) -> None:
        if self.closed:
            return
        try:
            flow.read(time.monotonic())
        except OSError:
            self.abort()

    def _drain(self, now: float) -> float:
        """Swallow what the client still sends, so that it believes in a link."""
        self._watch(self._up, False)
        self._watch(self._down, False)
        try:
            while self._client.recv(65536):
                pass
        except BlockingIOError:
            return now + 0.1
        self.abort()
        return now

    def swallow(self, *, reset_server: bool = False) -> None:
        """Become a black hole for good; with `reset_server` the server learns of it."""
        self._mute = True
        if reset_server:
            self.pause()
            abort(self._server)

    def pause(self) -> None:
        """Stop reading until the next `move`."""
        if self._selector is not None:
            for end in self._watched:
                self._selector.unregister(end)
        self._watched.clear()

    @property
    def stalls(self) -> int:
        """How often a lost segment has held it up, both ways."""
        return self._up.stalls + self._down.stalls

    def abort(self) -> None:
        """Reset both ends."""
        self.pause()
        abort(self._client)
        abort(self._server)
        self.closed = True


def abort(end: socket.socket) -> None:
    """Close with RST, so that the other side notices now."""
    if end.fileno() >= 0:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
