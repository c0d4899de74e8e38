"""Which certificates and CRLs are in which database, and the path from a signer to the root.

A leaf is found by its thumbprint, which is its document's id. A CA is found by its key identifier, for which there is
no document id, so CAs are remembered in `node.db`, noted before their documents are stored: a note without a document
does no harm, a document without a note would make every certificate below it look unknown.

Only what is in a database counts for that database: it must be complete in itself, for it travels on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.certificates import dns_suffix_of, parse_certificate
from crypto.chain import ChainCache, TrustAnchors, VerifiedSigner, verify_chain, verify_claim
from crypto.crl import Crl, CrlSet, parse_crl
from crypto.errors import UntrustedChain
from crypto.event import fingerprint_of
from crypto.names import unit_dns
from replication.document import Doc, DocId
from replication.errors import NotFound
from replication.store import AllDocsQuery, GetRequest, Store
from server.dossier.documents import CERTIFICATE_PREFIX, CRL_PREFIX
from server.errors import Refused
from server.nodedb import NodeDb
from server.pki.documents import certificate_id, parse_der_body

SCHEMA = """
CREATE TABLE IF NOT EXISTS authorities (
    database TEXT NOT NULL, key_id TEXT NOT NULL, fingerprint TEXT NOT NULL, der BLOB NOT NULL,
    PRIMARY KEY (database, fingerprint));
CREATE TABLE IF NOT EXISTS crl_numbers (
    database TEXT NOT NULL, key_id TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (database, key_id)) WITHOUT ROWID;
"""

MAX_DEPTH = 10  # `crypto.names` lets a tree be eight levels deep
_LEAVES_KEPT = 4096


class UnknownCertificate(Refused):
    """A certificate of the path is not in the database yet. `waiting_for` names it: "leaf:<thumbprint>" or
    "key:<hex of the key identifier>"."""

    def __init__(self, reason: str, waiting_for: str) -> None:
        super().__init__("unknown_certificate", reason)
        self.waiting_for = waiting_for


class Directory:
    """The certificates of all databases of one node. Safe from several threads."""

    def __init__(self, db: NodeDb, store: Store, anchors: Sequence[x509.Certificate]) -> None:
        self._db = db
        self._store = store
        self._lock = threading.Lock()
        self._leaves: dict[tuple[str, str], bytes] = {}
        self._authorities: dict[str, dict[str, list[bytes]]] = {}
        self._paths: dict[tuple[str, bytes], list[bytes]] = {}
        self._crls: dict[str, CrlSet] = {}
        self._sums: dict[str, int] = {}
        self._learned = 0  # certificates of CAs and lists: what was read before another was learned is not kept
        self._last_authority = 0  # row of the newest one when `look_again` last looked
        self._anchor_keys = frozenset(key_id(each) for each in anchors)
        self.anchors = TrustAnchors(anchors)
        self._cache = ChainCache()
        self.on_crl: Callable[[str], None] = lambda _: None
        db.ensure(SCHEMA)

    # Learning

    def learn_authority(self, database: str, certificate: x509.Certificate, fingerprint: str) -> None:
        """Note a CA certificate that is about to be stored in `database`."""
        der = certificate.public_bytes(Encoding.DER)
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO authorities (database, key_id, fingerprint, der) VALUES (?, ?, ?, ?)",
                (database, key_id(certificate), fingerprint, der),
            )
        self._forget_authorities(database)

    def learn_crl(self, database: str, crl: Crl) -> None:
        """Count a CRL that has been stored in `database`. Its number is remembered where a restored store cannot
        make anybody forget it."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO crl_numbers VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET number = max(number, excluded.number)",
                (database, crl_key_id(crl), crl.number),
            )
        with self._lock:
            self._learned += 1
            if (known := self._crls.get(database)) is not None:
                self._crls[database] = known.adding(crl)
        self.on_crl(database)

    def look_again(self) -> None:
        """Drop what is kept of databases into which another process has put a list or a CA: a command beside a running
        node. The lists' numbers stand in `node.db`, which both write; they only rise, and no CA is taken out there."""
        rows = self._db.rows("SELECT database, sum(number) FROM crl_numbers GROUP BY database")
        sums = {str(row[0]): int(row[1]) for row in rows}
        with self._lock:
            changed = [name for name in self._crls if sums.get(name, 0) != self._sums.get(name, 0)]
            for name in changed:
                del self._crls[name]
            self._learned += sums != self._sums
            self._sums = sums
        for name in changed:
            self.on_crl(name)
        added = self._db.rows("SELECT rowid, database FROM authorities WHERE rowid > ?", (self._last_authority,))
        for name in {str(row["database"]) for row in added}:
            self._forget_authorities(name)
        self._last_authority = max((row["rowid"] for row in added), default=self._last_authority)

    def reread_crls(self) -> None:
        """Look into the databases again for CRLs: before a number is given, whoever gave the last one."""
        with self._lock:
            self._learned += 1
            self._crls.clear()

    def highest_number(self, database: str, key: str) -> int:
        """Return the highest CRL number ever stored in `database` for the CA with this key identifier, 0 for none."""
        row = self._db.row("SELECT number FROM crl_numbers WHERE database = ? AND key_id = ?", (database, key))
        return int(row["number"]) if row else 0

    def is_empty(self) -> bool:
        """Say whether no CA has ever been noted."""
        return self._db.row("SELECT 1 FROM authorities LIMIT 1") is None

    def relearn(self) -> int:
        """Find the CA certificates in all databases again, for a `node.db` that was lost. Returns how many there are.

        They were checked when they were stored; every path from them is checked when it is used.
        """
        found = 0
        for name in self._store.names():
            for doc in self._documents(name, CERTIFICATE_PREFIX) if not name.startswith("f-") else ():
                certificate = parse_certificate(parse_der_body(doc.body, "certificate"))
                if is_ca(certificate):
                    self.learn_authority(name, certificate, fingerprint_of(certificate))
                    found += 1
        return found

    # Looking up

    def names(self) -> list[str]:
        """Return the names of all databases of the store."""
        return self._store.names()

    def leaf(self, database: str, fingerprint: str) -> bytes | None:
        """Return the DER of the certificate with this thumbprint in `database`, None if it is not there."""
        found = self._leaves.get((database, fingerprint))
        if found is not None:
            return found
        try:
            doc = self._store.open(database).get(certificate_id(fingerprint))
        except NotFound:
            return None
        der = parse_der_body(doc.body, "certificate")
        with self._lock:
            if len(self._leaves) >= _LEAVES_KEPT:
                del self._leaves[next(iter(self._leaves))]
            self._leaves[database, fingerprint] = der
        return der

    def holds(self, database: str, waiting_for: str) -> bool:
        """Say whether the certificate that an `UnknownCertificate` named is in `database` now."""
        kind, _, name = waiting_for.partition(":")
        return bool(self._issuers(database, [name])) if kind == "key" else self.leaf(database, name) is not None

    def certificate(self, database: str, fingerprint: str) -> bytes:
        """Return the DER of a leaf or a CA in `database` by its thumbprint. Raises `UnknownCertificate`."""
        der = self.leaf(database, fingerprint)
        if der is None:
            raise UnknownCertificate(f"certificate {fingerprint} is not in {database}", f"leaf:{fingerprint}")
        return der

    def authorities(self, database: str) -> dict[str, list[bytes]]:
        """Return the CA certificates of `database`, DER by the hex of their key identifier; a renewed CA has two."""
        known = self._authorities.get(database)
        return self._read_authorities(database) if known is None else known

    def certificates_of_authorities(self) -> list[x509.Certificate]:
        """Return every CA certificate any database here holds, each once."""
        rows = self._db.rows("SELECT DISTINCT fingerprint, der FROM authorities ORDER BY fingerprint")
        return [parse_certificate(row["der"]) for row in rows]

    def last_end_below(self, authority: x509.Certificate) -> datetime | None:
        """Return when the last certificate ends that a CA issued and any database here holds, None if it issued none.

        Reads every certificate there is: for once a week, not for every event.
        """
        wanted, ends = key_id(authority), []
        for name in (each for each in self.names() if not each.startswith("f-")):
            for doc in self._documents(name, CERTIFICATE_PREFIX):
                certificate = parse_certificate(parse_der_body(doc.body, "certificate"))
                if authority_key_id(certificate) == wanted and key_id(certificate) != wanted:
                    ends.append(certificate.not_valid_after_utc)
        return max(ends, default=None)

    def crls(self, database: str) -> CrlSet:
        """Return the CRLs of `database`."""
        known = self._crls.get(database)
        if known is None:
            learned = self._learned
            known = CrlSet(parse_crl(parse_der_body(doc.body, "crl")) for doc in self._documents(database, CRL_PREFIX))
            with self._lock:
                if learned == self._learned:
                    self._crls[database] = known
        return known

    def path(self, database: str, der: bytes) -> list[bytes]:
        """Return the DER of the CAs above the certificate `der`, nearest first, the anchor left out.

        Raises `UnknownCertificate` naming the first that is missing, `Refused("untrusted_chain")` for a path that is
        deeper than any tree of units or goes in circles, and as `parse_certificate`.
        """
        known = self._paths.get((database, der))
        if known is None:
            learned = self._learned
            known = self._find_path(database, parse_certificate(der))
            with self._lock:
                if len(self._paths) >= _LEAVES_KEPT:
                    del self._paths[next(iter(self._paths))]
                if learned == self._learned:
                    self._paths[database, der] = known
        return known

    def _find_path(self, database: str, certificate: x509.Certificate) -> list[bytes]:
        """Climb by key identifiers. A key may have several certificates (a renewed CA, a root's link to its successor):
        all of them are taken along, and every way up is followed until one reaches an anchor."""
        path: list[bytes] = []
        seen: set[str] = set()
        wanted, level = [authority_key_id(certificate)], 0
        while not self._anchor_keys.intersection(wanted):
            here = self._issuers(database, wanted)
            if not here:
                reason = f"no certificate of a CA with key {wanted[0]} is in {database}; send it, then what it issued"
                raise UnknownCertificate(reason, f"key:{wanted[0]}")
            path.extend(here)
            seen.update(wanted)
            level += 1
            above = {authority_key_id(parse_certificate(der)) for der in here} - seen
            if not above or level >= MAX_DEPTH:
                raise Refused("untrusted_chain", f"{level} certificates up and no anchor")
            wanted = sorted(above)
        return path

    def _issuers(self, database: str, keys: Sequence[str]) -> list[bytes]:
        """Return the CA certificates of `database` with these key identifiers. If none is known they are read again: a
        command beside the running node may have stored one."""
        known = self.authorities(database)
        if not any(key in known for key in keys):
            known = self._read_authorities(database)
        return [der for key in keys for der in known.get(key, ())]

    def _read_authorities(self, database: str) -> dict[str, list[bytes]]:
        learned, found = self._learned, dict[str, list[bytes]]()
        for row in self._db.rows("SELECT key_id, der FROM authorities WHERE database = ?", (database,)):
            found.setdefault(row["key_id"], []).append(row["der"])
        with self._lock:
            if learned == self._learned:
                self._authorities[database] = found
        return found

    def _forget_authorities(self, database: str) -> None:
        with self._lock:
            self._learned += 1
            self._authorities.pop(database, None)
            self._paths = {key: path for key, path in self._paths.items() if key[0] != database}

    # Verifying

    def verify(self, database: str, fingerprint: str, at: datetime) -> VerifiedSigner:
        """Return the signer with this thumbprint, proven to an anchor for the instant `at` by what `database` holds.

        Raises `UnknownCertificate`, and `crypto.errors.UntrustedChain` with its reason code.
        """
        der = self.leaf(database, fingerprint)
        if der is None:
            reason = f"the signer's certificate {fingerprint} is not in {database}; send it, then what it signed"
            raise UnknownCertificate(reason, f"leaf:{fingerprint}")
        return self.verify_der(database, der, at)

    def verify_der(self, database: str, der: bytes, at: datetime, *, crls: CrlSet | None = None) -> VerifiedSigner:
        """Return the signer whose certificate is `der`, which need not be stored yet. Raises as `verify`.

        `crls` replaces the database's own; an empty set asks about the path alone.
        """
        known = self.crls(database) if crls is None else crls
        try:
            return verify_chain(
                der, self.path(database, der), anchors=self.anchors, at=at, crls=known, cache=self._cache
            )
        except UntrustedChain as exc:
            if exc.reason_code == "unknown_issuer":  # a CA of the right key identifier, and still not the issuer
                raise Refused("untrusted_chain", str(exc)) from exc
            raise

    def verify_claim(self, database: str, fingerprint: str, claimed: datetime) -> VerifiedSigner:
        """Return the signer with this thumbprint for a time that only the author claims (`crypto.chain.verify_claim`).

        Raises as `verify`.
        """
        der = self.certificate(database, fingerprint)
        known = self.crls(database)
        return verify_claim(
            der, self.path(database, der), anchors=self.anchors, claimed=claimed, crls=known, cache=self._cache
        )

    def _documents(self, database: str, prefix: str) -> list[Doc]:
        opened = self._store.open(database)
        rows = opened.all_docs(AllDocsQuery(start=prefix, end=prefix + "~")).rows
        found = opened.bulk_get([GetRequest(DocId(row.id)) for row in rows])
        return [doc for docs in found for doc in docs if isinstance(doc, Doc)]


def is_ca(certificate: x509.Certificate) -> bool:
    """Say whether a certificate may issue others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def is_issued_to(certificate: x509.Certificate, holder: str) -> bool:
    """Say whether a certificate's holder is `holder`: the URN of a person or node, or the code of a unit for its CA."""
    if holder.startswith("urn:"):
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return False
        return holder in names.get_values_for_type(x509.UniformResourceIdentifier)
    return is_ca(certificate) and dns_suffix_of(certificate) == unit_dns(holder)


def key_id(certificate: x509.Certificate) -> str:
    """Return the hex of a certificate's subject key identifier, "" if it has none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except x509.ExtensionNotFound:
        return ""


def crl_key_id(crl: Crl) -> str:
    """Return the hex of the key identifier of a CRL's issuer, "" if it does not say."""
    try:
        value = crl.entries.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return value.key_identifier.hex() if value.key_identifier else ""


def authority_key_id(certificate: x509.Certificate) -> str:
    """Return the hex of the key identifier of a certificate's issuer, "" if it does not say."""
    try:
        value = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return ""
    return value.key_identifier.hex() if value.key_identifier else ""
