"""Connections for `couchdb.http.Session` that are safe to share between threads.

`couchdb.http` 1.2 is from 2018 and has faults that a long-running server meets. They are mended from the outside,
by giving its `Session` a pool and connections of our own:

- an error body of 8 KiB or more, or a chunked one, ends in AttributeError; any other that is not JSON is lost,
  and its connection goes back to the pool twice, so that two threads share it. Ours raise `Refused` before
  `Session` sees a status from 300 up.
- when a request fails, its connection is neither closed nor returned. Ours are on loan until the loan is ended.
- that the server closed a connection long ago shows only when it is written to, and then nobody knows whether the
  request was heard. Ours are looked at before use.
- one time limit serves all requests. Ours have their own.
- the cache of GET answers is shared between threads without a lock. Ours keeps nothing.
"""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from couchdb import http as couch_http

CONNECT_S = 10.0
IDLE_CONNECTIONS = 16  # a node's threads; more are left only by a burst
ERROR_BODY_BYTES = 1 << 20


class Refused(Exception):
    """An answer with a status from 300 up, its body read. No OSError, so that `Session` lets it pass."""

    def __init__(self, status: int, location: str, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.location = location
        self.body = body


class _Refusing(HTTPConnection):
    def getresponse(self) -> HTTPResponse:
        response = super().getresponse()
        if response.status < 300:
            return response
        body = response.read(ERROR_BODY_BYTES)
        if not response.isclosed() and response.read(1):  # more than anybody says in an error
            self.close()
        raise Refused(response.status, response.headers.get("Location", ""), body)


class _RefusingTls(_Refusing, HTTPSConnection):
    pass


class NoCache(couch_http.Cache):  # type: ignore[misc]  # couchdb ships no types
    """A cache that forgets at once."""

    def put(self, url: str, response: object) -> None:
        pass


class Pool(couch_http.ConnectionPool):  # type: ignore[misc]  # couchdb ships no types
    """Connections at rest, and those on loan. `couchdb.http` calls `get` and `release`; the rest is for `Link`."""

    def __init__(self) -> None:
        super().__init__(CONNECT_S)
        self._loans: set[HTTPConnection] = set()
        self._closed = False
        self._mine = threading.local()  # answer_s: the limit of this thread's request; loan: its connection

    def begin(self, answer_s: float) -> None:
        """Set how long the next answer to this thread may take."""
        self._mine.answer_s = answer_s
        self._mine.loan = None

    def get(self, url: str) -> HTTPConnection:
        """Return a connection to the server of `url`, open, on loan to this thread. Raises `OSError`."""
        scheme, host = urlsplit(url)[:2]
        connection = self._take(scheme, host) or self._connect(scheme, host)
        with self.lock:
            if not self._closed:
                self._loans.add(connection)
                self._mine.loan = connection
                connection.sock.settimeout(self._mine.answer_s)
                return connection
        connection.close()
        raise ConnectionAbortedError("the store is closed")

    def release(self, url: str, connection: HTTPConnection | None) -> None:
        """End a loan; the connection may serve again. One that is not on loan any more is left alone."""
        scheme, host = urlsplit(url)[:2]
        with self.lock:
            if connection is None or connection not in self._loans:
                return
            self._loans.remove(connection)
            self._mine.loan = None
            idle = self.conns.setdefault((scheme, host), [])
            if connection.sock is not None and len(idle) < IDLE_CONNECTIONS and not self._closed:
                idle.append(connection)
                return
        connection.close()

    def end(self, url: str, *, reusable: bool) -> None:
        """End this thread's loan if the request did not; close the connection unless it is `reusable`."""
        connection = self._mine.loan
        if connection is None:
            return
        if reusable:
            self.release(url, connection)
            return
        self._mine.loan = None
        with self.lock:
            self._loans.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close all connections. Requests that wait for an answer fail at once."""
        with self.lock:
            self._closed = True
            idle = [connection for connections in self.conns.values() for connection in connections]
            self.conns.clear()
            for connection in self._loans:
                if connection.sock is not None:
                    with suppress(OSError):  # the other end was faster
                        connection.sock.shutdown(socket.SHUT_RDWR)
        for connection in idle:
            connection.close()

    def _take(self, scheme: str, host: str) -> HTTPConnection | None:
        while True:
            with self.lock:
                idle = self.conns.get((scheme, host))
                connection: HTTPConnection | None = idle.pop() if idle else None
            if connection is None or not _is_stale(connection):
                return connection
            connection.close()

    def _connect(self, scheme: str, host: str) -> HTTPConnection:
        connection = (_RefusingTls if scheme == "https" else _Refusing)(host, timeout=self.timeout)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def _is_stale(connection: HTTPConnection) -> bool:
    """Return whether an idle connection has something to read: its end, or what no request asked for."""
    if connection.sock is None:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))
