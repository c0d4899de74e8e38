"""People of a unit: enrolling them, giving and taking roles. What is decided becomes events in the unit's stream."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509

from crypto.keys import PublicKey
from replication.document import Doc
from server.clocks.clock import NodeClock
from server.dossier import units
from server.dossier.granting import CONFIRMING, Grant, PendingGrant
from server.dossier.times import format_time, parse_time
from server.dossier.units import is_within
from server.enrolment import Activations, Enrolment, Enrolments, parse_request
from server.errors import Clash, Missing, Refused
from server.home import Home
from server.intake.door import Intake
from server.intake.source import Source
from server.nodedb import NodeDb
from server.people.again import WhyNot
from server.people.revoking import Revoking
from server.pki.authority import Authority, new_subject_id
from server.pki.credentials import CredentialCopier
from server.readmodel.model import ReadModel
from server.readmodel.people import Approval
from server.signing import NodeSigner

_LOG = logging.getLogger(__name__)


class People:
    """The people of the unit a node belongs to."""

    def __init__(
        self,
        *,
        home: Home,
        db: NodeDb,
        signer: NodeSigner,
        copier: CredentialCopier,
        intake: Intake,
        model: ReadModel,
        clock: NodeClock,
        revoking: Revoking,
        why_not_again: WhyNot,
    ) -> None:
        self._home = home
        self._revoking = revoking
        self._why_not_again = why_not_again
        self._signer = signer
        self._copier = copier
        self._intake = intake
        self._model = model
        self._clock = clock
        self._database = units.database_name(home.unit)
        self.enrolments = Enrolments(db, self._issue)
        self._activations = Activations(db)

    # Enrolment

    def ask(self, token: str) -> Enrolment:
        """Take an enrolment request; with a good activation code it is granted at once.

        Raises `Refused`, `TooMany`, `Refused("no_ca_key")` where the CA's key is not at hand, and `Clash` for somebody
        who may not have another key yet (`server.people.again`).
        """
        now = self._clock.now()
        request = parse_request(token, now)
        if not request.activation:
            return self.state(self.enrolments.ask(request, now).thumbprint)
        subject, name = self._activations.use(request.activation, request, now)
        found = self.enrolments.ask(request, now)
        if found.state == "pending":
            self._check_again(subject, self._activations.maker_of(found.thumbprint))
            self._sign_approval(subject, name, found)  # on record first: the CA issues nothing that is not
            found = self.enrolments.approve(found.thumbprint, subject, now)
        return found

    def take_at_counter(self, token: str) -> Enrolment:
        """Take a request that an official read off a phone without a network; it waits for approval like any other.

        An activation code in it is left alone: the official is there to look. Raises `Refused`.
        """
        request = parse_request(token, None)
        return self.state(self.enrolments.ask(request, self._clock.now(), at_counter=True).thumbprint)

    def state(self, thumbprint: str) -> Enrolment:
        """Return how a request stands. An approval that an official signed takes effect here at the latest."""
        found = self.enrolments.get(thumbprint)
        if found.state == "pending":
            self._model.follower.catch_up(self._database)
            for approval in self._model.people.approvals(thumbprint, self._home.unit):
                if self._had_the_right(approval) and self._may_issue(approval, found):
                    return self.enrolments.approve(thumbprint, approval.subject, self._clock.now())
        return found

    def _had_the_right(self, approval: Approval) -> bool:
        """Say whether an official had the right when the approval is proven to have been there; `at` is a claim."""
        if not units.is_subject_urn(approval.author):
            return True
        unit = self._home.unit
        events, grants, proofs = self._model.unit_events(
            self._database, [f"{units.unit_stream(unit)}:{approval.event}"]
        )
        times = [proofs.proven_at(each.id) or parse_time(each.event.at) for each in events]
        had = any(grants.may_decide(approval.author, unit, format_time(at)) for at in times)
        if not had:
            _LOG.warning("no certificate for %s: %s had no right to approve then", approval.subject, approval.author)
        return had

    def _may_issue(self, approval: Approval, found: Enrolment) -> bool:
        """Say whether the CA acts on an approval. The desk drafts none that it would not: this one was made by hand."""
        voice = approval.author
        if not units.is_subject_urn(voice):
            voice = self._activations.maker_of(found.thumbprint) or voice
        why = self._why_not_again(approval.subject, voice)
        if why is not None:
            _LOG.warning("no certificate for %s though %s approved it: %s", approval.subject, approval.author, why.en)
        return why is None

    def _check_again(self, subject: str, maker: str) -> None:
        why = self._why_not_again(subject, maker or self._signer.urn)
        if why is not None:
            raise Clash(f"{why.vi} / {why.en}")

    def settle(self, thumbprint: str) -> None:
        """Issue the certificate of a request that has just been approved, if it was made here."""
        if self.enrolments.knows(thumbprint):
            self.state(thumbprint)

    def approval_body(self, thumbprint: str, *, approver: str, again: str = "") -> dict[str, str]:
        """Return the body of the `enrol.approved` by which an official approves a request.

        `again` is the URN of somebody who has lost their key and whose next one this is: dossiers and roles stay
        theirs. Raises `Missing` for a request or person that is not known here, `Clash` for one who may not have
        another key by the word of `approver` (`server.people.again`).
        """
        found = self.enrolments.get(thumbprint)
        subject = self._model.queries.approval(thumbprint, self._home.unit) or again
        name = self._model.queries.name_of(again) if again else found.name
        if again and not name:
            raise Missing(f"nobody is known here as {again[:80]}")
        if subject:
            self._check_again(subject, approver)
        return {
            "subject": subject or f"{units.SUBJECT_URN}{new_subject_id()}",
            "name": name,
            "thumbprint": thumbprint,
            "kind": found.kind,
        }

    def invite(self, name: str, kind: str, subject: str = "", maker: str = "") -> tuple[str, str]:
        """Return (subject URN, activation code) for somebody who is going to make a key.

        `subject` is for somebody who is known already and has lost theirs; without it they become somebody new. `maker`
        is the official at the desk who invites, "" for the console. Raises `Refused("schema")` for a subject that is
        none, `Clash` for one who may not have another key by that word.
        """
        subject = subject or f"{units.SUBJECT_URN}{new_subject_id()}"
        if not units.is_subject_urn(subject):
            raise Refused("schema", "a subject is urn:tram:subject: and 32 hexadecimal digits", member="subject")
        self._model.follower.catch_up(self._database)
        self._check_again(subject, maker)
        now = self._clock.now()
        code = self._activations.make(subject=subject, name=name, kind=kind, now=now, maker=maker)
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
        """Take a role away from now on, or a proposal of it back. Raises `Missing` if this unit gave them no such role,
        `Clash` for the last leader or admin of a branch: nobody could confirm a role here any more."""
        self.check_somebody_is_left(subject, role)
        grants, now = self._model.grants(self._database), format_time(self._clock.now())
        given: Sequence[Grant | PendingGrant] = (*grants.by_subject.get(subject, ()), *grants.pending)
        if not any((g.subject, g.role, g.unit) == (subject, role, self._home.unit) and now < g.ends for g in given):
            raise Missing(
                f"{subject[:80]} has no role {role} that {self._home.unit} gave; tram role list and tram role pending"
                " say who has, and what a unit above gave is taken away there"
            )
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
            raise Clash(
                "Sẽ không còn ai xác nhận được việc giao nhiệm vụ; hãy giao nhiệm vụ này cho người khác trước / nobody"
                " else here could confirm a role any more; give somebody this role first"
            )

    def order_revocation(self, subject: str, *, how: str, reason: str, since: str = "") -> int:
        """Order by the node's word that every key of a person counts no more. Returns how many keys that are; carrying
        it out is `Revoking.carry_out`. Raises as `Revoking.build_body` does."""
        body = self._revoking.build_body(subject, how=how, told="office", reason=reason, since=since)
        self.say("enrol.revoked", body)
        return len(body["certificates"])

    def revoke_certificates(self, subject: str) -> int:
        """Order that a person's keys count no more, and put them on the list at once. Returns how many there are.

        Raises as `order_revocation`, and as `Authority.open` where the order now waits for the CA's key.
        """
        self.order_revocation(subject, how="ended", reason="revoked at the console of the unit")
        return self._revoking.carry_out()

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
