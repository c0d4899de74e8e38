"""One port on both loopback addresses: `localhost` is 127.0.0.1 to some clients and ::1 to others."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from replication.serving.server import Server, Tuning, WsgiApp

IPV4, IPV6 = "127.0.0.1", "::1"
# A port that is free on one address may be taken on the other; the system hardly chooses such a one so often in a row.
TRIES = 20


def has_ipv6() -> bool:
    """Return whether this machine has the address ::1."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((IPV6, 0))
    except OSError:
        return False
    return True


@contextmanager
def serve_loopback(app: WsgiApp, *, port: int = 0, tuning: Tuning | None = None) -> Iterator[Server]:
    """Serve `app` on 127.0.0.1 and, where the machine has it, on ::1, with the same port; yield the former's server.

    `port` 0 takes one that is free on both. Raises `OSError` where the port is taken on either: a client that says
    `localhost` would now meet this server and now the other program.
    """
    with ExitStack() as running:
        yield _start(app, port, tuning, running)


def _start(app: WsgiApp, port: int, tuning: Tuning | None, running: ExitStack) -> Server:
    for left in reversed(range(1 if port else TRIES)):
        with ExitStack() as begun:
            server = begun.enter_context(Server(app, host=IPV4, port=port, tuning=tuning))
            try:
                if has_ipv6():
                    begun.enter_context(Server(app, host=IPV6, port=server.port, tuning=tuning))
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not left:
                    raise
                continue
            running.push(begun.pop_all())
            return server
    raise AssertionError("the last try returns or raises")
