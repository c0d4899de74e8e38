"""The CouchDB HTTP API over any store: what CouchDB's replicator, PouchDB and CouchDB's clients need of a peer.

    request → routing (raw path, Access) → one handler → answers
                 │                            │
                 └ exchange.Exchange: one request's path, query, body within `Limits`

`create_app` is the whole server; `protocol_blueprint` is its database routes for an application that has other
pages too, at any prefix. Who may open which database is the business of an `Access`; this package asks it first
and holds no state of its own. Every refusal, of any route, is `{"error", "reason"}` with CouchDB's words. JavaScript
in design documents runs only where an Access opens databases through `scripts.Scripts`.
"""

from replication.access import Access, Credentials, OpenAccess, Session
from replication.http.app import create_app, protocol_blueprint
from replication.http.cors import OPEN_CORS, Cors
from replication.http.limits import Limits

__all__ = [
    "OPEN_CORS",
    "Access",
    "Cors",
    "Credentials",
    "Limits",
    "OpenAccess",
    "Session",
    "create_app",
    "protocol_blueprint",
]
