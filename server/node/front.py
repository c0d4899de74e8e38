"""The front of a serving node: the address under which phones, desks and neighbours reach it."""

from __future__ import annotations

from pathlib import Path
from wsgiref.types import WSGIApplication

from replication.serving import Server
from server.node.servertls import ServerTls


class Front:
    """A server with its certificate: one that an administrator brought, one of the unit's own CA, or none."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        host: str,
        port: int,
        certificate: Path | None = None,
        key: Path | None = None,
        tls: ServerTls | None = None,
    ) -> None:
        """`port` 0 takes any that is free. Raises `Refused` for a certificate that cannot be issued."""
        if tls is not None:
            tls.prepare()
            certificate, key = tls.certificate, tls.key
        self._server = Server(app, host=host, port=port, certificate=certificate, key=key)
        self._tls = tls

    def open(self) -> str:
        """Take requests from now on and return the address. Raises `OSError` if the port is taken."""
        self._server.start()
        if self._tls is not None:
            self._tls.follow(self._server.reload_certificate)
        return self._server.url

    def renew_certificate(self) -> None:
        """Look now, not in an hour, whether the unit's CA has to issue another certificate."""
        if self._tls is not None:
            self._tls.renew(self._server.reload_certificate)

    def close(self) -> None:
        """Take no more requests; returns when those under way have ended."""
        self._server.stop()
        if self._tls is not None:
            self._tls.stop()
