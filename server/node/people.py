"""People of a unit: enrolling them, giving and taking roles. What is decided becomes events in the unit's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography import x509

from crypto.keys import PublicKey
from replication.document import Doc
from server import enrolment
from server.dossier import units
from server.dossier.granting import CONFIRMING, PendingGrant
from server.dossier.times import format_time
from server.dossier.units import is_within
from server.enrolment import Enrolment, Enrolments
from server.errors import Clash, Missing, Refused
from server.home import Home
from server.intake.door import Intake
from server.intake.source import Source
from server.node.clock import NodeClock
from server.node.signing import NodeSigner
from server.nodedb import NodeDb
from server.pki.authority import Authority, new_subject_id
from server.pki.credentials import CredentialCopier
from server.pki.revocation import RevocationLists
from server.readmodel.model import ReadModel


class People:
    """The people of the unit a node belongs to."""

    def __init__(
        self,
        *,
        home: Home,
        db: NodeDb,
        lists: RevocationLists,
        signer: NodeSigner,
        copier: CredentialCopier,
        intake: Intake,
        model: ReadModel,
        clock: NodeClock,
    ) -> None:
        self._home = home
        self._lists = lists
        self._signer = signer
        self._copier = copier
        self._intake = intake
        self._model = model
        self._clock = clock
        self._database = units.database_name(home.unit)
        self.enrolments = Enrolments(db, self._issue)

    # Enrolment

    def ask(self, token: str) -> Enrolment:
        """Take an enrolment request; with a good activation code it is granted at once.

        Raises `Refused`, `TooMany`, and `Refused("no_ca_key")` where the CA's key is not at hand.
        """
        now = self._clock.now()
        request = enrolment.parse_request(token, now)
        if not request.activation:
            return self.state(self.enrolments.ask(request, now).thumbprint)
        subject, name = self.enrolments.use_activation(request.activation, request, now)
        found = self.enrolments.ask(request, now)
        if found.state == "pending":
            self._sign_approval(subject, name, found)  # on record first: the CA issues nothing that is not
            found = self.enrolments.approve(found.thumbprint, subject, now)
        return found

    def take_at_counter(self, token: str) -> Enrolment:
        """Take a request that an official read off a phone without a network; it waits for approval like any other.

        An activation code in it is left alone: the official is there to look. Raises `Refused`, `TooMany`.
        """
        request = enrolment.parse_request(token, None)
        return self.state(self.enrolments.ask(request, self._clock.now()).thumbprint)

    def state(self, thumbprint: str) -> Enrolment:
        """Return how a request stands. An approval that an official signed takes effect here at the latest."""
        found = self.enrolments.get(thumbprint)
        if found.state == "pending":
            self._model.follower.catch_up(self._database)
            subject = self._model.queries.approval(thumbprint, self._home.unit)
            if subject is not None:
                return self.enrolments.approve(thumbprint, subject, self._clock.now())
        return found

    def settle(self, thumbprint: str) -> None:
        """Issue the certificate of a request that has just been approved, if it was made here."""
        if self.enrolments.knows(thumbprint):
            self.state(thumbprint)

    def approval_body(self, thumbprint: str) -> dict[str, str]:
        """Return the body of the `enrol.approved` by which an official approves a request. Raises `Missing`."""
        found = self.enrolments.get(thumbprint)
        subject = self._model.queries.approval(thumbprint, self._home.unit)
        return {
            "subject": subject or f"{units.SUBJECT_URN}{new_subject_id()}",
            "name": found.name,
            "thumbprint": thumbprint,
            "kind": found.kind,
        }

    def invite(self, name: str, kind: str, subject: str = "") -> tuple[str, str]:
        """Return (subject URN, activation code) for somebody who is going to make a key.

        `subject` is for somebody who is known already and has lost theirs; without it they become somebody new. Raises
        `Refused("schema")` for a subject that is none.
        """
        subject = subject or f"{units.SUBJECT_URN}{new_subject_id()}"
        if not units.is_subject_urn(subject):
            raise Refused("schema", "a subject is urn:tram:subject: and 32 hexadecimal digits", member="subject")
        code = self.enrolments.make_activation(subject=subject, name=name, kind=kind, now=self._clock.now())
        return subject, code

    # Roles

    def grant(self, subject: str, name: str, role: str, *, until: str | None = None, begins: str = "") -> bool:
        """Give a role by the node's word, from now on or from `begins`. Returns whether it holds; if not, a leader or
        admin has to confirm it (`server.dossier.granting`).

        Raises `Refused` for a role, name or time that the event format does not allow.
        """
        body = {"subject": subject, "name": name, "role": role, "from": begins or format_time(self._clock.now())}
        self.say("role.granted", body | ({"until": until} if until else {}))
        self.spread_roles()
        pending = self._model.grants(self._database).pending
        return not any((each.subject, each.role) == (subject, role) for each in pending)

    def pending(self) -> tuple[PendingGrant, ...]:
        """Return the roles at this unit that wait for a second person, oldest first."""
        self._model.follower.catch_up(self._database)
        now = format_time(self._clock.now())
        waiting = self._model.grants(self._database).pending
        return tuple(
            sorted((each for each in waiting if each.unit == self._home.unit and each.ends > now), key=lambda p: p.at)
        )

    def confirm(self, of: str) -> PendingGrant:
        """Confirm by the node's word what a person proposed. Raises `Missing`, and `Clash` for what the node itself
        proposed: that needs a person."""
        found = next((each for each in self.pending() if each.event == of), None)
        if found is None:
            raise Missing("no role waits under this id; tram role pending lists what does")
        if not units.is_subject_urn(found.proposer):
            raise Clash("this role was proposed at the console, so a leader or admin has to confirm it on the desk")
        self.say("role.confirmed", {"of": of, "subject": found.subject})
        self.spread_roles()
        return found

    def revoke(self, subject: str, role: str, reason: str) -> None:
        """Take a role away from now on. Raises `Clash` for the last leader or admin of a branch: nobody could confirm
        a role here any more."""
        self.check_somebody_is_left(subject, role)
        self.say("role.revoked", {"subject": subject, "role": role, "reason": reason})
        self.spread_roles()

    def spread_roles(self) -> None:
        """Bring the unit's newest role events into the databases below in which its people act."""
        self._model.follower.catch_up(self._database)
        self._copier.spread_grants(self._database)

    def check_somebody_is_left(self, subject: str, role: str) -> None:
        """Raise `Clash` if nobody could confirm roles at a root unit once `subject` had lost `role`."""
        self._model.follower.catch_up(self._database)
        now = format_time(self._clock.now())
        held = [g for g in self._model.grants(self._database).holding(now) if g.role in CONFIRMING]
        here = [g for g in held if is_within(self._home.unit, g.unit)]
        left = [g for g in here if (g.subject, g.role, g.unit) != (subject, role, self._home.unit)]
        if here and not left and role in CONFIRMING and units.parent_of(self._home.unit) is None:
            raise Clash("nobody else here could confirm a role any more; give somebody this role first")

    def revoke_certificates(self, subject: str) -> int:
        """Revoke everything this unit's CA issued to a person, by a new CRL. Returns how many certificates that are.

        Raises `Missing` if there are none, and as `Authority.open`.
        """
        self._model.follower.catch_up(self._database)
        own = [row.fingerprint for row in self._model.queries.certificates(self._database, subject)]
        if not own:
            raise Missing(f"{self._home.unit} issued no certificate to {subject[:80]}")
        self._lists.revoke(dict.fromkeys(own, self._database))
        self._model.follower.catch_up()
        return len(own)

    # Inside

    def _sign_approval(self, subject: str, name: str, found: Enrolment) -> None:
        if self._model.queries.approval(found.thumbprint, self._home.unit) is None:
            self.say(
                "enrol.approved",
                {"subject": subject, "name": name, "thumbprint": found.thumbprint, "kind": found.kind},
            )

    def say(self, type: str, body: Mapping[str, Any]) -> None:
        """Sign an event into the unit's stream and store it."""
        stream = units.unit_stream(self._home.unit)
        self._model.follower.catch_up(self._database)
        doc = self._signer.sign(
            stream=stream,
            type=type,
            at=self._clock.now(),
            prev=self._model.queries.heads(self._database, stream),
            body=body,
        )
        self._admit(doc)

    def _admit(self, doc: Doc, database: str = "") -> None:
        result = self._intake.admit(database or self._database, [doc], source=Source("local", self._signer.urn))[0]
        if result.error is not None:
            code, _, reason = result.error.reason.partition(": ")
            raise Refused(code, reason)
        self._model.follower.catch_up(database or self._database)

    def _issue(self, public_key: PublicKey, subject_id: str) -> x509.Certificate:
        """Issue a certificate and store it as a document, durably, before anybody gets it."""
        certificate = Authority.open(self._home).issue_person(public_key, subject_id=subject_id, now=self._clock.now())
        self._copier.ensure_certificate(self._database, certificate)
        return certificate
