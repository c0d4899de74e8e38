"""One TCP or TLS connection on which requests are pipelined and answered in order.

One thread uses a channel: it submits requests, which only queues them, and calls `pump`, which moves bytes both ways
until something can be done or time is up. Nothing else blocks but `connect`.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from replication.dictionaries import Shelf
from replication.errors import LinkCut, NotAPeer, TooLarge
from replication.peers.dialling import Address, count_bytes, dial, in_words
from replication.peers.patience import Patience
from replication.peers.pending import Promise
from replication.peers.readiness import wait_ready
from replication.peers.wire import MAX_ANSWER_BYTES, NO_PART, Answer, AnswerParser, Part

SLICE = 8 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer with the times of its exchange (monotonic seconds), and the size and coding of its request."""

    answer: Answer
    request_bytes: int
    submitted: float
    answered: float
    coding: str = ""


@dataclass(slots=True)
class Traffic:
    """Bytes on the sockets and requests made, over all connections to one server, or for one purpose."""

    bytes_out: int = 0
    bytes_in: int = 0
    requests: int = 0
    connections: int = 0


class Broken(LinkCut):
    """The connection ended before this request was answered. `never_left`: part of the request was not even sent, so
    it cannot have been heeded; `left` of its `size` bytes were. `part` is what came of the answer."""

    def __init__(
        self, reason: str, *, never_left: bool = False, part: Part = NO_PART, left: int = 0, size: int = 0
    ) -> None:
        super().__init__(reason)
        self.never_left = never_left
        self.part = part
        self.left = left
        self.size = size


@dataclass(slots=True)
class _Waiting:
    promise: Promise[Exchange]
    request_bytes: int
    submitted: float
    alone: bool  # nothing else was under way, so its time is a round trip and not a queue
    ends_at: int  # how many bytes the connection has sent when this is all out
    coding: str
    account: Traffic | None


class Channel:
    """An open connection. `check` is told status and headers of each answer, and raises `NotAPeer` for a stranger's.

    After a `LinkCut` or `NotAPeer` it is closed, and every open promise is broken with a `LinkCut`.
    """

    def __init__(
        self,
        address: Address,
        *,
        check: Callable[[int, Mapping[str, str]], None],
        connect_timeout_s: float = 15.0,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        shelf: Shelf | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience(0.0)
        self._parser = AnswerParser(max_answer_bytes, shelf, check)
        self._submitted_bytes = 0
        self._unsent: deque[tuple[memoryview, Traffic | None]] = deque()
        self._waiting: deque[_Waiting] = deque()
        self.unsent_bytes = 0
        self.bytes_out = 0
        self.bytes_in = 0
        self.closed = False
        self._moved = (0, 0)
        self.rtt_s: float | None = None
        self.last_progress = time.monotonic()
        self._tickets = address.tickets
        self._socket = dial(address, connect_timeout_s)

    @property
    def outstanding(self) -> int:
        """How many requests have no answer yet."""
        return len(self._waiting)

    def submit(self, request: bytes, coding: str = "", account: Traffic | None = None) -> Promise[Exchange]:
        """Queue a request and return the promise of its answer. `coding` is kept for the answer to be judged by.

        What travels of both is added to `account`, also of those a cut has torn.
        """
        promise: Promise[Exchange] = Promise()
        now = time.monotonic()
        if self.closed:
            promise.break_with(LinkCut("the connection is closed"))
            return promise
        if not self._waiting:
            self.last_progress = now
        self._submitted_bytes += len(request)
        alone = not self._waiting
        self._waiting.append(_Waiting(promise, len(request), now, alone, self._submitted_bytes, coding, account))
        self._unsent.append((memoryview(request), account))
        self.unsent_bytes += len(request)
        return promise

    def pump(self, timeout_s: float) -> None:
        """Move bytes for up to `timeout_s` seconds, less when an answer came or room to send appeared.

        Raises `LinkCut` or `NotAPeer` after breaking every open promise.
        """
        try:
            self._pump(timeout_s)
        except LinkCut as exc:
            self.fail(exc)
            raise
        except NotAPeer as exc:
            self.fail(LinkCut(str(exc)))
            raise
        except TooLarge as exc:
            # Only the first in line is to blame; the rest of the stream cannot be read any more.
            if self._waiting:
                self._waiting.popleft().promise.break_with(exc)
            cut = LinkCut(f"gave up the connection: {exc}")
            self.fail(cut)
            raise cut from exc
        except OSError as exc:
            cut = LinkCut(in_words(exc))
            self.fail(cut)
            raise cut from exc

    def fail(self, error: LinkCut) -> None:
        """Close, and break every open promise with a `Broken` of the same words."""
        self.close()
        part = self._parser.partial() if self._waiting else NO_PART
        if self._waiting and (account := self._waiting[0].account) is not None:
            account.bytes_in += self._parser.wire_bytes
        while self._waiting:
            waiting = self._waiting.popleft()
            size = waiting.request_bytes
            left = max(0, min(size, size - (waiting.ends_at - self.bytes_out)))
            waiting.promise.break_with(Broken(str(error), never_left=left < size, part=part, left=left, size=size))
            part = NO_PART

    def close(self) -> None:
        if not self.closed:
            self._keep_tickets()
            self.moved()
        self.closed = True
        self._unsent.clear()
        self.unsent_bytes = 0
        self._socket.close()

    def _keep_tickets(self) -> None:
        """Keep them for the next connection, which may be one beside this."""
        if isinstance(self._socket, ssl.SSLSocket):
            self._tickets.keep(self._socket)

    def moved(self) -> tuple[int, int]:
        """Return the bytes the connection has carried (out, in), with what TLS adds where the system tells it."""
        if not self.closed:
            over_tls = count_bytes(self._socket) if isinstance(self._socket, ssl.SSLSocket) else None
            self._moved = over_tls or (self.bytes_out, self.bytes_in)
        return self._moved

    def is_usable(self) -> bool:
        """Tell, without waiting, whether an idle connection is still open: servers end them after a while."""
        return bool(self._waiting) or not self.ends_within(0.0)

    def ends_within(self, seconds: float) -> bool:
        """Tell whether an idle connection is ended within so short a time, or spoken on unasked, which ends it too.

        Under TLS bytes may come that say nothing: the tickets of TLS 1.3 (RFC 8446 §4.6.1). They are read, and kept.
        """
        ends_at = time.monotonic() + seconds
        try:
            while not self.closed:
                left_s = max(0.0, ends_at - time.monotonic())
                self.pump(left_s)
                if not left_s:
                    break
        except (LinkCut, NotAPeer):
            return True
        return self.closed

    def fileno(self) -> int:
        """The socket's number for `select`, -1 when closed."""
        return self._socket.fileno()

    def _pump(self, timeout_s: float) -> None:
        if self.closed:
            raise LinkCut("the connection is closed")
        writes = [self._socket] if self._unsent else []
        readable, writable = wait_ready([self._socket], writes, timeout_s)
        if writable:
            self._send()
        if readable:
            self._receive()

    def _send(self) -> None:
        while self._unsent:
            piece, account = self._unsent[0]
            try:
                sent = self._socket.send(piece[:SLICE])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            self.bytes_out += sent
            if account is not None:
                account.bytes_out += sent
            self.unsent_bytes -= sent
            self._progress()
            if sent == len(piece):
                self._unsent.popleft()
            else:
                self._unsent[0] = piece[sent:], account
            if not wait_ready([], [self._socket], 0)[1]:
                return

    def _receive(self) -> None:
        """Read what is there. TLS may hold decrypted bytes that `select` cannot see, so it is read until dry."""
        while not self.closed:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            self.bytes_in += len(data)
            if not data:
                self._end()
                return
            self._progress()
            for answer in self._parser.feed(data):
                self._deliver(answer)
                if self.closed:
                    return
            if not isinstance(self._socket, ssl.SSLSocket):
                return

    def _progress(self) -> None:
        now = time.monotonic()
        self._patience.heard(now - self.last_progress)
        self.last_progress = now

    def _deliver(self, answer: Answer) -> None:
        if not self._waiting:
            raise NotAPeer("an answer came that nobody asked for")
        waiting = self._waiting.popleft()
        self._patience.answered()
        if self._tickets.session is None:
            self._keep_tickets()
        if waiting.account is not None:
            waiting.account.bytes_in += answer.wire_bytes
        now = time.monotonic()
        if waiting.alone:
            took_s = now - waiting.submitted
            self.rtt_s = took_s if self.rtt_s is None else min(self.rtt_s, took_s)
        exchange = Exchange(answer, waiting.request_bytes, waiting.submitted, now, waiting.coding)
        waiting.promise.keep(exchange)
        if answer.closes:
            self._hang_up("the peer ended the connection after an answer")

    def _end(self) -> None:
        answer = self._parser.feed_end()
        if answer is not None:
            self._deliver(answer)
        if not self.closed:
            self._hang_up("the peer ended the connection")

    def _hang_up(self, why: str) -> None:
        """Servers may end an idle connection whenever they like; it is a cut only for those who wait."""
        if self._waiting:
            raise LinkCut(why)
        self.close()
