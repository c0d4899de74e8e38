"""What a link does, over TLS on both sides (`tram serve --tls`) and over a line that is cut."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.errors import NotFound
from replication.store import AllDocsQuery
from server.api import create_app
from server.bundles.ledger import Ledger
from server.links.neighbours import Neighbour
from server.node.servertls import ServerTls
from tests.server.log.conftest import take

__all__ = ["take"]

DISTRICT, COMMUNE = "H41.12", "H41.12.03"
LOG = "03.12.h41.tram.internal/log"


@pytest.fixture
def serve_tls(make_homes, make_node):
    """Start a node that speaks TLS by its unit's CA and minds its links: (node, address, its TLS clock)."""
    homes = make_homes()

    def start(unit):
        clock = [datetime.now(UTC) - timedelta(days=61)]  # a certificate with less than a month left
        node = make_node(homes[unit])
        url = node.start(create_app(node), sync=True, tls=ServerTls(homes[unit], (), lambda: clock[0]))
        return node, url.rstrip("/"), clock

    return start


def _holds(node, database, docs):
    """Whether a node has all of some documents."""
    try:
        rows = node.store.open(database).all_docs(AllDocsQuery(keys=tuple(doc.id for doc in docs))).rows
    except NotFound:
        return False
    return all(row.rev for row in rows)


def test_two_nodes_that_serve_tls_meet_exchange_and_cosign_over_a_line_that_is_cut(serve_tls, take, helpers):
    """First meeting, dossiers, the head cosigned, acknowledgements of sticks; the upper one's link stands back; a
    certificate renewed meanwhile is what the next connection is greeted with, and the link goes on under it."""
    district, above, clock = serve_tls(DISTRICT)
    commune, below, _ = serve_tls(COMMUNE)
    with WeakLink(("127.0.0.1", int(above.rpartition(":")[2])), Profile(256_000, 256_000, 20)) as weak:
        commune.links.put(Neighbour("parent", f"https://127.0.0.1:{weak.port}", "parent", trust="tree"))
        district.links.put(Neighbour("xa", below, "child", trust="tree", unit=COMMUNE))
        docs = take(commune, 5)
        helpers.wait_until(lambda: weak.figures().up_bytes > 8_000)
        _cut(weak)
        helpers.wait_until(lambda: _holds(district, commune.database, docs))
        helpers.wait_until(lambda: district.witness.known_size(LOG) >= 5)
        helpers.wait_until(lambda: Ledger(commune.db, commune.store.uuid).has_met(DISTRICT, district.store.uuid))
        [link] = district.sync.status()
        assert link.stands_back

        certificate = district.home.path / "certs" / "tls.pem"
        before, clock[0] = certificate.read_bytes(), clock[0] + timedelta(days=61)
        district.life.front.renew_certificate()
        renewed = x509.load_pem_x509_certificate(certificate.read_bytes())
        assert renewed != x509.load_pem_x509_certificate(before)
        shown = ssl.get_server_certificate(("127.0.0.1", weak.port), timeout=60)
        assert x509.load_pem_x509_certificate(shown.encode()) == renewed
        _cut(weak)
        more = take(commune, 5)
        helpers.wait_until(lambda: _holds(district, commune.database, more))
        assert {error for error in _errors(commune, district) if "does not prove to be the peer" in error} == set()


def _cut(weak):
    """Reset every connection there is; the line is back at once."""
    weak.cut()
    weak.restore()


def _errors(*nodes):
    return [status.last_error or "" for node in nodes for status in node.sync.status()]
