"""A node, put together from its parts. The same code on either engine; the parts know nothing of one another's order.

home ─ node.db ─ clock
  │
store ── directory ── intake ◄── access ◄── protocol (/db)
  │                     ▲  │                 api (/api), pages
  │                     │  └► read model ─► receipts ─► intake
  └── sync ─────────────┘         └───────► mine
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from flask import Flask

from replication.serving import Server
from replication.store import Store
from server.access import NodeAccess
from server.dossier import units
from server.engine import open_store
from server.erasure.executor import Erasing
from server.erasure.gate import Gate
from server.erasure.orders import Orders
from server.errors import ServerError
from server.filestore import FileStore
from server.health.complaints import LISTS, STAMPS, Complaints
from server.home import Home
from server.intake.door import Intake
from server.intake.erased import Erased
from server.intake.places import REGISTRY
from server.intake.quarantine import Quarantine
from server.intake.verdict import Admissions
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
from server.node.clock import NodeClock, system_now
from server.node.clockjumps import Uptime, system_uptime
from server.node.firsts import Firsts
from server.node.links import PARENT, Links, Neighbour, default_trust
from server.node.lock import take_lock
from server.node.numbering import Numbering
from server.node.pairing import Pairing
from server.node.people import People
from server.node.presence import Presence
from server.node.servertls import ServerTls
from server.node.signing import NodeSigner
from server.node.sync import Sync
from server.node.wanted import WantedFirst
from server.nodedb import NodeDb
from server.papers.papers import Papers
from server.people.again import Again
from server.people.revoking import Revoking
from server.pki.authority import renew_node
from server.pki.credentials import CredentialCopier
from server.pki.directory import Directory
from server.pki.generations import root_unit
from server.pki.peers import PeerCertificates
from server.pki.requests import UnitRequests
from server.pki.revocation import CrlKeeper, RevocationLists
from server.readmodel.model import ReadModel
from server.receipts import Receipts
from server.timestamps.asking import Authority
from server.timestamps.keeper import StampKeeper
from server.timestamps.stamping import Stamper
from server.timestamps.stamps import Stamps
from server.tokens import TokenVerifier
from server.trust import TrustState
from server.trust.issuance import Issuance
from server.trust.policy import Policies
from server.trust.rejudging import Rejudging

_LOG = logging.getLogger(__name__)


class Node:
    """One node, open. Nothing runs until `start`; commands use the parts without it.

    Raises `NotReady` while the unit's CA is not signed.
    """

    def __init__(
        self,
        home: Home,
        *,
        now: Callable[[], datetime] = system_now,
        uptime: Callable[[], Uptime] = system_uptime,
    ) -> None:
        self.home = home
        self.unit = home.unit
        self.database = units.database_name(home.unit)
        self.files_database = units.files_database_name(home.unit)
        self.db = NodeDb(home.path / "node.db")
        self.clock = NodeClock(self.db, now, uptime)
        self._renew_certificate()
        self.signer = NodeSigner.of(home)
        self.store: Store = open_store(home)
        self.directory = Directory(self.db, self.store, home.anchors())
        self.quarantine = Quarantine(self.db)
        self.admissions = Admissions(self.db)
        self.erased = Erased(self.db)
        self.files = FileStore(self.store)
        self.model = ReadModel(home.path / "readmodel.db", self.store, self.admissions, self.files)
        had_key = has_log_key(home)
        self.log = NodeLog(self.db, self.store, open_log_key(home, self.clock.now()))
        self.recovery = Recovery(self.db, self.log, had_key=had_key)
        self.policies = Policies(self.model, units.node_urn(root_unit(home)))
        self.stamps = Stamps(self.db, lambda: self.policies.newest(self.clock.now()).time_authorities)
        self.proofs = Proofs(self.db, self.store, self.directory, self.log, self.stamps)
        self.intake_counts = IntakeCounts()
        self.model.use_log(self.proofs)
        self.proofs.listen(self.model.learn_proofs)
        self.intake = Intake(
            unit=home.unit,
            store=self.store,
            directory=self.directory,
            quarantine=self.quarantine,
            admissions=self.admissions,
            clock=self.clock,
            log=self.log,
            erased=self.erased,
            may_bring=lambda database, event: self.erasure_gate.check(database, event),
            on_stored=self._stored,
            on_judged=self.intake_counts.note,
        )
        self.stamper = Stamper(
            db=self.db, store=self.store, proofs=self.proofs, intake=self.intake, urn=self.signer.urn
        )
        self.complaints = Complaints(self.db)
        self.stamp_keeper = StampKeeper(
            self.stamper,
            self.database,
            self._time_authority,
            lambda text: self.complaints.tell(STAMPS, text, self.clock.now()),
        )
        self.copier = CredentialCopier(
            store=self.store,
            directory=self.directory,
            intake=self.intake,
            chain=home.chain(),
            urn=self.signer.urn,
        )
        self.publisher = Publisher(
            log=self.log,
            db=self.db,
            intake=self.intake,
            copier=self.copier,
            clock=self.clock,
            database=self.database,
        )
        self.receipt_desk = ReceiptDesk(
            log=self.log,
            recovery=self.recovery,
            proofs=self.proofs,
            signer=self.signer,
            clock=self.clock,
            domain=home.settings.domain,
        )
        self.log_keeper = LogKeeper(self.proofs, self.publisher)
        self.trust = TrustState(self.directory)
        self.issuance = Issuance(self.store, self.directory, self.model)
        self.crls = RevocationLists(
            home=home,
            store=self.store,
            directory=self.directory,
            intake=self.intake,
            clock=self.clock,
            urn=self.signer.urn,
        )
        self.revoking = Revoking(unit=home.unit, lists=self.crls, model=self.model, clock=self.clock)
        self.crl_keeper = CrlKeeper(
            self.crls,
            Rejudging(self.store, self.directory, self.admissions).clear_stale,
            self.revoking.carry_out,
            lambda text: self.complaints.tell(LISTS, text, self.clock.now()),
        )
        self.why_not_again = Again(unit=home.unit, model=self.model, revoking=self.revoking, clock=self.clock)
        self.numbering = Numbering(self.db)
        self.people = People(
            home=home,
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
            home=home,
            db=self.db,
            directory=self.directory,
            copier=self.copier,
            database=self.database,
            say=self.people.say,
        )
        self.feed = MineFeed(self.db, self.model)
        self.papers = Papers(home=home, db=self.db, files=self.files, model=self.model, clock=self.clock)
        self.erasures = Orders(home=home, model=self.model, admissions=self.admissions, clock=self.clock)
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
        self.receipts = Receipts(
            signer=self.signer,
            store=self.store,
            files=self.files,
            intake=self.intake,
            model=self.model,
            clock=self.clock,
            is_waiting=lambda: self.recovery.waiting() is not None,
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
        self.directory.on_crl = self._crl_came
        self.revoking.on_order = self._order_came
        self.presence = Presence()
        self.access = NodeAccess(
            unit=home.unit,
            store=self.store,
            db=self.db,
            intake=self.intake,
            model=self.model,
            feed=self.feed,
            tokens=self.tokens,
            presence=self.presence,
        )
        self.links = Links(self.db)
        self.witness = Witness(
            db=self.db,
            directory=self.directory,
            intake=self.intake,
            copier=self.copier,
            key=self.log.key,
            clock=self.clock,
        )
        self.gossip = Gossip(
            db=self.db,
            log=self.log,
            recovery=self.recovery,
            witness=self.witness,
            intake=self.intake,
            store=self.store,
        )
        self.alarms = Alarms(
            witness=self.witness,
            proofs=self.proofs,
            signer=self.signer,
            intake=self.intake,
            model=self.model,
            clock=self.clock,
        )
        self.firsts = Firsts(self.db)
        self.wanted = WantedFirst(self.model.waiting, self.files, self.firsts)
        self.sync = Sync(
            links=self.links,
            pairing=Pairing(
                unit=home.unit,
                store=self.store,
                intake=self.intake,
                ensure=self.copier.ensure_database,
                wanted=self.wanted,
            ),
            store=self.store,
            signer=self.signer,
            chain=home.chain(),
            clock=self.clock,
            db=self.db,
            companion=self.gossip,
            firsts=self.firsts,
            presence=self.presence,
            roots=home.anchors(),
        )
        self.model.follower.listen(self.feed.notice)
        self.model.follower.listen(self.sync.notice)
        self.model.follower.listen(self.receipts.notice)
        self.model.follower.listen(self.papers.notice)
        self.model.follower.listen(self.erasing.notice)
        self.model.follower.listen(self.revoking.notice)
        self.model.follower.listen(lambda _: self.directory.look_again())
        self.errands = [  # in the order in which they start
            self.model.follower.errand,
            self.receipts.errand,
            self.papers.errand,
            self.erasing.errand,
            self.crl_keeper.errand,
            self.log_keeper.errand,
            *([self.stamp_keeper.errand] if home.settings.tsa else ()),
            self.gossip.errand,
        ]
        self._server: Server | None = None
        self._tls: ServerTls | None = None
        self._lock: int | None = None
        self._prepare()

    def start(
        self,
        app: Flask,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sync: bool = True,
        certificate: Path | None = None,
        key: Path | None = None,
        tls: ServerTls | None = None,
    ) -> str:
        """Serve `app` (`server.api.create_app` of this node), run everything, and return the address.

        With `certificate` and `key` (PEM files, made for the name browsers use) it speaks TLS; with `tls` it does so
        under a certificate of the unit's own CA.

        Raises `Refused` for a certificate that cannot be issued, `NotReady` if another process serves this home,
        `OSError` if the port is taken.
        """
        self._lock = take_lock(self.home.path)
        for errand in self.errands:
            errand.start()
        self.witness.tell()
        if tls is not None:
            tls.prepare()
            certificate, key = tls.certificate, tls.key
        self._server = Server(app, host=host, port=port, certificate=certificate, key=key)
        self._server.start()
        if tls is not None:
            self._tls = tls
            tls.follow(self._server.reload_certificate)
        if sync:
            self.sync.start()
        return self._server.url

    def stop(self) -> None:
        """Stop everything, the network first, and close all files. Nothing acknowledged depends on it."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._tls is not None:
            self._tls.stop()
            self._tls = None
        self.sync.stop()
        for errand in reversed(self.errands):
            errand.stop()
        self.close()

    def close(self) -> None:
        """Close all files of a node that was not started."""
        self.model.close()
        self.store.close()
        self.db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare(self) -> None:
        """See to it that the node's databases exist and hold its own certificates."""
        if self.directory.is_empty():  # a new home, or one whose node.db was lost
            self.directory.relearn()
        for name in (self.database, self.files_database, REGISTRY):
            self.copier.ensure_database(name)
        self.recovery.look(self.clock.now())
        if added := self.log.open(self.clock.now()):
            _LOG.info("%d events that were here already got their leaves in the log", added)
        self.copier.ensure_certificate(self.database, self.signer.certificate)
        if self.log.key.certificate is not None:  # the witness above needs it before the first page
            self.copier.ensure_certificate(self.database, self.log.key.certificate)
        parent = self.home.settings.parent
        known = self.links.was_removed(PARENT) or any(link.name == PARENT for link in self.links.all())
        if parent and not known:
            self.links.put(Neighbour(PARENT, parent, "parent", trust=default_trust(parent)))

    def _stored(self, database: str) -> None:
        self.model.follower.notice(database)
        self.log_keeper.notice(database)

    def _time_authority(self) -> Authority:
        return Authority(self.home.settings.tsa, self.policies.newest(self.clock.now()).time_authorities)

    def _crl_came(self, database: str) -> None:
        self.tokens.forget()
        self.crl_keeper.notice(database)

    def _order_came(self) -> None:
        self.tokens.forget()
        self.crl_keeper.carry_out()

    def _renew_certificate(self) -> None:
        try:
            if renew_node(self.home, self.clock.now()):
                _LOG.info("the node's certificate was renewed")
        except ServerError as exc:  # the CA's key is locked or elsewhere; the present certificate still serves
            _LOG.warning("the node's certificate ends soon and could not be renewed: %s", exc)
