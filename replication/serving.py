"""The WSGI server under the protocol: cheroot, with what long-waiting feeds and slow links need.

    accept ─▶ selector (idle connections cost no thread) ─▶ worker pool ─▶ Flask
                    ▲                                           │
                    └────────── keep-alive, pipelining ◀────────┘

cheroot speaks HTTP/1.1, chunked both ways, and TLS. Here it learns to grow its pool while readers of feeds wait and
to shrink it again, to leave TLS handshakes and silent clients to workers or to the selector instead of its accept
loop, to put a short answer into one packet, and to answer its own refusals as `{"error", "reason"}`.
Figures and the servers that were weighed: docs/decisions/0020-wsgi-server.md.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cheroot import server as cheroot_server
from cheroot import wsgi
from cheroot.makefile import StreamReader, StreamWriter
from cheroot.ssl import Adapter
from cheroot.workers import threadpool

from replication.http.errors import render_error
from replication.http.exchange import STOPPING

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_log = logging.getLogger(__name__)

BACKLOG = 512
# Headers of CouchDB's and browsers' requests are a few hundred bytes; cookies and long ids a few thousand.
MAX_HEADER_BYTES = 64 * 1024
# CouchDB's words for what the server itself refuses.
_WORDS = {400: "bad_request", 408: "timeout", 413: "too_large", 414: "too_long", 501: "not_implemented"}


@dataclass(frozen=True, slots=True)
class Tuning:
    """`threads` always stand ready; up to `max_threads` while feeds wait; a spare one ends after `spare_s`.

    `idle_s` bounds silence on a connection, between requests as within one: longer than any heartbeat.
    """

    threads: int = 8
    max_threads: int = 1024
    spare_s: float = 15.0
    idle_s: float = 75.0
    stop_s: float = 5.0
    max_header_bytes: int = MAX_HEADER_BYTES


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
        self._server = _Server((host, port), app, self._stopping, tuning or Tuning())
        if certificate is not None and key is not None:
            self._server.ssl_adapter = _LazyTls(certificate, key, client_ca)
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
        """How many workers there are now, waiting ones included."""
        return self._server.requests.size

    def start(self) -> None:
        """Bind and serve in a thread of its own; connections are taken when this returns. Raises `OSError`."""
        self._server.prepare()
        self._thread = threading.Thread(target=self._server.serve, name="http-accept", daemon=True)
        self._thread.start()

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


class _Server(wsgi.Server):  # type: ignore[misc]  # cheroot ships no types
    """cheroot's server with our pool, connections and refusals."""

    keep_alive_conn_limit = None
    expiration_interval = 0.5

    def __init__(self, address: tuple[str, int], app: WsgiApp, stopping: threading.Event, tuning: Tuning) -> None:
        super().__init__(
            address,
            app,
            numthreads=tuning.threads,
            request_queue_size=BACKLOG,
            timeout=tuning.idle_s,
            shutdown_timeout=tuning.stop_s,
            server_name="Tram",
        )
        self.gateway = _Gateway
        self.ConnectionClass = _Connection
        self.max_request_header_size = tuning.max_header_bytes
        self.stopping = stopping
        self.requests = _Pool(self, tuning)

    def process_conn(self, conn: Any) -> None:
        """Hand a connection to a worker; a new one only once its first byte has come."""
        if conn.last_used is None:
            self._connections.put(conn)
        else:
            super().process_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        _log.log(level, "%s", msg, exc_info=traceback)


class _Pool:
    """Workers that multiply while all are busy and end when they have been spare for a while.

    A waiting feed keeps its worker for minutes, so the number of workers follows the number of readers.
    """

    def __init__(self, server: _Server, tuning: Tuning) -> None:
        self.server = server
        self.min, self.max = tuning.threads, tuning.max_threads
        self._spare_s = tuning.spare_s
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._free = 0  # workers at the queue, less what already lies in it
        self._stopped = False

    @property
    def size(self) -> int:
        return len(self._workers)

    @property
    def idle(self) -> int:
        return max(0, self._free)

    def start(self) -> None:
        with self._lock:
            for _ in range(self.min):
                self._add()

    def _add(self) -> None:
        worker = _Worker(self.server)
        self._workers.add(worker)
        self._free += 1
        worker.start()

    def put(self, conn: Any) -> None:
        """Queue a connection, and add a worker where none is free for it."""
        with self._lock:
            if self._free <= 0 and len(self._workers) < self.max and not self._stopped:
                self._add()
            self._free -= 1
        self._queue.put(conn)

    def get(self) -> Any:
        """Return the next connection for a worker, or the sign that it should end."""
        while True:
            try:
                return self._queue.get(timeout=self._spare_s)
            except queue.Empty:
                with self._lock:
                    if self._free > 0 and len(self._workers) > self.min:
                        self._free -= 1
                        return threadpool._SHUTDOWNREQUEST

    def release(self) -> None:
        """Count a worker that is done with its connection as free again."""
        with self._lock:
            self._free += 1

    def forget(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)

    def stop(self, timeout: float | None = 5) -> None:
        """End every worker: those that wait at once, the others with their request, and at last by force."""
        with self._lock:
            self._stopped = True
            workers = list(self._workers)
        for _ in workers:
            self._queue.put(threadpool._SHUTDOWNREQUEST)
        deadline = time.monotonic() + (timeout or 0)
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        for worker in workers:
            if worker.is_alive() and worker.conn is not None:
                _shut(worker.conn.socket)
        for worker in workers:
            worker.join(1)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("a connection was closed already: %s", error)


class _Worker(threadpool.WorkerThread):  # type: ignore[misc]
    """A worker that tells its pool when it is free. A daemon: a request that hangs must not keep the process."""

    def __init__(self, server: _Server) -> None:
        super().__init__(server)
        self.daemon = True
        self._conn: Any = None

    @property
    def conn(self) -> Any:
        return self._conn

    @conn.setter
    def conn(self, value: Any) -> None:
        # cheroot sets `conn` to None as the last step of a request.
        was, self._conn = self._conn, value
        if was is not None and value is None:
            self.server.requests.release()

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.server.stats["Worker Threads"].pop(self.name, None)
            self.server.requests.forget(self)


class _Request(cheroot_server.HTTPRequest):  # type: ignore[misc]
    """cheroot's request with JSON refusals and bodies that are read as they come."""

    def simple_response(self, status: str, msg: str = "") -> None:
        """Refuse in CouchDB's shape and close: what follows on the connection may be anything."""
        code = int(str(status)[:3])
        word = _WORDS.get(code, str(status)[4:].lower().replace(" ", "_"))
        body = render_error(word, msg or str(status)[4:])
        head = (
            f"{self.server.protocol} {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.close_connection = True
        self.sent_headers = True
        try:
            self.conn.wfile.write(head.encode("latin-1") + body)
        except OSError as error:
            _log.debug("a refusal could not be sent: %s", error)

    def send_headers(self) -> None:
        """Send the head. A body nobody read is read when it is small; otherwise the connection ends."""
        unread = getattr(self.rfile, "remaining", 0)
        if unread > MAX_HEADER_BYTES or (self.chunked_read and not getattr(self.rfile, "closed", True)):
            self.close_connection = True
        super().send_headers()


class _Connection(cheroot_server.HTTPConnection):  # type: ignore[misc]
    RequestHandlerClass = _Request


class _Gateway(wsgi.Gateway_10):  # type: ignore[misc]
    """cheroot's WSGI gateway: a short answer goes out in one packet, feeds are told when the server stops."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[STOPPING] = self.req.server.stopping
        if self.req.server.ssl_adapter is not None:
            environ["tram.peer_certificate"] = self.req.conn.socket.getpeercert(binary_form=True)
        return environ
