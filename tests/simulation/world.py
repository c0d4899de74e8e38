"""Three tiers and more, ten nodes, one seed: people work, lines break, machines stop, clocks are wrong, disks are put
back. Then everything heals, and three things must hold: nodes that share a branch hold equal sets, nothing
acknowledged is lost, nothing unsigned is in.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from crypto.logcert import log_origin, parse_log_origin
from replication.document import Doc
from server.bundles import export_bundle, import_bundle
from server.dossier import units
from server.dossier.documents import chunk_doc, manifest_doc
from server.dossier.event import FileRef, build_event, build_stream_id, event_id
from server.dossier.manifest import build_manifest
from server.dossier.times import format_time
from server.errors import Refused
from server.intake.places import REGISTRY
from server.readmodel.model import ReadModel
from server.readmodel.queries import MOST_ROWS, DossierFilter, DossierRow, EventVerdict
from server.verify import verify_path
from tests.replication.cutline import Line
from tests.simulation.lines import exchange
from tests.simulation.office import Crash, Held, Image, Office
from tests.simulation.sticks import Stick, harm
from tests.simulation.town import BASE, ROOT, UNITS, Person, Town, parent_of

DEPTH = max(len(units.path_of(unit)) for unit in UNITS)


class World:
    """A town at work. `log` tells what happened, for whoever has to find out why a seed failed."""

    def __init__(self, town: Town, folder: Path, dice: random.Random) -> None:
        self._town = town
        self._dice = dice
        self._time = BASE + timedelta(hours=1)
        self.offices = {unit: Office(home, lambda: self._time) for unit, home in town.copy(folder).items()}
        self._folder = folder
        self._backups: list[tuple[str, Image]] = []
        self._sticks: list[Stick] = []
        self._sticks_made = 0
        self.acknowledged: Held = set()
        self.streams: dict[str, str] = {}  # dossier → its unit
        self._files: dict[str, set[str]] = {}  # manifest → the documents of a file
        self._lost: set[str] = set()
        self._restored: set[str] = set()
        self.forgeries = 0
        self.log: list[str] = []

    # One step

    def step(self) -> None:
        """Let something happen."""
        self._time += timedelta(minutes=self._dice.randint(1, 90))
        happenings: list[tuple[int, Callable[[], None]]] = [
            (10, self.file),
            (10, self.act),
            (14, self.meet),
            (4, self.work),
            (6, self.write_stick),
            (7, self.read_stick),
            (3, self.crash),
            (2, self.back_up),
            (1, self.restore),
            (2, self.set_clock),
            (2, self.intrude),
        ]
        weights = [weight for weight, _ in happenings]
        self._dice.choices([happening for _, happening in happenings], weights)[0]()

    # People

    def file(self) -> None:
        """A citizen files a dossier, often with a paper."""
        self._file(self._any())

    def _file(self, office: Office) -> None:
        person = self._town.citizens[office.unit]
        files = [self._hand_in(office, person)] if self._dice.random() < 0.6 else []
        stream = build_stream_id(int(office.now().timestamp() * 1000), self._dice.randbytes(10))
        body = {
            "procedure": "1.001193",
            "channel": "online",
            "applicant": {"name": "Nguyễn Thị Ánh"},
            "form": {"ho_ten": "Nguyễn Văn Bình"},
            "delivery": "counter",
        }
        doc = self._sign(office, person, stream, office.unit, "dossier.submitted", body, files=files)
        if self._admit(office, units.database_name(office.unit), [doc], person, "files"):
            self.streams[stream] = office.unit

    def act(self) -> None:
        """Somebody who holds a dossier does the next thing; two may do it at the same time apart."""
        office = self._any()
        here = self._dossiers_at(office)
        if not here:
            return
        stream = self._dice.choice(here)
        unit = self.streams[stream]
        person = self._town.officials[office.unit]
        type, body = self._deed(office, unit)
        database = units.database_name(unit)
        office.node.copier.ensure_certificate(database, person.certificate)
        heads = office.node.model.queries.heads(database, stream)
        doc = self._sign(office, person, stream, unit, type, body, prev=heads)
        self._admit(office, database, [doc], person, type)

    def _deed(self, office: Office, unit: str) -> tuple[str, Mapping[str, object]]:
        if office.unit != unit:
            return "dossier.commented", {"text": f"Đề nghị kiểm tra {self._dice.randint(1, 99)}"}
        number = f"{self._dice.randint(1, 9999):04}"
        due = format_time(office.now() + timedelta(days=3))
        deeds: list[tuple[str, Mapping[str, object]]] = [
            ("dossier.accepted", {"code": f"{unit}-261121-{number}", "due": due}),
            ("dossier.commented", {"text": "Đã xem"}),
            ("dossier.supplement_requested", {"items": ["Bản sao căn cước công dân"], "reason": "Ảnh mờ"}),
            ("dossier.resolved", {"outcome": "granted", "summary": "Đã cấp"}),
        ]
        return self._dice.choice(deeds)

    def work(self) -> None:
        """A node gets round to its own duties."""
        office = self._any()
        self._note(f"{office.unit} works")
        office.work()

    # Lines

    def meet(self) -> None:
        """Two neighbours have a line for a while; now and then one of the machines stops meanwhile."""
        lower = self.offices[self._dice.choice([unit for unit in UNITS if unit != ROOT])]
        upper = self.offices[parent_of(lower.unit) or ROOT]
        cut = self._dice.choice([None, None, 0, 1, 2, 3, 5, 8, 13])
        fuse = self._dice.choice([None, None, None, 1, 2, 4])
        self._note(f"{lower.unit} meets {upper.unit}, cut after {cut}, crash at write {fuse}")
        try:
            with upper.crash_after(fuse):
                exchange(lower.node, upper.node, Line(cut), upper.app)
        except Crash:
            upper.restart()
            lower.restart()

    # Sticks

    def write_stick(self) -> None:
        """A bundle is written for a unit above or below, which need not be the next one."""
        office = self._any()
        related = [unit for unit in UNITS if unit != office.unit and _is_related(unit, office.unit)]
        target = self._dice.choice(related)
        self._sticks_made += 1
        stick = Stick(self._folder / f"stick-{self._sticks_made}", office.unit, target)
        stick.path.mkdir()
        what = "nothing new"
        try:
            with office.crash_after(self._dice.choice([None, None, None, 1])):
                made = export_bundle(office.node, to=target, path=stick.path, full=self._dice.random() < 0.2)
                what = f"{made.documents} documents"
        except Refused as exc:
            what = exc.code  # nobody here knows that unit's key yet
        except Crash:
            what = "the machine stopped"
            office.restart()
        self._note(f"{office.unit} writes a stick for {target}: {what}")
        self._sticks.append(stick)

    def read_stick(self) -> None:
        """A stick arrives: late, hurt, at the wrong place, or for the second time."""
        if not self._sticks:
            return
        stick = self._dice.choice(self._sticks)
        harmed = harm(stick.path, self._dice) if self._dice.random() < 0.3 else "unharmed"
        office = self.offices[stick.target] if self._dice.random() < 0.85 else self._any()
        try:
            with office.crash_after(self._dice.choice([None, None, None, 0, 1, 3])):
                taken = import_bundle(office.node, stick.path)
                what = f"{taken.stored} documents, {len(taken.problems)} problems"
        except Refused as exc:
            what = exc.code
        except Crash:
            what = "the machine stopped"
            office.restart()
        self._note(f"{office.unit} reads the stick of {stick.source} for {stick.target}, {harmed}: {what}")
        if self._dice.random() < 0.7:
            self._sticks.remove(stick)

    # Accidents

    def crash(self) -> None:
        """A machine stops in the middle of taking something in, or between two things."""
        office = self._any()
        person = self._town.citizens[office.unit]
        self._note(f"{office.unit} crashes")
        try:
            with office.crash_after(self._dice.choice([0, 1, 2])):
                self._hand_in(office, person)
                self._file(office)
        except Crash:
            self._note(f"{office.unit} was taking something in")
        office.restart()

    def back_up(self) -> None:
        office = self._any()
        self._note(f"{office.unit} is copied")
        self._backups.append((office.unit, office.image()))

    def restore(self) -> None:
        """An older copy of the disk is put back. What had been nowhere else is gone with the disk."""
        if not self._backups:
            return
        unit, image = self._dice.choice(self._backups)
        office = self.offices[unit]
        before = office.held()
        office.restart(image)
        elsewhere: Held = set().union(*(other.held() for other in self.offices.values()))
        gone = (before - elsewhere) & self.acknowledged
        self._note(f"{unit} is restored; {len(gone)} acknowledged documents had never left it")
        self._restored.add(unit)
        self.acknowledged -= gone
        self._lost |= {str(doc_id) for _, doc_id, _ in gone}

    def set_clock(self) -> None:
        office = self._any()
        office.skew = timedelta(hours=self._dice.choice([0, 0, 1, -1, 30, -30, 72]))
        self._note(f"the clock of {office.unit} is off by {office.skew}")

    def intrude(self) -> None:
        """A stranger offers an event nobody signed, somebody else signed, or that was changed on the way."""
        office = self._any()
        person = self._town.citizens[office.unit]
        stream = build_stream_id(int(office.now().timestamp() * 1000), self._dice.randbytes(10))
        body = {"text": "Hồ sơ này đã được duyệt"}
        kind = self._dice.choice(["unsigned", "signature of another event", "changed"])
        doc, other = (self._sign(office, person, stream, office.unit, "dossier.commented", body) for _ in range(2))
        value = json.loads(doc.body)
        if kind == "signature of another event":
            value["signatures"] = json.loads(other.body)["signatures"]
        if kind == "unsigned":
            value["signatures"] = []
        if kind == "changed":
            value["event"]["body"]["text"] = "Hồ sơ này đã bị từ chối"
            doc = replace(doc, id=type(doc.id)(f"{stream}:{event_id(value['event'])}"))
        doc = replace(doc, body=json.dumps(value, ensure_ascii=False).encode())
        self._note(f"a stranger offers {office.unit} an event ({kind})")
        self.forgeries += 1
        assert office.refuses(units.database_name(office.unit), doc), f"taken in: {kind}"

    # Healing, and what must hold then

    def heal(self) -> None:
        """All clocks are right, all lines are up, everybody works, until nothing moves."""
        for office in self.offices.values():
            office.skew = timedelta()
        self._time += timedelta(days=4)  # later than any clock has shown
        before: list[Held] = []
        for _ in range(4 * DEPTH):
            for office in self.offices.values():
                office.work(publish_all=True)
            for unit in sorted(UNITS, key=lambda each: (-len(each), each)):
                above = parent_of(unit)
                if above is not None:
                    upper = self.offices[above]
                    exchange(self.offices[unit].node, upper.node, Line(), upper.app)
            now = [office.held() for office in self.offices.values()]
            if now == before:
                return
            before = now
        raise AssertionError("after many rounds there is still something on its way")

    def check(self) -> None:
        """Raise `AssertionError` for whatever does not hold."""
        held = {unit: office.held() for unit, office in self.offices.items()}
        for unit, above in ((unit, parent_of(unit)) for unit in UNITS):
            if above is not None:
                shared = {name for name, _, _ in held[unit] | held[above] if _is_shared(name, unit)}
                below, top = (_of(held[each], shared) for each in (unit, above))
                assert below == top, f"{unit} and {above} differ: {sorted(below ^ top)[:5]}"
                assert _of(held[above], {REGISTRY}) <= held[unit], f"{unit} lacks something of the registry of {above}"
        for database, doc_id, rev in self.acknowledged:
            unit = str(units.unit_of_database(database))
            for tier in (each for each in units.path_of(unit) if each in self.offices):
                assert (database, doc_id, rev) in held[tier], f"lost at {tier}: {doc_id} of {database}"
        self._check_stories()
        self._check_lists()
        self._check_alarms()
        for unit, office in self.offices.items():
            wrong = [each for each in verify_path(office.node.home.path).problems if not self._is_known_loss(each)]
            assert not wrong, f"{unit}: {wrong[:5]}"

    def _is_known_loss(self, problem: str) -> bool:
        """What a lost disk leaves behind for ever, and the verifier is right to name: a file whose receipt had left
        already; a log that went on from an older copy before the unit above could be asked."""
        if problem.endswith("is not here whole"):
            lost = {file for file, docs in self._files.items() if docs & self._lost}
            return any(file in problem for file in lost)
        origins = [log_origin(unit, generation) for unit in self._restored for generation in (1, 2, 3)]
        return any(origin in problem for origin in origins)

    def _check_alarms(self) -> None:
        """Nobody is accused of rewriting history but a node whose disk was put back."""
        for office in self.offices.values():
            accused = {origin for _, origin, _ in office.node.alarms.all()}
            innocent = [each for each in accused if parse_log_origin(each)[0] not in self._restored]
            assert not innocent, f"{office.unit} accuses {innocent}"

    def _check_stories(self) -> None:
        """The same dossier is told the same way at every tier that holds it."""
        for stream, unit in self.streams.items():
            tiers = [self.offices[each] for each in units.path_of(unit) if each in self.offices]
            if tiers[0].node.model.queries.dossier(stream) is None:
                continue  # it had never left a disk that was lost
            first, *others = [tier.node.model.story(stream).dossier for tier in tiers]
            for other in others:
                assert other == first, f"{stream} is told differently above {unit}"

    def _check_lists(self) -> None:
        """What a node computed page by page, in whatever order things came, is what it would compute of them anew."""
        for unit, office in self.offices.items():
            node = office.node
            anew = ReadModel(self._folder / f"anew-{unit}.db", node.store, node.admissions, node.files)
            anew.use_log(node.proofs)
            anew.follower.catch_up()
            lines = [_lines(model) for model in (node.model, anew)]
            anew.close()
            assert lines[0] == lines[1], f"{unit} has other lists than it would compute anew"

    # Helpers

    def _any(self) -> Office:
        return self.offices[self._dice.choice(UNITS)]

    def _dossiers_at(self, office: Office) -> list[str]:
        office.node.model.follower.catch_up()
        return [stream for stream in self.streams if office.node.model.queries.dossier(stream) is not None]

    def _hand_in(self, office: Office, person: Person) -> FileRef:
        """Store a paper's chunks and manifest as a phone does, and return how an event names it."""
        data = self._dice.randbytes(self._dice.choice([900, 20_000, 70_000]))
        manifest, chunks = build_manifest(data)
        docs = [chunk_doc(chunk) for chunk in chunks]
        database = units.files_database_name(office.unit)
        self._files[manifest.id] = {str(doc.id) for doc in (*docs, manifest_doc(manifest))}
        self._admit(office, database, docs, person, "hands in chunks")
        self._admit(office, database, [manifest_doc(manifest)], person, "hands in a manifest")
        return FileRef(manifest.sha256, manifest.id, manifest.size, "image/jpeg", "giay.jpg", "giay-chung-sinh")

    def _sign(
        self,
        office: Office,
        person: Person,
        stream: str,
        unit: str,
        type: str,
        body: Mapping[str, object],
        *,
        prev: tuple[str, ...] = (),
        files: Sequence[FileRef] = (),
    ) -> Doc:
        at = office.now()
        event = build_event(
            stream=stream,
            type=type,
            unit=unit,
            actor=person.urn,
            at=format_time(at),
            nonce=self._dice.randbytes(16),
            prev=prev,
            body=body,
            files=files,
        )
        return person.sign(event, at)

    def _admit(self, office: Office, database: str, docs: list[Doc], person: Person, what: str) -> list[Doc]:
        taken = office.admit(database, docs, person.urn)
        self.acknowledged |= {(database, doc.id, doc.rev) for doc in taken if doc.rev is not None}
        self._note(f"{office.unit} {what}: {len(taken)} of {len(docs)} acknowledged")
        return taken

    def _note(self, line: str) -> None:
        self.log.append(f"{self._time:%d %H:%M} {line}")


def _is_related(one: str, other: str) -> bool:
    return units.is_within(one, other) or units.is_within(other, one)


def _is_shared(name: str, lower: str) -> bool:
    owner = units.unit_of_database(name)
    return owner is not None and units.is_within(owner, lower)


def _of(held: Held, names: set[str]) -> Held:
    return {each for each in held if each[0] in names}


def _lines(model: ReadModel) -> dict[str, tuple[DossierRow, tuple[EventVerdict, ...]]]:
    """Every dossier's line, but for the number of its last change, and what is thought of its signatures."""
    rows = model.queries.dossiers(DossierFilter(), limit=MOST_ROWS).rows
    return {row.stream: (replace(row, updates=0), model.queries.verdicts(row.stream)) for row in rows}
