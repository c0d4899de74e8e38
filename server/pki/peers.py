"""Certificates of neighbouring nodes, which must be known before their first word can be believed.

A new commune cannot replicate its certificate to the district before the district lets it replicate. So a node
introduces itself once: it hands over its certificate with the whole chain, which proves itself against the root both
trust. What is kept here opens nothing but what the tree gives that unit.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

import orjson

from crypto import base64url
from crypto.certificates import parse_certificate
from crypto.chain import ChainCache, VerifiedSigner, verify_chain
from crypto.crl import CrlSet
from crypto.path import verify_leaf_profile
from server.dossier import units
from server.errors import Refused
from server.nodedb import NodeDb
from server.pki.directory import MAX_DEPTH, Directory

SCHEMA = """
CREATE TABLE IF NOT EXISTS peers (
    fingerprint TEXT PRIMARY KEY, urn TEXT NOT NULL, chain BLOB NOT NULL, introduced TEXT NOT NULL);
"""


MOST = 8  # certificates of one node: the one in use, and what is left of those before it


class PeerCertificates:
    """The neighbours' certificates, in `node.db`."""

    def __init__(self, db: NodeDb, directory: Directory, crls_from: str) -> None:
        """`crls_from` is the database whose CRLs speak about nodes: `registry`, which reaches every tier. What a node's
        own unit revoked is also looked for in that unit's database, if it is held here."""
        self._db = db
        self._directory = directory
        self._crls_from = crls_from
        self._lock = threading.Lock()
        self._cache = ChainCache(capacity=1024)
        db.ensure(SCHEMA)

    def introduce(self, chain: Sequence[bytes], now: datetime) -> VerifiedSigner:
        """Keep a node's certificate, DER, with the CAs above it. Returns the node, proven.

        Raises `CryptoError` for a chain that does not lead to the root, `Refused("bad_certificate")` for a person's.
        """
        if not 1 <= len(chain) <= MAX_DEPTH + 2:
            raise Refused("bad_certificate", f"an introduction is 1 to {MAX_DEPTH + 2} certificates, the node's first")
        signer = self._verify(list(chain), now, None)  # cold: what is kept must stand alone after a restart
        if signer.kind != "node":
            raise Refused("bad_certificate", "nodes introduce themselves; people are enrolled at a counter")
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?)",
                (
                    signer.fingerprint,
                    signer.subject_urn,
                    orjson.dumps([base64url.encode(der) for der in chain]),
                    now.isoformat(),
                ),
            )
            # More than one: anybody may hand over a chain, and a node's earlier one must not drive out the present one.
            connection.execute(
                "DELETE FROM peers WHERE urn = ?1 AND rowid NOT IN"
                " (SELECT rowid FROM peers WHERE urn = ?1 ORDER BY rowid DESC LIMIT ?2)",
                (signer.subject_urn, MOST),
            )
        return signer

    def verify(self, fingerprint: str, now: datetime) -> VerifiedSigner:
        """Return the node with this certificate, proven for `now`. Raises `Refused("unknown_certificate")`."""
        row = self._db.row("SELECT chain FROM peers WHERE fingerprint = ?", (fingerprint,))
        if row is None:
            raise Refused("unknown_certificate", f"certificate {fingerprint} is not known here; enrol or introduce it")
        chain = [base64url.decode(each) for each in orjson.loads(row["chain"])]
        return self._verify(chain, now, self._cache)

    def _verify(self, chain: list[bytes], now: datetime, cache: ChainCache | None) -> VerifiedSigner:
        crls = self._crls(chain[0])
        anchors = self._directory.anchors
        return verify_chain(chain[0], chain[1:], anchors=anchors, at=now, crls=crls, cache=cache)

    def _crls(self, leaf: bytes) -> CrlSet:
        own = units.database_name(verify_leaf_profile(parse_certificate(leaf)).names.unit)
        names = [name for name in (self._crls_from, own) if name in self._directory.names()]
        return CrlSet(crl for name in names for crl in self._directory.crls(name))
