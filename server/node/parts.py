"""The parts of a node, put together along a dossier's way. The same code on either engine.

    ground      node.db, clock, signature, store, and what its documents come to: certificates, the read model
    log         leaves of what is taken, and since when it was here
    door        intake: every document, from wherever, is checked, logged and stored here
    proofs      that come later: pages of the log, time-stamps
    trust       the lists and orders by which keys cease to count, policies, who signs in
    people      enrolment, roles, requests of units below
    answers     receipts, papers, phones' feeds, what is open to whom
    erasure     what two voices ordered to be forgotten
    watch       over our log and those of units around: heads cosigned, exchanged, held against one another
    neighbours  links, what goes first over them

A part knows those it is handed, which stand before it. What comes the other way is news (`server.node.news`); when all
this begins and ends is `server.node.life`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime

from server.access import NodeAccess
from server.clocks.clock import NodeClock
from server.clocks.jumps import Uptime
from server.dossier import units
from server.engine import open_store
from server.erasure.executor import Erasing
from server.erasure.gate import Gate
from server.erasure.orders import Orders
from server.filestore import FileStore
from server.health.complaints import LISTS, STAMPS, Complaints
from server.home import Home
from server.intake.door import Intake
from server.intake.erased import Erased
from server.intake.places import REGISTRY
from server.intake.quarantine import Quarantine
from server.intake.verdict import Admissions
from server.links.firsts import Firsts
from server.links.neighbours import Links
from server.links.pairing import Pairing
from server.links.presence import Presence
from server.links.sync import Sync
from server.links.wanted import WantedFirst
from server.log.alarms import Alarms
from server.log.gossip import Gossip
from server.log.issuing import ReceiptDesk
from server.log.keeper import LogKeeper
from server.log.key import has_log_key, open_log_key
from server.log.log import NodeLog
from server.log.proofs import Proofs
from server.log.publishing import Publisher
from server.log.recovery import Recovery
from server.log.witness import Witness
from server.metrics.counting import IntakeCounts
from server.minefeed import MineFeed
from server.node.numbering import Numbering
from server.nodedb import NodeDb
from server.papers.papers import Papers
from server.people.again import Again
from server.people.people import People
from server.people.revoking import Revoking
from server.pki.credentials import CredentialCopier
from server.pki.directory import Directory
from server.pki.generations import root_unit
from server.pki.peers import PeerCertificates
from server.pki.requests import UnitRequests
from server.pki.revocation import CrlKeeper, RevocationLists
from server.readmodel.model import ReadModel
from server.receipts import Receipts
from server.signing import open_signer
from server.timestamps.keeper import StampKeeper, connect
from server.timestamps.stamping import Stamper
from server.timestamps.stamps import Stamps
from server.tokens import TokenVerifier
from server.trust import TrustState
from server.trust.issuance import Issuance
from server.trust.policy import Policies
from server.trust.rejudging import Rejudging


class Parts:
    """What a node consists of. Its files are open until `opened` is closed; nothing has been written into its
    databases, and nothing runs.

    Raises `NotReady` while the unit's CA is not signed.
    """

    def __init__(self, home: Home, now: Callable[[], datetime], uptime: Callable[[], Uptime]) -> None:
        with ExitStack() as opened:  # what cannot be put together, on a full disk for one, leaves no file open
            self._put_together(home, now, uptime, opened)
            self.opened = opened.pop_all()

    def _put_together(
        self, home: Home, now: Callable[[], datetime], uptime: Callable[[], Uptime], opened: ExitStack
    ) -> None:
        self.home = home
        self.unit = home.unit
        self.database = units.database_name(home.unit)
        self.files_database = units.files_database_name(home.unit)
        self.db = opened.enter_context(closing(NodeDb(home.path / "node.db")))
        self.clock = NodeClock(self.db, now, uptime)
        self.signer = open_signer(home, self.clock.now())
        self.store = opened.enter_context(closing(open_store(home)))
        self.directory = Directory(self.db, self.store, home.anchors())
        self.files = FileStore(self.store)
        self.complaints = Complaints(self.db)
        self.admissions = Admissions(self.db)
        model = ReadModel(home.path / "readmodel.db", self.store, self.admissions, self.files)
        self.model = opened.enter_context(closing(model))
        self.policies = Policies(self.model, units.node_urn(root_unit(home)))
        self._add_log()
        self._add_door()
        self._add_proofs_to_come()
        self._add_trust()
        self._add_people()
        self._add_answers()
        self._add_erasure()
        self._add_watch_over_logs()
        self._add_neighbours()

    def _add_log(self) -> None:
        had_key = has_log_key(self.home)
        self.log = NodeLog(self.db, self.store, open_log_key(self.home, self.clock.now()))
        self.recovery = Recovery(self.db, self.log, had_key=had_key)
        self.stamps = Stamps(self.db, lambda: self.policies.newest(self.clock.now()).time_authorities)
        self.proofs = Proofs(self.db, self.store, self.directory, self.log, self.stamps)
        self.model.use_log(self.proofs)
        self.receipt_desk = ReceiptDesk(
            log=self.log,
            recovery=self.recovery,
            proofs=self.proofs,
            signer=self.signer,
            clock=self.clock,
            domain=self.home.settings.domain,
        )

    def _add_door(self) -> None:
        self.quarantine = Quarantine(self.db)
        self.erased = Erased(self.db)
        self.intake_counts = IntakeCounts()
        self.intake = Intake(
            unit=self.unit,
            store=self.store,
            directory=self.directory,
            quarantine=self.quarantine,
            admissions=self.admissions,
            clock=self.clock,
            log=self.log,
            erased=self.erased,
            may_bring=lambda database, event: self.erasure_gate.check(database, event),
            on_judged=self.intake_counts.note,
        )
        self.copier = CredentialCopier(
            store=self.store, directory=self.directory, intake=self.intake, chain=self.home.chain(), urn=self.signer.urn
        )

    def _add_proofs_to_come(self) -> None:
        self.publisher = Publisher(
            log=self.log, db=self.db, intake=self.intake, copier=self.copier, clock=self.clock, database=self.database
        )
        self.log_keeper = LogKeeper(self.log, self.clock, self.proofs, self.publisher)
        self.stamper = Stamper(
            db=self.db, store=self.store, proofs=self.proofs, intake=self.intake, urn=self.signer.urn
        )
        self.stamp_keeper = StampKeeper(
            self.stamper,
            self.database,
            lambda: connect(self.home.settings.tsa, self.policies.newest(self.clock.now()).time_authorities),
            lambda text: self.complaints.tell(STAMPS, text, self.clock.now()),
        )

    def _add_trust(self) -> None:
        self.trust = TrustState(self.directory)
        self.issuance = Issuance(self.store, self.directory, self.model)
        self.crls = RevocationLists(
            home=self.home,
            store=self.store,
            directory=self.directory,
            intake=self.intake,
            clock=self.clock,
            urn=self.signer.urn,
        )
        self.revoking = Revoking(unit=self.unit, lists=self.crls, model=self.model, clock=self.clock)
        self.crl_keeper = CrlKeeper(
            self.crls,
            Rejudging(self.store, self.directory, self.admissions).clear_stale,
            self.revoking.carry_out,
            lambda text: self.complaints.tell(LISTS, text, self.clock.now()),
        )
        self.peers = PeerCertificates(self.db, self.directory, REGISTRY)
        self.tokens = TokenVerifier(
            audience=self.signer.urn,
            home_database=self.database,
            directory=self.directory,
            peers=self.peers,
            model=self.model,
            clock=self.clock,
            is_ordered=self.revoking.is_ordered,
        )

    def _add_people(self) -> None:
        self.why_not_again = Again(unit=self.unit, model=self.model, revoking=self.revoking, clock=self.clock)
        self.numbering = Numbering(self.db)
        self.people = People(
            home=self.home,
            db=self.db,
            revoking=self.revoking,
            why_not_again=self.why_not_again,
            signer=self.signer,
            copier=self.copier,
            intake=self.intake,
            model=self.model,
            clock=self.clock,
        )
        self.unit_requests = UnitRequests(
            home=self.home,
            db=self.db,
            directory=self.directory,
            copier=self.copier,
            database=self.database,
            say=self.people.say,
        )

    def _add_answers(self) -> None:
        self.papers = Papers(home=self.home, db=self.db, files=self.files, model=self.model, clock=self.clock)
        self.receipts = Receipts(
            signer=self.signer,
            store=self.store,
            files=self.files,
            intake=self.intake,
            model=self.model,
            clock=self.clock,
            is_waiting=lambda: self.recovery.waiting() is not None,
        )
        self.feed = MineFeed(self.db, self.model)
        self.presence = Presence()
        self.access = NodeAccess(
            unit=self.unit,
            store=self.store,
            db=self.db,
            intake=self.intake,
            model=self.model,
            feed=self.feed,
            tokens=self.tokens,
            presence=self.presence,
        )

    def _add_erasure(self) -> None:
        self.erasures = Orders(home=self.home, model=self.model, admissions=self.admissions, clock=self.clock)
        self.erasing = Erasing(
            db=self.db,
            store=self.store,
            model=self.model,
            orders=self.erasures,
            erased=self.erased,
            quarantine=self.quarantine,
            feed=self.feed,
            papers=self.papers,
            intake=self.intake,
            copier=self.copier,
            signer=self.signer,
            clock=self.clock,
        )
        self.erasure_gate = Gate(model=self.model, orders=self.erasures, erasing=self.erasing)

    def _add_watch_over_logs(self) -> None:
        self.witness = Witness(
            db=self.db,
            directory=self.directory,
            intake=self.intake,
            copier=self.copier,
            key=self.log.key,
            clock=self.clock,
        )
        self.gossip = Gossip(
            db=self.db, log=self.log, recovery=self.recovery, witness=self.witness, intake=self.intake, store=self.store
        )
        self.alarms = Alarms(
            witness=self.witness,
            proofs=self.proofs,
            signer=self.signer,
            intake=self.intake,
            model=self.model,
            clock=self.clock,
        )

    def _add_neighbours(self) -> None:
        self.links = Links(self.db)
        self.firsts = Firsts(self.db)
        self.wanted = WantedFirst(self.model.waiting, self.files, self.firsts)
        pairing = Pairing(
            unit=self.unit, store=self.store, intake=self.intake, ensure=self.copier.ensure_database, wanted=self.wanted
        )
        self.sync = Sync(
            links=self.links,
            pairing=pairing,
            store=self.store,
            signer=self.signer,
            chain=self.home.chain(),
            clock=self.clock,
            db=self.db,
            companion=self.gossip,
            firsts=self.firsts,
            presence=self.presence,
            roots=self.home.anchors(),
        )
