"""A socket to a peer, greeted with TLS where it is wanted, and tuned for lines that die without a word."""

from __future__ import annotations

import socket
import ssl
import struct
import sys
from dataclasses import dataclass, field

from replication.errors import LinkCut, NotAPeer

# Unsent bytes the kernel may hold. With megabytes there, progress, priority and goodput would be fiction.
NOTSENT_LOWAT = 8 * 1024
KEEPALIVE_IDLE_S = 10
# Where Linux (4.19 and later) keeps tcpi_bytes_received, and tcpi_bytes_sent before tcpi_bytes_retrans, in tcp_info.
_RECEIVED_AT, _SENT_AT, _INFO_BYTES = 128, 200, 216


@dataclass(slots=True)
class Tickets:
    """What TLS has left of an earlier connection: the next handshake is then without certificates."""

    session: ssl.SSLSession | None = None

    def keep(self, sock: ssl.SSLSocket) -> None:
        """Keep what a connection has been given so far; TLS 1.3 sends tickets after the handshake, or none."""
        session = sock.session
        if session is not None and (session.has_ticket or session.id):
            self.session = session


@dataclass(frozen=True, slots=True)
class Address:
    """Where a peer listens. `tls` None is plain TCP. All connections to it share `tickets`."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    tickets: Tickets = field(default_factory=Tickets)


def dial(address: Address, timeout_s: float) -> socket.socket:
    """Return a connected, non-blocking socket. Raises `LinkCut`, or `NotAPeer` when TLS finds a stranger."""
    where = f"{bracketed(address.host)}:{address.port}"
    try:
        plain = socket.create_connection((address.host, address.port), timeout=timeout_s)
    except OSError as exc:
        raise LinkCut(f"cannot reach {where}: {in_words(exc)}") from exc
    try:
        _tune(plain)
        if address.tls is not None:
            plain.getpeername()  # else `wrap_socket` raises, and leaves its half-made socket to the garbage collector
            plain = address.tls.wrap_socket(plain, server_hostname=address.host, session=address.tickets.session)
        plain.setblocking(False)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:  # cut in the middle: nobody has shown who they are
        plain.close()
        raise LinkCut(f"{where} broke off while greeting: {in_words(exc)}") from exc
    except ssl.SSLError as exc:
        plain.close()
        # "certificate has expired" says more than the code
        why = getattr(exc, "verify_message", "") or exc.reason or exc
        raise NotAPeer(f"{where} does not prove to be the peer: {why}") from exc
    except OSError as exc:
        plain.close()
        raise LinkCut(f"{where} broke off while greeting: {in_words(exc)}") from exc
    return plain


def _tune(plain: socket.socket) -> None:
    """Small buffers, quick notice of a dead link. Options a platform lacks are left out."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {
        "TCP_NOTSENT_LOWAT": NOTSENT_LOWAT,
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 4,
        "TCP_USER_TIMEOUT": 30_000,  # milliseconds; `Endpoint` mostly gives up sooner, this is for idle connections
    }
    # Linux and macOS know 25; Python names the option from 3.12 on.
    fallback = {"TCP_NOTSENT_LOWAT": 25} if hasattr(socket, "TCP_USER_TIMEOUT") else {}
    for name, value in wanted.items():
        option = getattr(socket, name, fallback.get(name))
        if option is not None:
            plain.setsockopt(socket.IPPROTO_TCP, option, value)


def count_bytes(sock: socket.socket) -> tuple[int, int] | None:
    """Return how many bytes a connection has sent and received, greeting and records of TLS included, each once however
    often TCP sent it; None where the system does not tell."""
    if sys.platform != "linux":  # struct tcp_info is another elsewhere
        return None
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _INFO_BYTES:
        return None
    (received,), (sent, again) = struct.unpack_from("Q", info, _RECEIVED_AT), struct.unpack_from("QQ", info, _SENT_AT)
    return sent - again, received


def bracketed(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def in_words(exc: OSError) -> str:
    """Return what went wrong with a connection. OpenSSL calls a line that was cut a violation of its protocol."""
    if isinstance(exc, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the peer ended the connection"
    if isinstance(exc, ssl.SSLError):
        return f"gave up the connection: what came is no TLS ({exc.reason})"
    return exc.strerror or str(exc) or type(exc).__name__
