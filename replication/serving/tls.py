"""TLS whose handshake is a worker's business: one slow peer must not hold up the accept loop."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from cheroot.errors import FatalSSLAlert
from cheroot.ssl import Adapter

from replication.serving.streams import make_file


class LazyTls(Adapter):
    """cheroot's seam for TLS. `client_ca` (PEM) asks peers for a certificate and checks the one they show."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        super().__init__(str(certificate), str(key))
        self._client_ca = client_ca
        self.context: ssl.SSLContext = self._build_context()

    def reload(self) -> None:
        """Read the files again; connections from now on are greeted with them.

        Raises `OSError` for files that cannot be used, and goes on with what was read before.
        """
        self.context = self._build_context()

    def _build_context(self) -> ssl.SSLContext:
        # Loaded into the context in use, a key that does not belong to its certificate would leave that without any.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self.certificate, self.private_key)
        except OSError as exc:  # neither the system nor OpenSSL says which files
            why = getattr(exc, "reason", None) or exc.strerror
            files = f"{self.certificate} and {self.private_key}"
            raise OSError(f"no TLS with {files}: a certificate and its key in PEM are wanted ({why})") from exc
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def bind(self, sock: socket.socket) -> socket.socket:
        """Return the listening socket as it is."""
        return sock

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """Return the connection under TLS, not yet greeted. Raises `FatalSSLAlert` where the peer has left."""
        try:
            sock.getpeername()
        except OSError as error:
            # `wrap_socket` would raise too, and leave its half-made socket to the garbage collector.
            sock.close()
            raise FatalSSLAlert(str(error)) from error
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, self.get_environ()

    def get_environ(self) -> dict[str, str]:
        """Return what requests over TLS say of themselves."""
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: socket.socket, mode: str = "r", bufsize: int = -1) -> Any:
        """Return the reader or writer of a connection."""
        return make_file(sock, mode)
