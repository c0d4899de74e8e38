"""A province, a district and a commune as real homes with real keys, and people with keys of their own."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import jcs, jws, keys
from crypto.certificates import fingerprint_of
from replication.document import Doc
from replication.sqlite import SqliteStore
from server.clocks.clock import NodeClock
from server.data import procedure_bodies
from server.dossier import units
from server.dossier.documents import certificate_doc, event_doc
from server.dossier.event import FileRef, build_event, build_stream_id, file_value
from server.dossier.manifest import build_manifest
from server.home import Engine, Home, Settings
from server.intake.door import Intake
from server.intake.quarantine import Quarantine
from server.intake.source import Source
from server.intake.verdict import Admissions
from server.nodedb import NodeDb
from server.pki.authority import Authority, found_root, install, new_subject_id
from server.pki.credentials import CredentialCopier
from server.pki.directory import Directory
from server.signing import NodeSigner

PROVINCE, DISTRICT, COMMUNE = "H41", "H41.12", "H41.12.03"
PEER = Source("peer", "test")


@dataclass
class Person:
    """A phone or desk: a key, a certificate, and what they sign."""

    subject_id: str
    key: Any
    certificate: Any

    @property
    def urn(self) -> str:
        return f"urn:tram:subject:{self.subject_id}"

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.certificate)

    def sign(self, event: dict[str, Any], at: datetime | None = None) -> Doc:
        return event_doc(self.envelope(event, at))

    def envelope(self, event: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
        iat = int((at or datetime.now(UTC)).timestamp())
        return jws.sign_event(event, key=self.key, certificate=self.certificate, iat=iat)

    def token(self, audience: str, *, at: datetime | None = None, life_s: int = 300, **changes: Any) -> str:
        iat = int((at or datetime.now(UTC)).timestamp())
        payload = {"iss": self.urn, "aud": audience, "iat": iat, "exp": iat + life_s} | changes
        header = {"typ": "tram-token+jwt", "x5t#S256": self.fingerprint}
        return jws.sign_compact(jcs.canonical(payload), key=self.key, header=header)


@dataclass
class Station:
    """One tier below its pages: the parts a node is assembled from, without threads and without a network."""

    home: Home
    authority: Authority
    store: SqliteStore
    db: NodeDb
    directory: Directory
    quarantine: Quarantine
    admissions: Admissions
    intake: Intake
    copier: CredentialCopier
    signer: NodeSigner
    now: list[datetime]
    stored: list[str] = field(default_factory=list)

    @property
    def database(self) -> str:
        return units.database_name(self.home.unit)

    def enrol(self, pool: Callable[[], Any]) -> Person:
        """A person with a certificate of this unit, which is stored in the unit's database."""
        person = issue_person(self.authority, pool())
        self.copier.ensure_certificate(self.database, person.certificate)
        return person

    def put(self, doc: Doc, database: str = "", source: Source = PEER) -> str:
        """Admit one document; return "" or the reason it was refused for."""
        result = self.intake.admit(database or self.database, [doc], source=source)[0]
        return result.error.reason if result.error else ""


def issue_person(authority: Authority, key: Any, now: datetime | None = None) -> Person:
    subject_id = new_subject_id()
    certificate = authority.issue_person(key.public_key(), subject_id=subject_id, now=now or datetime.now(UTC))
    return Person(subject_id, key, certificate)


def submission(unit: str, person: Person, **changes: Any) -> dict[str, Any]:
    """A well-formed `dossier.submitted` in a stream of its own."""
    stream = build_stream_id(int(datetime.now(UTC).timestamp() * 1000), secrets.token_bytes(10))
    body = {
        "procedure": "1.001193",
        "channel": "online",
        "applicant": {"name": "Nguyễn Thị Ánh", "phone": "0912345678"},
        "form": {"ho_ten": "Nguyễn Văn Bình"},
        "delivery": "counter",
    }
    members = {
        "stream": stream,
        "type": "dossier.submitted",
        "unit": unit,
        "actor": person.urn,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "nonce": secrets.token_bytes(16),
        "body": body,
    }
    return build_event(**(members | changes))


@pytest.fixture(scope="session")
def key_pool() -> Callable[[], Any]:
    """A source of P-256 keys, a few made once and handed out in turn: making one costs more than using it."""
    made: list[Any] = []
    taken = 0

    def take() -> Any:
        nonlocal taken
        if len(made) < 8:
            made.append(keys.generate_p256())
        taken += 1
        return made[(taken - 1) % 8]

    return take


@pytest.fixture(scope="session")
def ca_keys() -> dict[str, Any]:
    """One CA key per unit for the whole run."""
    others = ("H41.12.04", "H41.13", "H41.03", "H41.12.03.07")
    return {unit: keys.generate_p256() for unit in (PROVINCE, DISTRICT, COMMUNE, *others)}


@pytest.fixture(scope="session")
def home_templates(tmp_path_factory: Any, ca_keys: dict[str, Any]) -> Callable[..., Path]:
    """A folder with the homes of a tree, each CA signed by the one above; made once per tree."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*unit_codes: str) -> Path:
        if unit_codes not in made:
            made[unit_codes] = tmp_path_factory.mktemp("homes")
            _make_homes(made[unit_codes], unit_codes, ca_keys)
        return made[unit_codes]

    return make


def _make_homes(folder: Path, unit_codes: tuple[str, ...], ca_keys: dict[str, Any]) -> None:
    at = datetime.now(UTC)
    authorities: dict[str, Authority] = {}
    for unit in unit_codes:
        home = Home.create(
            folder / units.dashed(unit), Settings(unit, f"Đơn vị {unit}", Engine(), None, at.isoformat())
        )
        above = next((u for u in units.path_of(unit)[1:] if u in authorities), None)
        if above is None:
            authorities[unit] = found_root(home, at, ca_keys[unit])
            continue
        home.write_ca_key(ca_keys[unit])
        certificate = authorities[above].issue_unit(ca_keys[unit].public_key(), unit=unit, now=at)
        authorities[unit] = install(home, [certificate, *authorities[above].chain], at)


@pytest.fixture
def make_homes(tmp_path: Path, home_templates: Callable[..., Path]) -> Callable[..., dict[str, Home]]:
    """Homes of a province, a district and a commune (or of the units named), fresh and empty, with their keys."""

    def make(*unit_codes: str) -> dict[str, Home]:
        codes = unit_codes or (PROVINCE, DISTRICT, COMMUNE)
        shutil.copytree(home_templates(*codes), tmp_path, dirs_exist_ok=True)
        return {unit: Home.open(tmp_path / units.dashed(unit)) for unit in codes}

    return make


@pytest.fixture
def make_station() -> Iterator[Callable[[Home], Station]]:
    """Stations over homes; closed at the end."""
    made: list[Station] = []

    def make(home: Home, now: datetime | None = None) -> Station:
        clock_now = [now or datetime.now(UTC)]
        db, store = NodeDb(home.path / "node.db"), SqliteStore(home.path / "store")
        directory = Directory(db, store, home.anchors())
        quarantine, admissions = Quarantine(db), Admissions(db)
        stored: list[str] = []
        intake = Intake(
            unit=home.unit,
            store=store,
            directory=directory,
            quarantine=quarantine,
            admissions=admissions,
            clock=NodeClock(db, lambda: clock_now[0]),
            on_stored=stored.append,
        )
        signer = NodeSigner.of(home)
        copier = CredentialCopier(store=store, directory=directory, intake=intake, chain=home.chain(), urn=signer.urn)
        station = Station(
            home,
            Authority.open(home),
            store,
            db,
            directory,
            quarantine,
            admissions,
            intake,
            copier,
            signer,
            clock_now,
            stored,
        )
        for name in (station.database, "registry", units.files_database_name(home.unit)):
            copier.ensure_database(name)
        copier.ensure_certificate(station.database, signer.certificate)
        copier.ensure_certificate("registry", signer.certificate)
        made.append(station)
        return station

    yield make
    for station in made:
        station.store.close()
        station.db.close()


@pytest.fixture
def commune(make_homes: Any, make_station: Any) -> Station:
    """The commune of a three-tier tree, ready to take documents."""
    return make_station(make_homes()[COMMUNE])


@pytest.fixture
def citizen(commune: Station, key_pool: Any) -> Person:
    """Somebody enrolled at the commune."""
    return commune.enrol(key_pool)


Tram = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tram(capsys: Any) -> Tram:
    """Run a command; return (exit status, standard output, standard error)."""
    from server.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(each) for each in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def enrol(node: Any, url: str, key: Any, role: str = "") -> Client:
    """Somebody enrolled at a running node, with a role if one is named."""
    person = issue_person(Authority.open(node.home), key)
    node.copier.ensure_certificate(node.database, person.certificate)
    if role:
        node.people.grant(person.urn, f"Cán bộ {person.subject_id[:4]}", role)
    node.model.follower.catch_up(node.database)
    return Client(url, node.signer.urn, person)


@pytest.fixture
def helpers() -> Any:
    """The functions and constants of this file, for tests in folders below (which cannot import it)."""

    class Helpers:
        PROVINCE, DISTRICT, COMMUNE = PROVINCE, DISTRICT, COMMUNE
        issue_person = staticmethod(issue_person)
        submission = staticmethod(submission)
        certificate_doc = staticmethod(certificate_doc)
        file_reference = staticmethod(file_reference)
        wait_until = staticmethod(wait_until)
        enrol = staticmethod(enrol)
        Client = Client

    return Helpers


@pytest.fixture
def make_node() -> Iterator[Callable[..., Any]]:
    """Nodes over homes, open but not started; closed at the end."""
    from server.node.assembly import Node

    made: list[Node] = []

    def make(home: Home, **options: Any) -> Node:
        made.append(Node(home, **options))
        return made[-1]

    yield make
    for node in made:
        node.stop()


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: Any, home_templates: Callable[..., Path]) -> Iterator[dict[str, tuple[Any, str]]]:
    """Three running nodes, each linked to the one above, the links at work: (node, address) by unit, the province
    first. Starting them costs seconds, so one set serves the tests of a file."""
    from server.api import create_app
    from server.links.neighbours import Neighbour
    from server.node.assembly import Node

    folder = tmp_path_factory.mktemp("tiers")
    codes = (PROVINCE, DISTRICT, COMMUNE)
    shutil.copytree(home_templates(*codes), folder, dirs_exist_ok=True)
    running: dict[str, tuple[Any, str]] = {}
    try:
        for unit in codes:
            node = Node(Home.open(folder / units.dashed(unit)))
            running[unit] = (node, node.start(create_app(node), sync=True).rstrip("/"))
            above = unit.rpartition(".")[0]
            if above:
                node.links.put(Neighbour("parent", running[above][1], "parent"))
        yield running
    finally:
        for node, _ in reversed(running.values()):
            node.stop()


@pytest.fixture
def serve(make_node: Any) -> Callable[[Home], tuple[Any, str]]:
    """A running node on a port of its own: (node, address without a slash at its end)."""

    def start(home: Home, *, sync: bool = False, **options: Any) -> tuple[Any, str]:
        from server.api import create_app

        node = make_node(home, **options)
        url = node.start(create_app(node), sync=sync)
        wait_for_first_turns(node)
        return node, url.rstrip("/")

    return start


@dataclass
class Client:
    """Somebody who speaks a running node's HTTP interface."""

    url: str
    audience: str
    person: Person | None = None

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = dict(options.pop("headers", {}))
        if self.person is not None:
            headers.setdefault("Authorization", f"Bearer {self.person.token(self.audience)}")
        return requests.request(method, self.url + path, headers=headers, timeout=60, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self("GET", path, **options)

    def post(self, path: str, value: Any, **options: Any) -> Any:
        return self("POST", path, json=value, **options)

    def put_file(self, data: bytes, name: str = "giay.jpg", part: str = "giay-chung-sinh") -> dict[str, Any]:
        """Send a file in chunks with its manifest, and return the reference an event names it by."""
        manifest, chunks = build_manifest(data)
        missing = self.post("/api/files/missing", {"chunks": list(manifest.chunks)}).json()["missing"]
        for chunk_id, chunk in zip(manifest.chunks, chunks, strict=True):
            if chunk_id in missing:
                assert self("PUT", f"/api/files/chunks/{chunk_id}", data=chunk).status_code == 201
        answer = self("PUT", f"/api/files/manifests/{manifest.id}", json={"manifest": manifest.value()})
        assert answer.status_code == 201, answer.text
        return file_reference(data, name, part)


def file_reference(data: bytes, name: str = "giay.jpg", part: str = "giay-chung-sinh") -> dict[str, Any]:
    manifest, _ = build_manifest(data)
    return file_value(FileRef(manifest.sha256, manifest.id, manifest.size, "image/jpeg", name, part))


def wait_for_first_turns(node: Any) -> None:
    """Return once every background task of a node has done what it does at the start, before a test looks around."""
    waits_to_be_told = {"gossip"}
    wait_until(lambda: all(each.status().runs for each in node.errands if each.name not in waits_to_be_told))


def wait_until(true: Callable[[], Any], limit_s: float = 90.0) -> Any:
    """Return what `true` returns as soon as that is true; fail after `limit_s`: long, for machines with other work."""
    deadline = time.monotonic() + limit_s
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not become true in time"
        threading.Event().wait(0.02)
    return found


@dataclass
class Office:
    """A running node with an official and a citizen who are enrolled there."""

    node: Any
    url: str
    official: Client
    citizen: Client
    leader: Client | None = None  # where a test enrols one

    @property
    def nobody(self) -> Client:
        return Client(self.url, self.node.signer.urn)

    def enrol(self, key: Any, role: str = "") -> Client:
        """Somebody enrolled here, with a role if one is named."""
        return enrol(self.node, self.url, key, role)

    def record(self, *clients: Client) -> None:
        """Put the approvals of people's certificates on record, as enrolling at the counter does."""
        for client in clients:
            assert client.person is not None
            body = {
                "subject": client.person.urn,
                "name": f"Người {client.person.subject_id[:4]}",
                "thumbprint": keys.thumbprint(client.person.key.public_key()),
                "kind": "citizen",
            }
            self.node.people.say("enrol.approved", body)

    def stock(self, *codes: str) -> None:
        """Put procedures of the sample catalogue into the registry, all unless some are named, published by the node of
        the province."""
        province = Home.open(self.node.home.path.parent / "h41")
        signer, at = NodeSigner.of(province), datetime.now(UTC)
        docs = [certificate_doc(each.public_bytes(Encoding.DER)) for each in (signer.certificate, *province.chain())]
        for body in procedure_bodies():
            if not codes or body["code"] in codes:
                stream = f"procedure.{body['code']}"
                docs.append(signer.sign(stream=stream, type="procedure.published", at=at, body=dict(body)))
        results = self.node.intake.admit("registry", docs, source=Source("peer", "urn:tram:node:h41-12"))
        assert [each.error for each in results] == [None] * len(docs)
        self.node.model.follower.catch_up("registry")

    def file(self, who: Client | None = None, **changes: Any) -> str:
        """File a dossier as a phone does; return its stream."""
        client = who or self.citizen
        assert client.person is not None
        event = submission(self.node.unit, client.person, **changes)
        answer = client.post("/api/events", client.person.envelope(event))
        assert answer.status_code == 201, answer.text
        return str(event["stream"])

    def act(self, client: Client, stream: str, type: str, **fields: Any) -> Any:
        """Draft, sign and post one step; return the answer to the post."""
        draft = client.post(f"/api/dossiers/{stream}/drafts", {"type": type, "fields": fields})
        assert draft.status_code == 200, draft.text
        assert client.person is not None
        return client.post("/api/events", client.person.envelope(draft.json()["event"]))


@pytest.fixture
def office(make_homes: Any, serve: Any, key_pool: Any) -> Office:
    """A running commune office, without neighbours, its registry filled by the province's own hand."""
    homes = make_homes()
    node, url = serve(homes[COMMUNE])
    made = Office(node, url, Client(url, ""), Client(url, ""))
    made.official, made.citizen = made.enrol(key_pool(), "official"), made.enrol(key_pool())
    return made


@pytest.fixture(scope="module")
def shared_office(tmp_path_factory: Any, home_templates: Callable[..., Path], key_pool: Any) -> Iterator[Office]:
    """An office as `office` is one, for all tests of a module that leave it as they found it."""
    from server.api import create_app
    from server.node.assembly import Node

    folder = tmp_path_factory.mktemp("office")
    shutil.copytree(home_templates(PROVINCE, DISTRICT, COMMUNE), folder, dirs_exist_ok=True)
    node = Node(Home.open(folder / units.dashed(COMMUNE)))
    url = node.start(create_app(node), sync=False).rstrip("/")
    wait_for_first_turns(node)
    made = Office(node, url, Client(url, ""), Client(url, ""))
    made.official, made.citizen = made.enrol(key_pool(), "official"), made.enrol(key_pool())
    yield made
    node.stop()
