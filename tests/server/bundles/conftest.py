"""Offices that have no link, and the sticks somebody carries between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import shake_256
from pathlib import Path
from typing import Any

import pytest

from replication.document import DocId
from replication.store import GetRequest
from server.bundles import Exported, Imported, export_bundle, import_bundle
from server.dossier.documents import chunk_doc, manifest_doc
from server.dossier.manifest import build_manifest
from server.intake.source import Source

JPEG = b"\xff\xd8\xff\xe0"


@dataclass
class Carrier:
    """Nodes of a tree, opened and not linked, and what people do at their counters."""

    nodes: dict[str, Any]
    folder: Path
    helpers: Any
    key_pool: Any
    people: dict[str, Any] = field(default_factory=dict)

    def stick(self, name: str = "usb") -> Path:
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def person(self, unit: str, role: str = "") -> Any:
        """Somebody enrolled at a unit, the same one each time."""
        key = f"{unit}/{role}"
        if key not in self.people:
            from server.pki.authority import Authority

            node = self.nodes[unit]
            person = self.helpers.issue_person(Authority.open(node.home), self.key_pool())
            node.copier.ensure_certificate(node.database, person.certificate)
            if role:
                node.people.grant(person.urn, "Cán bộ", role)
            self.people[key] = person
        return self.people[key]

    def file(self, unit: str, *sizes: int, seed: int = 0) -> str:
        """File a dossier at a unit with papers of these sizes; return its stream."""
        node, person = self.nodes[unit], self.person(unit)
        references = []
        for number, size in enumerate(sizes):
            data = (JPEG + shake_256(b"%d/%d" % (seed, number)).digest(size))[:size]
            manifest, chunks = build_manifest(data)
            docs = [*map(chunk_doc, chunks), manifest_doc(manifest)]
            self.admit(node, node.files_database, docs)
            references.append(self.helpers.file_reference(data, f"giay-{number}.jpg"))
        event = self.helpers.submission(unit, person, files=references)
        self.admit(node, node.database, [person.sign(event)])
        node.model.follower.catch_up()
        return str(event["stream"])

    def receipt(self, unit: str, stream: str) -> None:
        """Have the node sign for what it holds whole, as it does while it runs."""
        node = self.nodes[unit]
        node.receipts.consider(stream)
        node.model.follower.catch_up()

    def comment(self, unit: str, stream: str, text: str) -> None:
        """An official of `unit` says something about a dossier that is there."""
        node, official = self.nodes[unit], self.person(unit, "official")
        story = node.model.story(stream)
        database = node.model.queries.dossier(stream).database
        node.copier.ensure_credentials(database, official.fingerprint)
        event = self.helpers.submission(
            story.dossier.unit,
            official,
            stream=stream,
            type="dossier.commented",
            prev=list(story.dossier.heads),
            body={"text": text},
        )
        self.admit(node, database, [official.sign(event)])
        node.model.follower.catch_up()

    def admit(self, node: Any, database: str, docs: list[Any]) -> None:
        for result in node.intake.admit(database, docs, source=Source("local", node.signer.urn)):
            assert result.error is None, result.error.reason

    def send(self, unit: str, to: str, stick: str = "usb", **options: Any) -> Exported:
        return export_bundle(self.nodes[unit], to=to, path=self.stick(stick), **options)

    def take(self, unit: str, stick: str = "usb", **options: Any) -> Imported:
        return import_bundle(self.nodes[unit], self.stick(stick), **options)

    def meet(self, *units: str) -> None:
        """Let units know one another's keys, by the introductions they leave on a stick."""
        from server.bundles import introduction, media

        folder = media.open_folder(self.stick("introductions"))
        for unit in units:
            introduction.write_introduction(self.nodes[unit], folder)
        for unit in units:
            self.take(unit, "introductions")

    def held(self, unit: str, *databases: str) -> set[tuple[str, str, str]]:
        """Return (database, id, rev) of everything a node holds in these databases."""
        store = self.nodes[unit].store
        return {
            (name, row.id, row.leaves[0])
            for name in databases
            for row in store.open(name).changes().rows
            if not row.deleted
        }

    def comments(self, unit: str, stream: str) -> list[str]:
        node = self.nodes[unit]
        node.model.follower.catch_up()
        if node.model.queries.dossier(stream) is None:
            return []
        return [note.text for note in node.model.story(stream).dossier.comments]

    def parts(self, stick: str = "usb") -> list[Path]:
        return sorted((self.stick(stick) / "tram").glob("*.tram"))

    def bytes_of(self, unit: str, database: str, doc_id: str) -> bytes:
        (found,) = self.nodes[unit].store.open(database).bulk_get([GetRequest(DocId(doc_id))], attachments=True)
        return found[0].attachments["chunk"].data


@pytest.fixture
def carry(make_homes: Any, make_node: Any, helpers: Any, key_pool: Any, tmp_path: Path) -> Callable[..., Carrier]:
    """Open nodes of the units named (a province, a district and a commune if none are)."""

    def make(*unit_codes: str) -> Carrier:
        homes = make_homes(*unit_codes)
        return Carrier({unit: make_node(home) for unit, home in homes.items()}, tmp_path, helpers, key_pool)

    return make


@pytest.fixture
def pair(carry):
    """A commune and its district that know one another's keys and nothing else of each other."""
    carrier = carry()
    carrier.meet("H41.12.03", "H41.12")
    return carrier
