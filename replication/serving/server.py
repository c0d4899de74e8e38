"""The server as its users see it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cheroot import wsgi

from replication.serving.connections import Connection, Gateway
from replication.serving.memory import Trimmer, bound_arenas, is_glibc
from replication.serving.openfiles import allow_open_files
from replication.serving.pool import Pool
from replication.serving.tls import LazyTls
from replication.serving.waiting import Waiting

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_log = logging.getLogger(__name__)
BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Tuning:
    """`threads` workers always stand ready; up to `max_threads` while feeds wait; a spare one ends after `spare_s`.

    `idle_s` bounds silence on a connection, between requests as within one: longer than any heartbeat. `stop_s` is
    how long `stop` waits for requests at work. Headers of CouchDB's and browsers' requests are a few hundred bytes;
    cookies and long ids make a few thousand.
    """

    threads: int = 8
    max_threads: int = 1024
    spare_s: float = 15.0
    idle_s: float = 75.0
    stop_s: float = 5.0
    max_header_bytes: int = 64 * 1024


class Server:
    """Serves a WSGI application from `start` to `stop`.

    `port` 0 binds any free port; the property `port` tells which. With `certificate` and `key` (PEM files) it
    speaks TLS; `client_ca` asks peers for a certificate and puts what they show into the request's environ as
    `tram.peer_certificate` (DER). Feeds find an event under `tram.stopping` in their environ, set by `stop`.
    """

    def __init__(
        self,
        app: WsgiApp,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: Path | None = None,
        key: Path | None = None,
        client_ca: Path | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        if (certificate is None) != (key is None):
            raise ValueError("TLS needs both a certificate and its key")
        self._stopping = threading.Event()
        self._server = _CherootServer((host, port), app, self._stopping, tuning or Tuning())
        if certificate is not None and key is not None:
            self._server.ssl_adapter = LazyTls(certificate, key, client_ca)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port bound; known after `start`."""
        return int(self._server.bind_addr[1])

    @property
    def url(self) -> str:
        """The address clients use, with a slash at its end."""
        host = self._server.bind_addr[0]
        scheme = "https" if self._server.ssl_adapter else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def threads(self) -> int:
        """How many workers there are now, those of waiting feeds included."""
        return int(self._server.requests.size)

    def start(self) -> None:
        """Bind and serve in a thread of its own; connections are taken when this returns. Raises `OSError`."""
        bound_arenas()
        allow_open_files()
        self._server.prepare()
        self._thread = threading.Thread(target=self._server.serve, name="http-accept", daemon=True)
        self._thread.start()
        if is_glibc():
            Trimmer(self._stopping, lambda: self._server.requests.served).start()

    def reload_certificate(self) -> None:
        """Read the certificate and key files again; new connections get the new one. Raises `OSError`."""
        if isinstance(self._server.ssl_adapter, LazyTls):
            self._server.ssl_adapter.reload()

    def stop(self) -> None:
        """Take no more connections, let running requests and feeds end, close. Again is no fault."""
        self._stopping.set()
        self._server.stop()
        if self._thread is not None:
            self._thread.join(self._server.shutdown_timeout)
            self._thread = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _CherootServer(wsgi.Server):
    """cheroot's server with our pool, connections and log."""

    keep_alive_conn_limit = None  # type: ignore[assignment]  # cheroot documents None as no limit
    expiration_interval = 0.25  # how often silent connections are looked for
    _connections: Any  # those without a worker, and the selector that watches them; `prepare` makes it

    def __init__(self, address: tuple[str, int], app: WsgiApp, stopping: threading.Event, tuning: Tuning) -> None:
        super().__init__(
            address,
            app,
            request_queue_size=BACKLOG,
            timeout=tuning.idle_s,  # type: ignore[arg-type]  # a socket timeout
            shutdown_timeout=tuning.stop_s,  # type: ignore[arg-type]  # how long to join a thread
            server_name="Tram",
        )
        self.gateway = Gateway
        self.ConnectionClass = Connection
        self.max_request_header_size = tuning.max_header_bytes
        self.stopping = stopping
        self.requests = Pool(self, least=tuning.threads, most=tuning.max_threads, spare_s=tuning.spare_s)

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: tuple[str, int]) -> socket.socket:
        """Bind, or close the socket: cheroot leaves one whose port is taken to the garbage collector."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def prepare(self) -> None:
        """Bind, start the workers, and put our own loop in the place of cheroot's."""
        super().prepare()
        self._connections._selector.close()
        self._connections = Waiting(self)

    def process_conn(self, conn: Any) -> None:
        """Hand a connection that has something to read to a worker; none once the server stops."""
        if self.ready:
            super().process_conn(conn)
        else:
            conn.close()

    def put_conn(self, conn: Any) -> None:
        """Take a connection back from a worker; close it where the server has stopped meanwhile."""
        try:
            super().put_conn(conn)
        except ValueError:  # the selector was closed between cheroot's look at `ready` and its use
            if self.ready:
                raise
            conn.close()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Write cheroot's remarks to our log."""
        _log.log(level, "%s", msg, exc_info=traceback)
