"""A weak link in user space: a TCP proxy on loopback with a rate, a delay and cuts.

    with Link(("127.0.0.1", 5984), Profile(up_bps=64_000, down_bps=64_000, rtt_ms=600)) as link:
        replicate_with(f"http://127.0.0.1:{link.port}/db")
        link.cut()          # every connection is reset, new ones too, until
        link.restore()

A cut in the middle of something comes by itself where `Profile.cut_after_bytes` says: whoever watched the bytes from
outside and then cut would be too late on a busy machine.

What is modelled: one serialiser for each direction, shared by all connections, so that a second connection takes
from the first; half the round trip after it; one round trip for the TCP handshake of a new connection; small socket
buffers, so that a sender soon feels the rate instead of filling memory with bytes that have not left yet; loss, as the
stalls it means to who reads a TCP stream. What is not: reordering, and the 2-3 % of IP and TCP headers. Rates count the
bytes applications write.

`python -m bench.link --listen 9000 --to 127.0.0.1:5984 --rate 64000 --rtt 600 --cut-every 30 --cut-for 3`
"""

from __future__ import annotations

import argparse
import random
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

from bench.pipe import Connection, Shaper, abort

LOOPBACK = "127.0.0.1"
PORTAL_PAGE = (
    b"<!DOCTYPE html><html><body><h1>Xin ch\xc3\xa0o! \xc4\x90\xc4\x83ng nh\xe1\xba\xadp Wi-Fi</h1></body></html>"
)
MAX_NAP_S = 0.5


class Mode(StrEnum):
    """How a link fails while it is cut.

    reset       connections end with RST at once, and new ones too
    stall       nothing moves, nothing is lost: bytes go on when the cut ends
    blackhole   bytes vanish; connections open at the time stay mute for ever, as when a router forgets them
    half-open   the server side is reset, the client side is never told
    portal      new connections get 200 and an HTML page, whatever they ask
    redirect    new connections get 302 to a login page
    """

    RESET = "reset"
    STALL = "stall"
    BLACKHOLE = "blackhole"
    HALF_OPEN = "half-open"
    PORTAL = "portal"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True)
class Profile:
    """What the link is like. Rates of 0 are unlimited; `cut_every_s` counts the time up between two cuts, 0 is never.

    `cut_after_bytes` cuts once, as soon as so many bytes have gone up, until `restore`.
    `cut_jitter` spreads the times of cuts by that fraction, from `seed`. `loss` is the share of segments lost, each of
    which holds up its connection for a retransmission timer. `corrupt_every` flips one bit on average
    every so many bytes going up.
    """

    up_bps: int = 0
    down_bps: int = 0
    rtt_ms: int = 0
    cut_every_s: float = 0.0
    cut_for_s: float = 3.0
    cut_after_bytes: int = 0
    mode: Mode = Mode.RESET
    cut_jitter: float = 0.0
    corrupt_every: int = 0
    loss: float = 0.0
    buffer_bytes: int = 8192
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """`up_bytes` and `down_bytes` took capacity of the link, whether or not they arrived. `up_time_s` excludes cuts."""

    up_bytes: int
    down_bytes: int
    connections: int
    cuts: int
    up_time_s: float
    stalls: int = 0


class Link:
    """A running proxy; a context manager. Safe to steer from any thread."""

    def __init__(self, to: tuple[str, int], profile: Profile | None = None, *, port: int = 0) -> None:
        self.profile = profile or Profile()
        self._to = to
        self._random = random.Random(self.profile.seed)
        self._up = Shaper(self.profile.up_bps)
        self._down = Shaper(self.profile.down_bps)
        self._connections: list[Connection] = []
        self._mode: Mode | None = None
        self._cuts = 0
        self._accepted = 0
        self._past_stalls = 0
        self._down_since = 0.0
        self._down_total_s = 0.0
        self._orders: deque[Callable[[], None]] = deque()
        self._closing = False
        self._started = time.monotonic()
        self._next_flip = self._cut_delay(self.profile.cut_every_s)
        self._cut_at = self.profile.cut_after_bytes
        self._was_cut = threading.Event()
        self._listener = _listen(port, self.profile.buffer_bytes)
        self.port: int = self._listener.getsockname()[1]
        self._waker, self._wake_end = socket.socketpair()
        self._wake_end.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"link-{self.port}", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address clients use instead of the server's."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def is_cut(self) -> bool:
        return self._mode is not None

    def figures(self) -> LinkFigures:
        """Return what has happened so far."""
        now = time.monotonic()
        down = self._down_total_s + (now - self._down_since if self.is_cut else 0.0)
        stalls = self._past_stalls + sum(connection.stalls for connection in list(self._connections))
        up_time_s = now - self._started - down
        return LinkFigures(self._up.total, self._down.total, self._accepted, self._cuts, up_time_s, stalls)

    def cut(self, mode: Mode | None = None) -> None:
        """Cut the link; when this returns it is cut."""
        self._order(lambda: self._begin_cut(mode or self.profile.mode))

    def restore(self) -> None:
        """End a cut; when this returns, bytes move again."""
        self._order(self._end_cut)

    def await_cut(self, limit_s: float = 60.0) -> bool:
        """Wait for the first cut; return whether there was one."""
        return self._was_cut.wait(limit_s)

    def close(self) -> None:
        """Reset everything and stop."""
        if self._thread.is_alive():
            self._order(self._stop)
            self._thread.join(timeout=60)
        for end in (self._listener, self._waker, self._wake_end):
            end.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What follows runs in the link's own thread.

    def _order(self, action: Callable[[], None]) -> None:
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._orders.append(act)
        self._waker.send(b"!")
        if not done.wait(timeout=60):
            raise RuntimeError("the link's thread no longer answers")

    def _stop(self) -> None:
        self._closing = True

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ, self._accept)
            selector.register(self._wake_end, selectors.EVENT_READ, self._obey)
            while not self._closing:
                timeout = self._prepare(selector)
                for key, _events in selector.select(timeout):
                    key.data()
            for connection in self._connections:
                connection.abort()

    def _prepare(self, selector: selectors.BaseSelector) -> float:
        """Move what is due, say which sockets to watch, and return how long to sleep."""
        now = time.monotonic()
        self._flip_if_due(now)
        if self._cut_at and self._up.total >= self._cut_at:
            self._cut_at = 0
            self._begin_cut(self.profile.mode)
        wake_at = min(now + MAX_NAP_S, self._next_flip or now + MAX_NAP_S)
        if self._mode is not Mode.STALL:
            # Turns rotate so that no connection is always first at the serialiser.
            self._connections = self._connections[1:] + self._connections[:1]
            for connection in self._connections:
                wake_at = min(wake_at, connection.move(now, selector))
        self._past_stalls += sum(connection.stalls for connection in self._connections if connection.closed)
        self._connections = [connection for connection in self._connections if not connection.closed]
        return max(0.0, wake_at - time.monotonic())

    def _obey(self) -> None:
        self._wake_end.recv(4096)
        while self._orders:
            self._orders.popleft()()

    def _cut_delay(self, seconds: float) -> float:
        """Return the instant of the next change, or 0 for never."""
        if not self.profile.cut_every_s:
            return 0.0
        spread = self.profile.cut_jitter * (2 * self._random.random() - 1)
        return time.monotonic() + seconds * (1 + spread)

    def _flip_if_due(self, now: float) -> None:
        if not self._next_flip or now < self._next_flip:
            return
        if self.is_cut:
            self._end_cut()
            self._next_flip = self._cut_delay(self.profile.cut_every_s)
        else:
            self._begin_cut(self.profile.mode)
            self._next_flip = self._cut_delay(self.profile.cut_for_s)

    def _begin_cut(self, mode: Mode) -> None:
        if self.is_cut:
            return
        self._mode = mode
        self._cuts += 1
        self._down_since = time.monotonic()
        for connection in self._connections:
            if mode in (Mode.RESET, Mode.PORTAL, Mode.REDIRECT):
                connection.abort()
            elif mode is Mode.STALL:
                connection.pause()
            elif mode is Mode.BLACKHOLE:
                connection.swallow()
            elif mode is Mode.HALF_OPEN:
                connection.swallow(reset_server=True)
        self._was_cut.set()

    def _end_cut(self) -> None:
        if self.is_cut:
            self._mode = None
            self._down_total_s += time.monotonic() - self._down_since

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        if self._mode in (Mode.RESET, Mode.HALF_OPEN):
            abort(client)
            return
        if self._mode in (Mode.PORTAL, Mode.REDIRECT):
            _answer_as_portal(client, self._mode)
            return
        self._accepted += 1
        server = _dial(self._to, self.profile.buffer_bytes)
        if server is None:
            abort(client)
            return
        corrupt = self._random if self.profile.corrupt_every else None
        connection = Connection(
            client,
            server,
            self._up,
            self._down,
            delay_s=self.profile.rtt_ms / 2000,
            open_at=time.monotonic() + self.profile.rtt_ms / 1000,
            corrupt_every=self.profile.corrupt_every,
            corrupt_from=corrupt,
            loss=self.profile.loss,
            lose_by=self._random if self.profile.loss else None,
        )
        if self._mode is Mode.BLACKHOLE:
            connection.swallow()
        self._connections.append(connection)


def _listen(port: int, buffer_bytes: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Before listen(), or the accepted sockets keep the large default window.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    listener.bind((LOOPBACK, port))
    listener.listen(64)
    return listener


def _dial(to: tuple[str, int], buffer_bytes: int) -> socket.socket | None:
    server = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    server.settimeout(5)
    try:
        server.connect(to)
    except OSError:
        server.close()
        return None
    return server


def _answer_as_portal(client: socket.socket, mode: Mode) -> None:
    """Say what a hotel's Wi-Fi says, to whoever asks for whatever."""
    status = "302 Found\r\nLocation: http://portal.invalid/login" if mode is Mode.REDIRECT else "200 OK"
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(PORTAL_PAGE)}\r\n\r\n"
    with client:
        client.settimeout(2)
        try:
            client.recv(65536)
            client.sendall(head.encode() + PORTAL_PAGE)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            return  # the client left first; a portal does not mind


def parse_args(argv: list[str]) -> tuple[tuple[str, int], int, Profile]:
    """Return (target, port to listen on, profile) from a command line; exits with a message on a bad one."""
    parser = argparse.ArgumentParser(prog="python -m bench.link", description="A weak link on loopback.")
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--rate", type=int, default=0, metavar="BIT/S", help="each way; 0 is unlimited")
    parser.add_argument("--down-rate", type=int, metavar="BIT/S", help="towards the client, if different")
    parser.add_argument("--rtt", type=int, default=0, metavar="MS")
    parser.add_argument("--cut-every", type=float, default=0.0, metavar="S", help="seconds up between cuts")
    parser.add_argument("--cut-for", type=float, default=3.0, metavar="S")
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.RESET)
    parser.add_argument("--jitter", type=float, default=0.0, help="fraction by which cuts wander")
    parser.add_argument("--corrupt-every", type=int, default=0, metavar="BYTES")
    parser.add_argument("--loss", type=float, default=0.0, help="share of segments lost")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    host, _colon, port = args.to.rpartition(":")
    if not host or not port.isdigit():
        parser.error(f"--to {args.to!r}: write it as HOST:PORT, for example 127.0.0.1:5984")
    profile = Profile(
        up_bps=args.rate,
        down_bps=args.rate if args.down_rate is None else args.down_rate,
        rtt_ms=args.rtt,
        cut_every_s=args.cut_every,
        cut_for_s=args.cut_for,
        mode=args.mode,
        cut_jitter=args.jitter,
        corrupt_every=args.corrupt_every,
        loss=args.loss,
        seed=args.seed,
    )
    return (host.strip("[]"), int(port)), args.listen, profile


def main(argv: list[str]) -> int:
    """Run a link until Ctrl-C, printing its figures at the end."""
    to, port, profile = parse_args(argv)
    with Link(to, profile, port=port) as link:
        print(f"{link.url} -> {to[0]}:{to[1]} {profile}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(link.figures())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
