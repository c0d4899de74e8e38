"""What goes into a bundle for a unit, from where, and in which order.

    events      of every shared database, from the position its node acknowledged: certificates, CRLs, events
    extras      small signed notes
    asked       stretches it could not read, and chunks it says it misses
    previews    manifests and small files, so that much is seen of what is whole later
    files       the rest, in the order of the feed

A stick that is too small gets the beginning of that list. A database's position moves only as far as everything before
it went in, so that the next bundle goes on there and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from crypto import strictjson
from replication.bundle import Acknowledgement, BundleWriter, Stretch, read_again, read_ids, read_stretches
from replication.bundle.acknowledgement import Hole
from replication.bundle.feed import read_documents
from replication.bundle.records import pack_document
from replication.document import DocId, Seq
from replication.store import ZERO, Database
from server.bundles import bylink
from server.bundles.bylink import Far, read_far
from server.bundles.ledger import Ledger
from server.bundles.positions import choose_begin, is_reached
from server.dossier import units
from server.dossier.documents import FILE_PREFIX
from server.dossier.event import is_dossier_stream
from server.dossier.manifest import CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_CHUNKS, Manifest, parse_manifest
from server.errors import Refused
from server.intake.files import MAX_MANIFEST_BYTES
from server.intake.places import REGISTRY
from server.links.state import FarStores
from server.node.assembly import Node

PREVIEW_BYTES = 64 * 1024  # a photograph for the screen, a page of text: seven chunks
_MOST_PREVIEWS = 200_000  # chunk ids held in memory: 30 MB


def shared_databases(node: Node, unit: str) -> list[str]:
    """Return the databases that go from this node to `unit`: the registry first, then events, then files.

    Raises `Refused("not_related")` for a unit that is neither above nor below this one.
    """
    check_related(node, unit)
    return sorted(bylink.sent_to(node, unit), key=lambda name: (name != REGISTRY, name.startswith("f-"), name))


def check_related(node: Node, unit: str) -> None:
    """Raise `Refused` unless `unit` is another unit on this node's line."""
    units.parse_unit_code(unit)
    if unit == node.unit:
        raise Refused("not_related", f"{unit} is this node itself; name the unit the stick goes to")
    if not units.is_within(unit, node.unit) and not units.is_within(node.unit, unit):
        raise Refused("not_related", f"{unit} is neither above nor below {node.unit}; their dossiers share no road")


def may_fill(node: Node, source: str, database: str) -> bool:
    """Say whether documents of `database` may come in a bundle from `source`."""
    if database == REGISTRY:
        return units.is_within(node.unit, source)
    owner = units.unit_of_database(database)
    lower = source if units.is_within(source, node.unit) else node.unit
    related = units.is_within(source, node.unit) or units.is_within(node.unit, source)
    return owner is not None and related and units.is_within(owner, lower)


@dataclass(frozen=True, slots=True)
class Basis:
    """Where each database begins and ends in a bundle, and what the destination asked for besides. `wants` says by
    database whether a document should go: not if it came from there. `carried_at` is when a link last said that it had
    carried what a bundle would begin with (RFC 3339), "" if no database begins where a link ended."""

    since: Mapping[str, Seq]
    carried_at: str
    ends: Mapping[str, Seq]
    holes: Mapping[str, tuple[Hole, ...]]
    missing: Mapping[str, tuple[DocId, ...]]
    wants: Mapping[str, Callable[[DocId], bool]]

    @property
    def is_asked(self) -> bool:
        """Whether the destination said that it could not read something, or misses chunks that are here or were."""
        return any(self.holes.values()) or any(self.missing.values())


def build_basis(node: Node, ledger: Ledger, unit: str, names: Iterable[str], *, full: bool = False) -> Basis:
    """Return where a bundle to `unit` begins and ends in each of these databases, by what its node last said of our
    present store and by what links have carried since: "0" where there is neither, and with `full`."""
    said = ledger.said(unit)
    have = said.have.get(node.store.uuid, {}) if said and not full else {}
    ends = {name: node.store.open(name).info().update_seq for name in names}
    far = Far() if full else _newer_than_said(node, ledger, unit, said, ends)
    same_store = said is None or said.store == far.store
    told = {name: have[name].seq if name in have else ZERO for name in ends}
    since = {name: choose_begin(told[name], far.seqs.get(name, ZERO), same_store=same_store) for name in ends}
    reached = {name: (seq,) if same_store and seq != ZERO else () for name, seq in far.seqs.items()}
    return Basis(
        since=since,
        carried_at=far.at if since != told else "",
        ends=ends,
        holes={
            name: tuple(hole for hole in have[name].holes if not is_reached(hole[1], reached.get(name, ())))
            for name in ends
            if name in have
        },
        missing={name: ids for name, ids in (said.missing if said else {}).items() if name in ends},
        wants={name: _wants(ledger, unit, said, name, full) for name in ends},
    )


def _newer_than_said(node: Node, ledger: Ledger, unit: str, said: Acknowledgement | None, names: Iterable[str]) -> Far:
    """Return how far links have carried these databases, without those that stand where they stood when the unit spoke
    last: it knows better what it has, a disk there may have been put back."""
    store = FarStores(node.db).of(unit) or (said.store if said is not None else "")
    if not store:
        return Far()
    far = read_far(node, store, names)
    if said is not None and said.store == store:
        marks = ledger.marks(unit)
        return replace(far, seqs={name: seq for name, seq in far.seqs.items() if marks.get(name) != seq})
    return far


def _wants(
    ledger: Ledger, unit: str, said: Acknowledgement | None, database: str, full: bool
) -> Callable[[DocId], bool]:
    if said is None or full:
        return lambda _: True
    holds = ledger.holds(unit, said.store, database)
    return lambda doc_id: not holds(doc_id)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would go: how many dossiers and documents have something new, and about how many bytes at most."""

    dossiers: int
    events: int
    files: int
    documents: int
    bytes: int

    @property
    def is_empty(self) -> bool:
        return self.documents == 0


def build_outlook(node: Node, basis: Basis) -> Outlook:
    """Count what lies between the basis and the end, by ids alone: a chunk as a small one, an event as a kilobyte. What
    large files have beyond that counts with their manifests."""
    streams: set[str] = set()
    events = files = size = documents = 0
    for name, since in basis.since.items():
        wants = basis.wants[name]
        large = node.model.queries.large_files(name, MAX_CHUNKS * CHUNK_BYTES)
        beyond = {FILE_PREFIX + manifest: _beyond_small_chunks(length) for manifest, length in large.items()}
        for rows in read_ids(node.store.open(name), since, basis.ends[name]):
            for row in rows:
                if not wants(row.id):
                    continue
                documents += 1
                stream = row.id.partition(":")[0]
                if is_dossier_stream(stream):
                    streams.add(stream)
                files += row.id.startswith(FILE_PREFIX)
                events += not name.startswith("f-")
                size += CHUNK_BYTES if row.id.startswith("sha256-") else 1024 + beyond.get(row.id, 0)
    return Outlook(len(streams), events, files, documents, size)


def _beyond_small_chunks(length: int) -> int:
    """Return how many bytes a file of large chunks has beyond those that its chunks count as."""
    return length - CHUNK_BYTES * -(-length // MAX_CHUNK_BYTES)


@dataclass(slots=True)
class Filling:
    """A bundle being filled. `until` is how far each database has gone; `documents` and `streams` count what is in."""

    node: Node
    writer: BundleWriter
    basis: Basis
    until: dict[str, Seq] = field(default_factory=dict)
    documents: int = 0
    streams: set[str] = field(default_factory=set)
    is_full: bool = False
    _sent: dict[str, set[str]] = field(default_factory=dict)
    _manifests_in: set[str] = field(default_factory=set)

    def fill(self, notes: Iterable[tuple[str, bytes]]) -> None:
        """Put everything in, in order, as far as there is room. Raises what the store and the medium raise."""
        self.until = dict(self.basis.since)
        events = [name for name in self.basis.since if not name.startswith("f-")]
        files = [name for name in self.basis.since if name.startswith("f-")]
        for name in events:
            self._whole(name, "events")
        for name, data in notes:
            self.writer.add_note(name, data)
        for name in self.basis.since:
            self._asked(name)
        for name in files:
            self._previews(name)
        for name in files:
            self._whole(name, "files")

    def _whole(self, name: str, section: str) -> None:
        """Everything of one database that did not go before, in the order of its feed."""
        sent = self._sent.get(name, set())
        skip_manifests = name in self._manifests_in
        goes = self.basis.wants[name]
        database = self.node.store.open(name)

        def wants(doc_id: DocId) -> bool:
            return doc_id not in sent and not (skip_manifests and doc_id.startswith(FILE_PREFIX)) and goes(doc_id)

        if section == "events":
            self._count_streams(database, name)
        for stretch in read_stretches(database, self.basis.since[name], self.basis.ends[name], wants):
            if not self._add(section, name, stretch):
                self._squeeze(section, name, stretch)
                return
            self.until[name] = stretch.until

    def _add(self, section: str, name: str, stretch: Stretch) -> bool:
        if not self.writer.add(section, name, stretch):
            self.is_full = True
            return False
        self.documents += len(stretch.records)
        return True

    def _squeeze(self, section: str, name: str, stretch: Stretch) -> None:
        """Put what there is room for of a stretch that does not fit whole: half of it, or half of that."""
        half = stretch.first_half()
        while half is not None and not self.writer.add(section, name, half):
            half = half.first_half()
        if half is not None:
            self.documents += len(half.records)
            self.until[name] = half.until

    def _asked(self, name: str) -> None:
        """What the destination could not read, and the chunks it misses."""
        database = self.node.store.open(name)
        for since, until in self.basis.holes.get(name, ()):
            for stretch in read_again(database, since, until):
                if not self._add("asked", name, stretch):
                    return
        ids = self.basis.missing.get(name, ())
        for stretch in _pack(database, ids):
            if not self._add("asked", name, stretch):
                return
        self._sent.setdefault(name, set()).update(ids)

    def _previews(self, name: str) -> None:
        """Manifests and chunks of small files first, in at most half of what room is left: files must get on too."""
        database = self.node.store.open(name)
        since, end = self.basis.since[name], self.basis.ends[name]
        limit = self.writer.size + self.writer.left // 2
        small: set[str] = set()
        goes = self.basis.wants[name]
        for stretch in read_stretches(database, since, end, lambda each: each.startswith(FILE_PREFIX) and goes(each)):
            if self.writer.size + stretch.size > limit or not self._add("previews", name, stretch):
                return
        self._manifests_in.add(name)
        for manifest in _manifests(database, since, end):
            if manifest.size <= PREVIEW_BYTES and len(small) < _MOST_PREVIEWS:
                small.update(manifest.chunks)
        for stretch in read_stretches(database, since, end, lambda each: each in small and goes(each)):
            if self.writer.size + stretch.size > limit or not self._add("previews", name, stretch):
                return
        self._sent.setdefault(name, set()).update(small)

    def _count_streams(self, database: Database, name: str) -> None:
        for rows in read_ids(database, self.basis.since[name], self.basis.ends[name]):
            streams = (row.id.partition(":")[0] for row in rows if self.basis.wants[name](row.id))
            self.streams.update(stream for stream in streams if is_dossier_stream(stream))


def _manifests(database: Database, since: Seq, end: Seq) -> Iterator[Manifest]:
    for rows in read_ids(database, since, end):
        for doc in read_documents(database, [row.id for row in rows if row.id.startswith(FILE_PREFIX)]):
            fields = strictjson.parse(doc.body, max_bytes=MAX_MANIFEST_BYTES, max_depth=4)
            yield parse_manifest(fields["manifest"])


def _pack(database: Database, ids: Iterable[DocId]) -> Iterator[Stretch]:
    """Yield documents by name, as stretches of no place in the feed."""
    wanted = [each for each in ids if each.startswith("sha256-")]
    for start in range(0, len(wanted), 30):
        records = tuple(pack_document(doc) for doc in read_documents(database, wanted[start : start + 30]))
        yield Stretch(records, ZERO, ZERO)
