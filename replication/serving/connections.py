"""Connections and requests: cheroot's, with bodies as they come, JSON refusals and one packet for a short answer."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from typing import Any

from cheroot import server as cheroot_server
from cheroot import wsgi

from replication.http.errors import render_error
from replication.http.exchange import STOPPING
from replication.serving.headers import StrictHeaders
from replication.serving.plain import MAX_BEGUN, answer_plain
from replication.serving.streams import BUFFER, ChunkedBody, CountedBody, make_file

_log = logging.getLogger(__name__)
PEER_CERTIFICATE = "tram.peer_certificate"
# CouchDB's words for what the server itself refuses.
_WORDS = {400: "bad_request", 408: "timeout", 413: "too_large", 414: "too_long", 501: "not_implemented"}
# A body nobody read is read to its end when it is this short; else the connection ends behind the answer.
MAX_DRAIN = 64 * 1024
DRAIN_S = 0.5
# A peer that still sends when the connection ends would lose the answer to a reset; it is listened to this long.
LINGER_S = 2.0
LINGER_BYTES = 16 * 1024 * 1024
# The next request of a busy peer comes within a round trip on loopback or LAN: cheaper to wait than to hand over.
STAY_MS = 1


class Request(cheroot_server.HTTPRequest):
    """One request."""

    header_reader = StrictHeaders()

    def parse_request(self) -> None:
        """Read line and headers, all of which have to come in the time a silent connection is given."""
        with self.conn.rfile.within(self.server.timeout):
            super().parse_request()

    def read_request_headers(self) -> bool:
        """Read the headers; refuse framings that two servers in a row could read differently (RFC 9112 §6.3)."""
        if not super().read_request_headers():  # type: ignore[no-untyped-call]  # cheroot's own has no types
            return False
        if b"Transfer-Encoding" in self.inheaders and not self.chunked_read:  # of HTTP/1.0, or a list of nothing
            self.simple_response("400 Bad Request", "Transfer-Encoding must be chunked, and the request HTTP/1.1")
            return False
        length = self.inheaders.get(b"Content-Length")
        if length is not None and (not length.isdigit() or self.chunked_read):
            self.simple_response("400 Bad Request", "Content-Length must be digits, and never beside Transfer-Encoding")
            return False
        return True

    def respond(self) -> None:
        """Run the application and send its answer."""
        length = int(self.inheaders.get(b"Content-Length", 0))
        self.rfile = ChunkedBody(self.conn.rfile) if self.chunked_read else CountedBody(self.conn.rfile, length)
        self.server.gateway(self).respond()
        if self.ready:
            self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")
        self.conn.wfile.flush()
        if not self.rfile.is_finished:
            self.close_connection = self.conn.lingers = True

    def send_headers(self) -> None:
        """Keep the head back until the body's first bytes; say so if the connection will end."""
        if not self.rfile.is_finished and not self._take_rest(self.rfile):
            self.close_connection = True
        self.conn.wfile.hold(True)
        try:
            super().send_headers()
        finally:
            self.conn.wfile.hold(False)

    def _take_rest(self, body: CountedBody | ChunkedBody) -> bool:
        """Read what nobody read of a short body, unless it comes slowly; return whether it is at its end."""
        if isinstance(body, ChunkedBody) or body.remaining > MAX_DRAIN:
            return False
        timeout, deadline = self.conn.socket.gettimeout(), time.monotonic() + DRAIN_S
        self.conn.socket.settimeout(DRAIN_S)
        try:
            while not body.is_finished and time.monotonic() < deadline and body.read(BUFFER):
                pass
        except OSError as error:
            _log.debug("the rest of a body did not come: %s", error)
        finally:
            self.conn.socket.settimeout(timeout)
        return body.is_finished

    def simple_response(self, status: str, msg: str = "") -> None:
        """Refuse in CouchDB's shape and end the connection: what follows on it may be anything."""
        number, _, phrase = str(status).partition(" ")
        word = _WORDS.get(int(number), phrase.lower().replace(" ", "_"))
        body = render_error(word, msg or phrase)
        head = (
            f"{self.server.protocol} {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.close_connection = self.sent_headers = self.conn.lingers = True
        try:
            self.conn.wfile.write(head.encode("latin-1") + body)
        except OSError as error:
            _log.debug("a refusal could not be sent: %s", error)


class Connection(cheroot_server.HTTPConnection):
    """One connection."""

    RequestHandlerClass = Request

    def __init__(self, server: Any, sock: socket.socket, makefile: Any = None) -> None:
        super().__init__(server, sock, make_file)
        self.lingers = False
        self._is_greeted = not isinstance(sock, ssl.SSLSocket)
        self._last_used: float | None = None

    @property
    def last_used(self) -> float | None:
        """When it began to wait, by the clock of `Waiting`; None before."""
        return self._last_used

    @last_used.setter
    def last_used(self, _: float) -> None:
        self._last_used = time.monotonic()  # cheroot gives the time of day, and that jumps

    def communicate(self) -> bool:
        """Serve requests while they follow on one another; return whether to wait for more later."""
        if not self._is_greeted:
            if not self._greet():
                return False
            if not self._follows():  # browsers greet ahead of time, and then say nothing for a while
                return True
        while super().communicate():  # type: ignore[no-untyped-call]  # cheroot's own has no types
            if not self._follows():
                return True
        return False

    def _greet(self) -> bool:
        try:
            # Of the socket below TLS: the bytes stay where they are.
            begun = socket.socket.recv(self.socket, MAX_BEGUN, socket.MSG_PEEK)
            if (answer := answer_plain(begun)) is not None:
                socket.socket.sendall(self.socket, answer)
                self.lingers = True
                return False
            self.socket.do_handshake()
        except (OSError, ValueError) as error:
            _log.info("no TLS with %s: %s", self.remote_addr, error)
            return False
        self._is_greeted = True
        return True

    def _follows(self) -> bool:
        """Return whether the next request is here, or comes at once while another worker is free for others."""
        if self.server.stopping.is_set():
            return False
        if self.rfile.has_data():
            return True
        if not self.server.requests.idle:
            return False
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(STAY_MS))

    def close(self) -> None:
        """End the connection, after a peer in the middle of sending has had its answer."""
        if self.lingers:
            self._drain()
        super().close()

    def _drain(self) -> None:
        deadline, left = time.monotonic() + LINGER_S, LINGER_BYTES
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(LINGER_S)
            while left > 0 and time.monotonic() < deadline and (data := self.socket.recv(BUFFER)):
                left -= len(data)
        except OSError as error:
            _log.debug("a peer left before its answer was read: %s", error)


class Gateway(wsgi.Gateway_10):
    """WSGI, with the sign that the server stops and the certificate a peer showed."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # the stubs say None
        """Return the request's environ."""
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]  # cheroot's own has no types
        environ[STOPPING] = self.req.server.stopping
        if self.req.server.ssl_adapter is not None:
            environ[PEER_CERTIFICATE] = self.req.conn.socket.getpeercert(binary_form=True)
        return environ
