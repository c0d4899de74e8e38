"""A node on a three-node CouchDB cluster while one of the three is killed: docs/couchdb.md, "Trying a cluster".

Needs a cluster that the tests may kill nodes of, named by three variables (all of them, or the file is skipped).
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.scenario.person import Citizen, Person, Refusal
from deploy.scenario.processes import TRAM, Child, free_port, run_tram, start, wait_until_answering
from deploy.scenario.scans import RESIDENCE, Scan, draw_scan
from deploy.scenario.story import APPLICANT, PROCEDURE, enrol_citizen, wait_until
from replication.couch import CouchStore
from replication.document import Doc, DocId
from replication.errors import Unavailable
from replication.sqlite import SqliteStore
from replication.store import AllDocsQuery, GetRequest, Store
from server.verify import verify_path

CLUSTER = os.environ.get("TRAM_COUCHDB_CLUSTER", "")
NODES = os.environ.get("TRAM_COUCHDB_CLUSTER_NODES", "").split()
COMMANDS = [line.strip() for line in os.environ.get("TRAM_COUCHDB_CLUSTER_KILL", "").splitlines() if line.strip()]
if not CLUSTER or len(NODES) != 3 or len(COMMANDS) != 2:
    pytest.skip(
        "TRAM_COUCHDB_CLUSTER, TRAM_COUCHDB_CLUSTER_NODES and TRAM_COUCHDB_CLUSTER_KILL name no cluster whose nodes"
        " may be killed (docs/couchdb.md)",
        allow_module_level=True,
    )

pytestmark = [pytest.mark.couchdb, pytest.mark.slow]

UNIT, PARENT_UNIT = "H41.12.03", "H41"
DATABASE, FILES = "u-h41-12-03", "f-h41-12-03"
PHONES = 4
BEFORE_S, DOWN_S, AFTER_S = 5.0, 15.0, 8.0
PAUSE_LIMIT_S = 20.0  # the balancer leaves a dead node out within ten seconds; a phone's request may have met it before
CATCH_UP_S = 60.0
JPEG = draw_scan(RESIDENCE, seed=1, height=800)  # 68 KB: seven chunks


@dataclass
class Tiers:
    """A commune on the cluster and the province above it on the embedded store, both serving."""

    root: Path
    prefix: str
    children: list[Child] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)

    def home(self, unit: str) -> Path:
        return self.root / unit

    def serve(self, unit: str, port: int) -> None:
        child = start(unit, (*TRAM, "serve", str(self.home(unit)), "--port", str(port)), self.root / f"{unit}.log")
        self.children.append(child)
        self.urls[unit] = f"http://127.0.0.1:{port}"
        wait_until_answering(child, f"{self.urls[unit]}/api/node")

    def stop(self) -> None:
        for child in self.children:
            child.stop()
        self.children.clear()


@pytest.fixture
def tiers(tmp_path: Path) -> Iterator[Tiers]:
    """Made with the commands an office uses; the cluster is left as it was found."""
    made = Tiers(tmp_path, f"t{secrets.token_hex(4)}-")
    ports = {PARENT_UNIT: free_port(), UNIT: free_port()}
    request, answer = tmp_path / "request", tmp_path / "answer"
    run_tram("init", made.home(PARENT_UNIT), "--unit", PARENT_UNIT)
    run_tram("load-sample", made.home(PARENT_UNIT))
    above = f"http://127.0.0.1:{ports[PARENT_UNIT]}"
    cluster = ("--couchdb", CLUSTER, "--prefix", made.prefix)
    run_tram("init", made.home(UNIT), "--unit", UNIT, "--parent", above, *cluster)
    code = told(run_tram("ca", "request", made.home(UNIT), request), "code:")
    run_tram("ca", "sign", made.home(PARENT_UNIT), request, answer, "--code", code)
    run_tram("ca", "install", made.home(UNIT), answer)
    try:
        made.serve(PARENT_UNIT, ports[PARENT_UNIT])
        made.serve(UNIT, ports[UNIT])
        yield made
    finally:
        made.stop()
        store = CouchStore(CLUSTER, prefix=made.prefix)
        store.remove()
        store.close()


@dataclass
class Phone(threading.Thread):
    """Files one dossier after the other until told to stop; a dossier counts once its receipt is in hand."""

    citizen: Citizen
    ended: threading.Event
    filed: list[str] = field(default_factory=list)
    acknowledged: dict[str, float] = field(default_factory=dict)  # by stream: when its receipt was in hand
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(name="phone", daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.ended.is_set():
            data = JPEG + secrets.token_bytes(16)
            outgoing = self.citizen.prepare(
                unit=UNIT, procedure=PROCEDURE, applicant=APPLICANT, form={}, scans=[Scan("a.jpg", "to_khai", data)]
            )
            self.filed.append(outgoing.stream)
            deadline = time.monotonic() + 90
            while True:
                try:
                    self.citizen.send(outgoing, limit_s=30)
                except Refusal as exc:
                    # As a phone does: "not now" is no "no", and what is signed is sent again.
                    if time.monotonic() > deadline or not (": 503 " in str(exc) or "receipt" in str(exc)):
                        self.refused.append(str(exc))
                        return
                    self.ended.wait(0.2)
                    continue
                self.acknowledged[outgoing.stream] = time.monotonic()
                break


def told(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if label in line).partition(label)[2].strip()


def make_phones(tiers: Tiers, ended: threading.Event) -> list[Phone]:
    official = Person("Vàng A Mẫu", tiers.urls[UNIT])
    invitation = run_tram("user", "add", tiers.home(UNIT), "--name", official.name, "--role", "official")
    official.request_enrolment(kind="official", activation=told(invitation, "activation:"))
    official.wait_for_certificate()
    return [Phone(enrol_citizen(official, tiers.urls[UNIT]), ended) for _ in range(PHONES)]


def read_all(store: Store) -> dict[str, dict[str, str]]:
    """Return {database: {document: winning revision}} of the dossiers and their files."""
    found: dict[str, dict[str, str]] = {}
    for name in store.names():
        rows = store.open(name).all_docs(AllDocsQuery()).rows
        found[name] = {str(row.id): str(row.rev) for row in rows}
    return found


def longest_pause(moments: list[float]) -> float:
    ordered = sorted(moments)
    return max(later - earlier for earlier, later in pairwise(ordered))


def order(command: str, node: int) -> None:
    """Run one of the two commands for the node of this number."""
    subprocess.run([*shlex.split(command), str(node)], check=True, stdin=subprocess.DEVNULL, timeout=120)


@pytest.mark.parametrize("victim", [1, 2, 3])
def test_intake_goes_on_and_loses_nothing_while_a_couchdb_node_is_killed_and_comes_back(
    tiers: Tiers, victim: int
) -> None:
    """Everything a phone holds a receipt for is in the cluster, once, on every node, and reaches the province."""
    ended = threading.Event()
    phones = make_phones(tiers, ended)
    for phone in phones:
        phone.start()
    # Phones file on a whole cluster, on two nodes, and on three again.
    ended.wait(BEFORE_S)
    order(COMMANDS[0], victim)
    killed = time.monotonic()
    ended.wait(DOWN_S)
    revived = time.monotonic()
    order(COMMANDS[1], victim)
    ended.wait(AFTER_S)
    ended.set()
    for phone in phones:
        phone.join(120)

    assert [words for phone in phones for words in phone.refused] == []
    filed = [stream for phone in phones for stream in phone.filed]
    moments = {stream: moment for phone in phones for stream, moment in phone.acknowledged.items()}
    without = [moment for moment in moments.values() if killed < moment < revived]
    pause = longest_pause(list(moments.values()))
    print(
        f"{len(filed)} filed, {len(moments)} acknowledged, {len(without)} of them with a node down; {pause:.1f} s pause"
    )
    assert set(filed) == moments.keys()
    assert without
    assert pause < PAUSE_LIMIT_S

    check_receipts(tiers, set(moments))
    wait_until("the commune's lists lack something", partial(lists_are_whole, phones), CATCH_UP_S)
    wait_until("the province lacks dossiers", lambda: province_holds_all(tiers), CATCH_UP_S)
    tiers.stop()
    for unit in (UNIT, PARENT_UNIT):
        report = verify_path(tiers.home(unit))
        assert report.holds, report.lines()
        print(f"{unit}: {dict(report.checked)}")
    check_copies(tiers)


@contextmanager
def opened(tiers: Tiers, address: str = CLUSTER) -> Iterator[CouchStore]:
    store = CouchStore(address, prefix=tiers.prefix)
    try:
        yield store
    finally:
        store.close()


def check_receipts(tiers: Tiers, acknowledged: set[str]) -> None:
    """Each filing has exactly one receipt in the store: none was lost, none issued twice."""
    receipts = dict.fromkeys(acknowledged, 0)
    with opened(tiers) as store:
        database = store.open(DATABASE)
        ids = [row.id for row in database.all_docs(AllDocsQuery()).rows if row.id.partition(":")[0] in acknowledged]
        for docs in database.bulk_get([GetRequest(DocId(each)) for each in ids]):
            assert isinstance(docs[0], Doc), docs
            event = json.loads(docs[0].body)["event"]
            receipts[event["stream"]] += event["type"] == "receipt.issued"
    assert {stream: count for stream, count in receipts.items() if count != 1} == {}


def lists_are_whole(phones: list[Phone]) -> bool:
    """Whether the commune's own lists know every dossier, with its one receipt and whole file."""
    dossiers = [phone.citizen.dossier(stream) for phone in phones for stream in phone.acknowledged]
    return all(
        len(dossier["receipts"]) == 1 and dossier["progress"]["files_here"] == dossier["progress"]["files_total"] == 1
        for dossier in dossiers
    )


def province_holds_all(tiers: Tiers) -> bool:
    """Whether replication, which ran all the time, has brought every dossier and file upward."""
    province = SqliteStore(tiers.home(PARENT_UNIT) / "store")
    try:
        there = read_all(province)
    finally:
        province.close()
    with opened(tiers) as store:
        here = read_all(store)
    return all(here[name].items() <= there.get(name, {}).items() for name in (DATABASE, FILES))


def check_copies(tiers: Tiers) -> None:
    """Each node holds everything by itself: with the two others killed, it answers with the same documents."""
    with opened(tiers) as store:
        whole = read_all(store)
    for number, address in enumerate(NODES, 1):
        others = [other for other in (1, 2, 3) if other != number]
        try:
            for other in others:
                order(COMMANDS[0], other)
            wait_until(f"node {number} lacks documents", partial(holds, tiers, address, whole), CATCH_UP_S)
        finally:
            for other in others:
                order(COMMANDS[1], other)
        wait_until("the cluster does not come back", partial(holds, tiers, CLUSTER, whole), CATCH_UP_S)


def holds(tiers: Tiers, address: str, whole: dict[str, dict[str, str]]) -> bool:
    try:
        with opened(tiers, address) as store:
            return read_all(store) == whole
    except Unavailable:  # it has not noticed yet that the others are gone, or the balancer that they are back
        return False
