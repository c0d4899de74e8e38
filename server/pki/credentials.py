"""Seeing to it that a signer's certificates and grants are in the database the signer's events go to.

Whoever gets a database must be able to judge all of it by what it holds. So before the first event of a signer is
written into a database, the chain of the signer's certificate, the CRLs of its issuers and the role events of the
signer's unit are copied there: as the same documents with the same revisions, so a second copy costs nothing. All role
events, not the signer's alone: whether a grant counts depends on who confirmed it, and on when that person's own did.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import base64url, strictjson
from crypto.crl import Crl
from crypto.path import verify_leaf_profile
from replication.document import Doc, DocId
from replication.errors import DatabaseExists, NotFound
from replication.store import AllDocsQuery, Database, GetRequest, Store
from server.dossier import units
from server.dossier.documents import certificate_doc, crl_doc
from server.errors import Refused
from server.intake.door import Intake
from server.intake.events import MAX_BODY_BYTES, MAX_BODY_DEPTH
from server.intake.source import Source
from server.pki.directory import Directory

_GRANTS = ("role.granted", "role.confirmed", "role.revoked")


class CredentialCopier:
    """The credentials a node can bring, from its own home and from its databases."""

    def __init__(
        self, *, store: Store, directory: Directory, intake: Intake, chain: list[x509.Certificate], urn: str
    ) -> None:
        self._store = store
        self._directory = directory
        self._intake = intake
        self._chain = [each.public_bytes(Encoding.DER) for each in chain]
        self._source = Source("local", urn)
        self._done: set[tuple[str, str]] = set()

    def ensure_database(self, name: str) -> Database:
        """Return the database, made if it is not there."""
        try:
            return self._store.open(name)
        except NotFound:
            pass
        try:
            return self._store.create(name)
        except DatabaseExists:
            return self._store.open(name)

    def ensure_certificate(self, database: str, certificate: x509.Certificate) -> None:
        """Store a certificate issued by this unit's CA, and the CA's chain, in `database`."""
        self._admit(database, [certificate_doc(der) for der in (*self._chain, certificate.public_bytes(Encoding.DER))])

    def ensure_credentials(self, database: str, fingerprint: str) -> None:
        """Copy chain, CRLs and grants of the signer with this thumbprint into `database`, from where they are here.

        Raises `Refused("unknown_certificate")` if no database of this node holds the certificate.
        """
        if (database, fingerprint) in self._done:
            return
        origin = self._origin(database, fingerprint)
        self._done.add((database, fingerprint))  # before the copy: those who confirmed each other's roles are a circle
        try:
            if origin != database:
                self._copy(origin, database, fingerprint)
        except BaseException:
            self._done.discard((database, fingerprint))
            raise

    def spread_grants(self, origin: str) -> None:
        """Copy the newest role events of a unit from `origin` into every database that has older ones."""
        owner = units.unit_of_database(origin)
        for name in self._store.names():
            if owner is None or name == origin or not name.startswith("u-"):
                continue
            if self._documents(name, units.unit_stream(owner) + ":"):
                self._copy_grants(origin, name)

    def _copy(self, origin: str, database: str, fingerprint: str) -> None:
        der = self._directory.leaf(origin, fingerprint)
        assert der is not None  # `_origin` found it there
        path = self._directory.path(origin, der)
        crls = {crl.fingerprint: crl.der for each in path for crl in self._crls_of(origin, each)}
        self._admit(database, [certificate_doc(each) for each in (*path, der)] + [crl_doc(d) for d in crls.values()])
        profile = verify_leaf_profile(x509.load_der_x509_certificate(der))
        if profile.names.kind == "person":
            self._copy_grants(origin, database)

    def _copy_grants(self, origin: str, database: str) -> None:
        owner = units.unit_of_database(origin)
        target = units.unit_of_database(database)
        if owner is None or target is None or not units.is_within(target, owner):
            return  # a grant reaches downward only; elsewhere it would mean nothing
        for doc in self._documents(origin, units.unit_stream(owner) + ":"):
            fields = strictjson.parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_BODY_DEPTH)
            event = fields["event"]
            if event["type"] in _GRANTS:
                author = fields["signatures"][0]["protected"]
                self.ensure_credentials(database, _fingerprint_in(author))
                self._admit(database, [doc])

    def _origin(self, database: str, fingerprint: str) -> str:
        """Return the database of this node that holds the certificate: the one it is for, or any other."""
        names = [database, *(name for name in self._store.names() if name != database and not name.startswith("f-"))]
        for name in names:
            if self._directory.leaf(name, fingerprint) is not None:
                return name
        raise Refused("unknown_certificate", f"certificate {fingerprint} is in no database of this node; enrol first")

    def _crls_of(self, origin: str, issuer_der: bytes) -> tuple[Crl, ...]:
        issuer = x509.load_der_x509_certificate(issuer_der)
        return self._directory.crls(origin).of(issuer.subject.public_bytes())[:1]

    def _documents(self, database: str, prefix: str) -> list[Doc]:
        opened = self._store.open(database)
        rows = opened.all_docs(AllDocsQuery(start=prefix, end=prefix + "~")).rows
        found = opened.bulk_get([GetRequest(DocId(row.id)) for row in rows])
        return [doc for docs in found for doc in docs if isinstance(doc, Doc)]

    def _admit(self, database: str, docs: list[Doc]) -> None:
        self.ensure_database(database)
        for result in self._intake.admit(database, docs, source=self._source):
            if result.error is not None:
                code, _, reason = result.error.reason.partition(": ")
                raise Refused(code, f"{result.id}: {reason}")


def _fingerprint_in(protected: str) -> str:
    """Return the thumbprint a protected header names; the event was verified when it was stored."""
    header = strictjson.parse(base64url.decode(protected), max_bytes=1024, max_depth=2)
    return str(header["x5t#S256"])
