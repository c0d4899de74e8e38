"""The WSGI server under the protocol: cheroot, with what long-waiting feeds and slow links need.

    accept ─▶ selector (idle connections cost no thread) ─▶ worker pool ─▶ WSGI application
                    ▲                                           │
                    └────────── keep-alive, pipelining ◀────────┘

cheroot speaks HTTP/1.1, chunked both ways, and TLS. Here it learns to grow its pool while readers of feeds wait and
to shrink it again (`pool`), to leave TLS handshakes and silent clients to workers or to the selector instead of its
accept loop (`tls`, `connections`), to read bodies as they come and to put a short answer into one packet
(`streams`), and to answer its own refusals as `{"error", "reason"}`.
Figures and the servers that were weighed: docs/decisions/0020-wsgi-server.md.
"""

from replication.serving.loopback import serve_loopback
from replication.serving.server import Server, Tuning

__all__ = ["Server", "Tuning", "serve_loopback"]
