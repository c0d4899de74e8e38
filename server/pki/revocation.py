"""A unit's revocation lists: issued weekly by whoever holds the CA's key, and put wherever its certificates are.

A list holds everything its CA ever revoked. Its number rises with every issue, and also with the hours since 1970, so
that a CA restored from a backup, which has forgotten its last lists, does not issue a number twice (the door refuses a
list that is newer and numbered lower).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.certificates import parse_certificate
from crypto.crl import Crl, Revocation, is_issued_by, revocation_of
from replication.document import Doc
from replication.store import Store
from server.clocks.clock import NodeClock
from server.dossier.documents import certificate_doc, crl_doc
from server.errands import Errand, for_each
from server.errors import Refused, ServerError
from server.home import Home
from server.intake.door import Intake
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.lock import one_at_a_time
from server.pki.authority import CRL_LIFE, Authority
from server.pki.directory import Directory, authority_key_id, key_id

_LOG = logging.getLogger(__name__)

ISSUE_EVERY = timedelta(days=7)
LOOK_EVERY_S = 3600.0
LONGEST_LIFE = timedelta(days=400)  # for a key that lies in a safe and is fetched once a year


class RevocationLists:
    """The lists of one unit's CA, every generation of it. Safe from several threads."""

    def __init__(
        self,
        *,
        home: Home,
        store: Store,
        directory: Directory,
        intake: Intake,
        clock: NodeClock,
        urn: str,
        on_stored: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._home = home
        self._store = store
        self._directory = directory
        self._intake = intake
        self._clock = clock
        self._source = Source("local", urn)
        self._on_stored = on_stored
        self._turn = threading.Lock()

    def newest(self, authority: x509.Certificate) -> Crl | None:
        """Return the list with the highest number that any database here holds of this CA."""
        found = [
            crl
            for name in self._databases()
            for crl in self._directory.crls(name).of(authority.subject.public_bytes())[:1]
            if is_issued_by(crl, authority)
        ]
        return max(found, key=lambda crl: crl.number, default=None)

    def issue(
        self, authority: Authority, revoked: Iterable[Revocation] = (), *, life: timedelta = CRL_LIFE
    ) -> x509.CertificateRevocationList:
        """Issue the CA's next list, naming `revoked` beside all that earlier ones named, and store it everywhere.

        Raises `Refused("bad_life")` for a life no list should have.
        """
        last = authority.certificate.not_valid_after_utc - self._clock.now()
        if not timedelta(days=1) <= life <= max(LONGEST_LIFE, last):
            raise Refused("bad_life", f"a list lives 1 to {LONGEST_LIFE.days} days")
        # A command beside the serving node is another process: the list that it made is the one to go on from.
        with self._turn, one_at_a_time(self._home.path / "crl.lock"):
            self._directory.reread_crls()
            now = self._clock.now()
            newest = self.newest(authority.certificate)
            known = {each.serial: each for each in _revocations(newest)}
            for each in revoked:  # once revoked for good; a later word can only say that it was lost earlier still
                held = known.get(each.serial)
                if held is None or each.effective_at < held.effective_at:
                    known[each.serial] = each
            number = max(newest.number + 1 if newest else 1, int(now.timestamp()) // 3600)
            crl = authority.issue_crl(list(known.values()), number=number, now=now, life=life)
            self._publish(authority, crl)
        return crl

    def is_ours(self, certificate: x509.Certificate) -> bool:
        """Say whether this unit's CA issued a certificate, in any generation whose key is at hand."""
        issuer = authority_key_id(certificate)
        own = key_id(certificate)
        return own != issuer and issuer in {key_id(each.certificate) for each in Authority.generations(self._home)}

    def revoke(
        self,
        certificates: Mapping[str, str],
        reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
        *,
        invalid_since: datetime | None = None,
    ) -> None:
        """Revoke certificates, given as thumbprint and a database that holds it, each on the list of the generation
        that issued it. `invalid_since` is since when the key may have been in other hands (invalidityDate, RFC 5280
        §5.3.2); it counts for a compromised key.

        Raises `Refused("not_ours")` for a certificate that another CA issued, before anything is revoked, and as
        `Authority.open`.
        """
        now = self._clock.now()
        generations = {key_id(each.certificate): each for each in Authority.generations(self._home)}
        by_issuer: dict[str, list[Revocation]] = {}
        for fingerprint, database in certificates.items():
            certificate = parse_certificate(self._directory.certificate(database, fingerprint))
            issuer = authority_key_id(certificate)
            if issuer not in generations:
                who = certificate.issuer.rfc4514_string()
                raise Refused("not_ours", f"{who} issued this certificate; it is for the holder of that key to revoke")
            found = Revocation(certificate.serial_number, now, reason, invalid_since)
            by_issuer.setdefault(issuer, []).append(found)
        for issuer, revoked in by_issuer.items():
            self.issue(generations[issuer], revoked)

    def is_due(self, authority: x509.Certificate, now: datetime) -> bool:
        """Say whether a week has passed since the CA's newest list, or it has none; an ended CA owes none."""
        if authority.not_valid_after_utc < now:
            return False
        newest = self.newest(authority)
        if newest is None:
            return True
        # A list made to live for long (a key in a safe, a retired generation) is renewed when it nears its end.
        wait = max(ISSUE_EVERY, newest.next_update - newest.this_update - (CRL_LIFE - ISSUE_EVERY))
        return now >= newest.this_update + wait

    def refresh(self) -> int:
        """Issue what is due of every generation whose key is at hand. Returns how many lists.

        Raises as `Authority.open` where the current key is locked or elsewhere.
        """
        now = self._clock.now()
        generations = Authority.generations(self._home)
        due = [each for each in generations if self.is_due(each.certificate, now)]
        for authority in due:
            life = CRL_LIFE if authority is generations[0] else self.life_of(authority, now)
            crl = self.issue(authority, life=life)
            number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            _LOG.info("revocation list %d of %s was issued", number, authority.certificate.subject.rfc4514_string())
        return len(due)

    def life_of(self, authority: Authority, now: datetime) -> timedelta:
        """Return how long a retired generation's next list is to hold: for good once all it issued has ended."""
        end = self._directory.last_end_below(authority.certificate)
        if end is not None and end >= now:
            return CRL_LIFE
        return authority.certificate.not_valid_after_utc - self._clock.now()

    def _publish(self, authority: Authority, crl: x509.CertificateRevocationList) -> None:
        doc = crl_doc(crl.public_bytes(Encoding.DER))
        chain = [certificate_doc(each.public_bytes(Encoding.DER)) for each in authority.chain]
        for name in self._databases_with(authority.certificate):
            self._admit(name, [*chain, doc] if name == REGISTRY else [doc])

    def _databases(self) -> list[str]:
        return [name for name in self._store.names() if not name.startswith("f-")]

    def _databases_with(self, authority: x509.Certificate) -> list[str]:
        """Return the databases in which the CA is known, and the registry: nodes are judged by what is there."""
        wanted = key_id(authority)
        return [n for n in self._databases() if n == REGISTRY or wanted in self._directory.authorities(n)]

    def _admit(self, name: str, docs: Sequence[Doc]) -> None:
        for result in self._intake.admit(name, docs, source=self._source):
            if result.error is not None:
                code, _, reason = result.error.reason.partition(": ")
                raise Refused(code, reason)
        self._on_stored(name)


class CrlKeeper:
    """Sees to the weekly lists of a serving node: the errand "crls", whose complaint says what could not be done.

    A key that is locked or elsewhere is no defect: `freshness` warns long before it matters.
    """

    def __init__(
        self,
        lists: RevocationLists,
        judge_again: Callable[[str], int] = lambda _: 0,
        carry_out: Callable[[], int] = lambda: 0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`judge_again` is told the databases into which a list came, `carry_out` revokes what was ordered meanwhile,
        `tell` hears the complaint of every look, "" when it went well; all in the thread."""
        self._lists = lists
        self._judge_again = judge_again
        self._carry_out = carry_out
        self.errand = Errand("crls", self._look, every_s=LOOK_EVERY_S, expected=(ServerError,), tell=tell)

    @property
    def complaint(self) -> str:
        """Why no list could be issued the last time, "" if none was wanting."""
        return self.errand.complaint

    def notice(self, database: str) -> None:
        """Say that a list has come into a database."""
        self.errand.notice(database)

    def carry_out(self) -> None:
        """Say that something was ordered revoked."""
        self.errand.hurry()

    def _look(self, told: Sequence[str]) -> None:
        if told:
            for_each(told, self._judge_again)
            return
        self._carry_out()
        self._lists.refresh()


def _revocations(crl: Crl | None) -> list[Revocation]:
    if crl is None:
        return []
    found = (revocation_of(crl, entry.serial_number) for entry in crl.entries)
    return [each for each in found if each is not None]
