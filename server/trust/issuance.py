"""Certificates that no signed record accounts for: what a CA issued beside its book (threat 26).

A unit's CA issues to a person after an `enrol.approved` for that key and subject, to a unit below after a
`ca.approved` for
that key; both are events in the unit's own stream, signed before the certificate exists. Whoever gets hold of a CA
key, or of the clerk who has it, can still issue: the chain then holds, and the record is missing. Where the unit's
database is held, which is the unit itself and every tier above it, that is seen.

A record may still arrive, so such a signature is indeterminate, not invalid. A node's own certificate needs no record:
its unit is all that it speaks for. Units certified before their CA's first `ca.approved` have none and are not held
to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from crypto import keys
from crypto.certificates import dns_suffix_of, parse_certificate
from crypto.errors import CryptoError
from crypto.names import parse_unit_dns
from crypto.path import verify_leaf_profile
from replication.store import Store
from server.dossier import units
from server.dossier.times import parse_time
from server.intake.verdict import Verdict
from server.pki.authority import BACKDATED
from server.pki.directory import Directory, authority_key_id, is_ca, key_id
from server.readmodel.model import ReadModel, Story

NOT_RECORDED = Verdict("indeterminate", "not_recorded")
VALID = Verdict("valid")


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """One certificate without a record. `holder` is a person's URN or the code of a unit."""

    fingerprint: str
    holder: str
    issuer: str
    begins: str


class Issuance:
    """The records of one node's branch, asked about certificates."""

    def __init__(self, store: Store, directory: Directory, model: ReadModel) -> None:
        self._store = store
        self._directory = directory
        self._model = model

    def judge(self, database: str, fingerprint: str) -> Verdict:
        """Return `VALID` for a certificate that is on record, whose record would be in a database that is not held
        here, or that needs none; `NOT_RECORDED` otherwise."""
        der = self._directory.leaf(database, fingerprint)
        if der is None:
            return VALID  # whoever asks about its chain is told that it is missing
        return self._judge(database, parse_certificate(der))

    def doubts(self, story: Story) -> dict[str, Verdict]:
        """Return the verdict on every event of a story whose signer's certificate is not on record, by event id."""
        found: dict[str, Verdict] = {}
        known: dict[str, Verdict] = {}
        for held in story.events:
            if held.fingerprint not in known:
                known[held.fingerprint] = self.judge(story.row.database, held.fingerprint)
            if known[held.fingerprint] is not VALID:
                found[held.stored.id] = known[held.fingerprint]
        return found

    def unrecorded(self) -> list[Unrecorded]:
        """Return every certificate in any database here that is not on record, oldest first."""
        found: dict[str, Unrecorded] = {}
        for name in (each for each in self._store.names() if not each.startswith("f-")):
            for row in self._model.queries.certificates(name):
                if row.kind == "node" or row.fingerprint in found:
                    continue
                certificate = parse_certificate(self._directory.certificate(name, row.fingerprint))
                if self._judge(name, certificate) is not VALID:
                    holder = row.urn or _unit_of(certificate)
                    issuer = certificate.issuer.rfc4514_string()
                    found[row.fingerprint] = Unrecorded(row.fingerprint, holder, issuer, row.begins)
        return sorted(found.values(), key=lambda each: (each.begins, each.fingerprint))

    def _judge(self, database: str, certificate: x509.Certificate) -> Verdict:
        issuer = self._issuing_unit(database, certificate)
        key = certificate.public_key()
        if issuer is None or units.database_name(issuer) not in self._store.names():
            return VALID
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            return VALID  # a root, or its link to the next one: certified by itself
        thumbprint = keys.thumbprint(key)
        if is_ca(certificate):
            return VALID if self._is_unit_on_record(issuer, certificate, thumbprint) else NOT_RECORDED
        try:
            profile = verify_leaf_profile(certificate)
        except CryptoError:
            return VALID  # no signer of ours; the path check says so
        if profile.names.kind == "node":
            return VALID
        return VALID if self._model.queries.approval(thumbprint, issuer) == profile.urn else NOT_RECORDED

    def _issuing_unit(self, database: str, certificate: x509.Certificate) -> str | None:
        """Return the unit whose CA issued a certificate, None for a root's own or where its issuer is not here."""
        wanted = authority_key_id(certificate)
        if wanted == key_id(certificate):
            return None
        ders = self._directory.authorities(database).get(wanted, [])
        issuers = [*map(parse_certificate, ders), *self._directory.anchors.roots]
        return next((_unit_of(each) for each in issuers if key_id(each) == wanted), None)

    def _is_unit_on_record(self, issuer: str, certificate: x509.Certificate, thumbprint: str) -> bool:
        stream = units.unit_stream(issuer)
        events = [each.stored.event for each in self._model.events(stream, units.database_name(issuer))]
        approvals = [
            event
            for event in events
            if event.type == "ca.approved" and event.actor == units.node_urn(issuer) and event.unit == issuer
        ]
        unit = _unit_of(certificate)
        if unit == issuer or not approvals:
            return True  # a root's link to its next key; or a tree older than the record
        if certificate.not_valid_before_utc + BACKDATED < min(parse_time(event.at) for event in approvals):
            return True
        return any(event.body["unit"] == unit and event.body["thumbprint"] == thumbprint for event in approvals)


def _unit_of(authority: x509.Certificate) -> str:
    suffix = dns_suffix_of(authority)
    return parse_unit_dns(suffix) if suffix else ""
