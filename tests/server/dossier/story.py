"""Builders for the tests of this folder: a unit, its people, and streams written event by event.

Everything is deterministic: nonces count up, times advance a minute per event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from server.dossier.event import FileRef, StoredEvent, build_event, build_stream_id, parse_stored
from server.dossier.fold import fold
from server.dossier.proofs import Evidence
from server.dossier.roles import Grants, fold_grants
from server.dossier.times import format_time, parse_time
from server.dossier.units import node_urn, unit_stream

UNIT = "H41.12.03"
NODE = node_urn(UNIT)
DISTRICT_NODE = node_urn("H41.12")
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # Monday 8:00 in Vietnam
STREAM = build_stream_id(1_795_395_600_000, b"0123456789")


def subject(number: int) -> str:
    """The URN of a person."""
    return f"urn:tram:subject:{number:032x}"


CITIZEN, OTHER_CITIZEN, HELPER = subject(1), subject(2), subject(3)
OFFICIAL, SECOND_OFFICIAL, DISTRICT_OFFICIAL = subject(11), subject(12), subject(13)
LEADER, SECOND_LEADER = subject(21), subject(22)


class Story:
    """Writes events one after another; each call returns the stored event."""

    def __init__(self, stream: str = STREAM, unit: str = UNIT) -> None:
        self.stream, self.unit, self._written = stream, unit, 0
        self.events: list[StoredEvent] = []
        self.evidence: dict[str, dict[str, str]] = {"times": {}, "ends": {}, "doubts": {}, "checkpoints": {}}
        self.logged: list[str] = []

    def write(
        self,
        type: str,
        actor: str,
        body: Mapping[str, Any],
        prev: Iterable[StoredEvent] = (),
        *,
        files: Sequence[FileRef] = (),
        at: str = "",
        unit: str = "",
        after: str = "",
    ) -> StoredEvent:
        """Add an event after `prev`."""
        self._written += 1
        value = build_event(
            stream=self.stream,
            type=type,
            unit=unit or self.unit,
            actor=actor,
            at=at or format_time(START + timedelta(minutes=self._written)),
            nonce=self._written.to_bytes(16),
            prev=[stored.id for stored in prev],
            body=body,
            files=files,
            after=after,
        )
        stored = parse_stored(value)
        self.events.append(stored)
        return stored

    def submit(self, *prev: StoredEvent, actor: str = CITIZEN, **changes: Any) -> StoredEvent:
        """The citizen files a birth."""
        files = changes.pop("files", ())
        body = {
            "procedure": "1.001193",
            "channel": "online",
            "applicant": {"name": "Nguyễn Thị Ánh"},
            "form": {"child_name": "Nguyễn Minh Đức"},
            "delivery": "counter",
        }
        return self.write("dossier.submitted", actor, body | changes, prev, files=files)

    def receipt(self, of: StoredEvent, *prev: StoredEvent, actor: str = NODE) -> StoredEvent:
        """The node has every byte of a filing."""
        files = sorted({file.sha256 for file in of.event.files})
        size = sum(file.size for file in of.event.files)
        return self.write("receipt.issued", actor, {"of": of.id, "files": files, "bytes": size}, prev or (of,))

    def accept(self, *prev: StoredEvent, actor: str = OFFICIAL, number: int = 1) -> StoredEvent:
        """An official accepts with a code and a due date."""
        body = {"code": f"H41.12.03-261123-{number:04d}", "due": "2026-11-23T10:00:00Z"}
        return self.write("dossier.accepted", actor, body, prev)

    def refuse(self, *prev: StoredEvent, actor: str = OFFICIAL) -> StoredEvent:
        """An official refuses."""
        return self.write("dossier.refused", actor, {"reason": "Không thuộc thẩm quyền của xã"}, prev)

    def forward(self, *prev: StoredEvent, actor: str = OFFICIAL) -> StoredEvent:
        """An official hands the dossier on."""
        return self.write("dossier.forwarded", actor, {"to": "Công chức Tư pháp - Hộ tịch"}, prev)

    def ask(self, *prev: StoredEvent, actor: str = OFFICIAL, item: str = "Giấy chứng sinh") -> StoredEvent:
        """An official asks for papers."""
        body = {"items": [item], "reason": "Ảnh chụp bị mờ"}
        return self.write("dossier.supplement_requested", actor, body, prev)

    def supplement(self, *prev: StoredEvent, actor: str = CITIZEN, **body: Any) -> StoredEvent:
        """The citizen brings what was asked for."""
        files = body.pop("files", ())
        return self.write("dossier.supplemented", actor, body, prev, files=files)

    def withdraw(self, *prev: StoredEvent, actor: str = CITIZEN) -> StoredEvent:
        """The citizen takes the dossier back."""
        return self.write("dossier.withdrawn", actor, {"reason": "Nộp nhầm thủ tục"}, prev)

    def stop(self, *prev: StoredEvent, actor: str = OFFICIAL) -> StoredEvent:
        """An official stops the processing."""
        return self.write("dossier.stopped", actor, {"reason": "Theo đề nghị của người nộp"}, prev)

    def resolve(self, *prev: StoredEvent, actor: str = OFFICIAL, outcome: str = "granted", **more: Any) -> StoredEvent:
        """An official resolves."""
        body = {"outcome": outcome, "summary": "Đã cấp Giấy khai sinh"}
        return self.write("dossier.resolved", actor, body, prev, **more)

    def give_back(self, *prev: StoredEvent, actor: str = OFFICIAL) -> StoredEvent:
        """An official hands the result over."""
        body = {"method": "counter", "receiver": "Nguyễn Thị Ánh"}
        return self.write("dossier.returned", actor, body, prev)

    def comment(self, *prev: StoredEvent, actor: str = OFFICIAL) -> StoredEvent:
        """An official writes a comment."""
        return self.write("dossier.commented", actor, {"text": "Đã gọi điện cho người nộp"}, prev)

    def settle(self, chosen: StoredEvent, *prev: StoredEvent, actor: str = OFFICIAL) -> StoredEvent:
        """An official settles a conflict."""
        body = {"chosen": chosen.id, "reason": "Hồ sơ thuộc thẩm quyền"}
        return self.write("dossier.conflict_resolved", actor, body, prev)

    def review(self, of: StoredEvent, *prev: StoredEvent, actor: str = "", decision: str = "adopted") -> StoredEvent:
        """A leader adopts or discards what was held."""
        body = {"of": of.id, "decision": decision, "reason": "Đã đối chiếu sổ theo dõi"}
        return self.write("dossier.act_reviewed", actor or LEADER, body, prev or (of,))

    def prove(self, stored: StoredEvent, at: str) -> None:
        """The owner's log took the event at `at`."""
        self.evidence["times"][stored.id] = at
        self.logged.append(stored.id)

    def proofs(self) -> Evidence:
        """The evidence as the fold takes it."""
        read = {
            kind: {name: parse_time(at) for name, at in each.items()}
            for kind, each in self.evidence.items()
            if kind != "doubts"
        }
        return Evidence(read["times"], read["ends"], self.evidence["doubts"], read["checkpoints"], self.logged)


def photo(number: int, *, part: str = "giay-chung-sinh", size: int = 1000) -> FileRef:
    """A file reference, different for each number."""
    name = "sha256-" + f"{number:042d}" + "A"
    return FileRef(name, name, size, "image/jpeg", f"anh-{number}.jpg", part)


def grant(
    person: str, role: str = "official", *, unit: str = UNIT, by: str = "", name: str = "Lò Văn Páo", **body: str
) -> StoredEvent:
    """A role granted by the unit's node, or by `by`."""
    story = Story(unit_stream(unit), unit)
    fields = {"subject": person, "name": name, "role": role, "from": "2026-01-01T00:00:00Z", **body}
    return story.write("role.granted", by or node_urn(unit), fields)


def revoke(person: str, at: str, role: str = "official", *, unit: str = UNIT, by: str = "") -> StoredEvent:
    """A role revoked at a time."""
    story = Story(unit_stream(unit), unit)
    fields = {"subject": person, "role": role, "reason": "Chuyển công tác"}
    return story.write("role.revoked", by or node_urn(unit), fields, at=at)


def office() -> Grants:
    """Two officials of the commune and one of the district."""
    return fold_grants([grant(OFFICIAL), grant(SECOND_OFFICIAL), grant(DISTRICT_OFFICIAL, unit="H41.12")])


def confirm(of: StoredEvent, by: str, at: str = "") -> StoredEvent:
    """A second voice for a grant."""
    body = {"of": of.id, "subject": of.event.body["subject"]}
    return Story(of.event.stream, of.event.unit).write("role.confirmed", by, body, at=at)


def states_of(events: Sequence[StoredEvent], grants: Grants | None = None) -> dict[str, str]:
    """Return how each event counts, by id; under the roles of `office()` if none are given."""
    return {entry.id: entry.state for entry in fold(events, office() if grants is None else grants).timeline}
