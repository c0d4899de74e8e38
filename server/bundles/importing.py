"""`import_bundle`: what is on a stick for this node, through the one door, frame by frame.

    introductions    nodes that lie beside their bundles make themselves known
    ours             opened; each frame admitted and noted durably, so that pulling the stick out costs one frame
    from us          taken back if the store is another than the one that wrote it: a disk that was lost
    for others       kept closed in `relay/`

What cannot be read is named, and asked for again in the next acknowledgement. Nothing on the stick is changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from replication.bundle import (
    BadBundle,
    BundleError,
    Envelope,
    FrameContent,
    MediumError,
    Opener,
    PartReader,
    read_envelope,
)
from replication.bundle.envelope import Verifier
from replication.bundle.manifest import FrameEntry, Manifest
from replication.bundle.reader import Slot
from replication.document import Seq
from replication.errors import StorageFull, StoreError, Unavailable
from replication.replicator.checkpoint import seq_number
from server.bundles import acks, bylink, content, extras, introduction, keys, media, relay
from server.bundles.exporting import tree_verifier
from server.bundles.ledger import Held, Ledger
from server.bundles.taken import Stretch
from server.dossier.times import format_time
from server.errors import Refused
from server.intake.source import Source
from server.node.assembly import Node

_LOG = logging.getLogger(__name__)
_NAMED = 20  # frames of one file, documents of one stick; the rest is counted
OnProgress = Callable[[int, int], None]  # bytes gone through, bytes in all


@dataclass
class Imported:
    """What became of a stick.

    `stored` documents are here now; `refused` ones were not taken (they are in quarantine); `damaged` frames could
    not be read. `problems` say what is wrong, `notes` what else there is to know. `whole` are ids of bundles that are
    in whole now, `relayed` parts kept for others, `introduced` units that made themselves known, `acknowledged` how
    many bundles of ours are confirmed by what came, `skipped` parts that were not for reading.
    """

    stored: int = 0
    refused: int = 0
    damaged: int = 0
    parts: int = 0
    skipped: int = 0
    acknowledged: int = 0
    whole: list[str] = field(default_factory=list)
    relayed: list[str] = field(default_factory=list)
    introduced: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything that was for us could be read and taken."""
        return not self.problems and not self.refused


def import_bundle(
    node: Node, path: Path, *, on_progress: OnProgress = lambda _done, _total: None, force: bool = False
) -> Imported:
    """Take in what the file or stick at `path` has for this node, and return what became of it.

    May be repeated and interrupted at will: what was stored is not gone through again. `force` also takes back our own
    bundles that the present store wrote. Raises `Refused("no_medium")`, `MediumError` when the stick goes away,
    `StorageFull`; everything before that is kept.
    """
    found = Imported()
    ledger = Ledger(node.db, node.store.uuid)
    for each in media.introductions_at(path):
        _introduce(node, each, found)
    files = media.bundles_at(path)
    if not files and not found.introduced:
        found.notes.append(f"there are no bundles in {path}")
    work = Import(
        node, ledger, found, tree_verifier(node), on_progress, force, sum(each.stat().st_size for each in files)
    )
    for file in _in_order(files, work.verifier):
        work.take(file)
    node.model.follower.catch_up()
    return found


def _introduce(node: Node, path: Path, found: Imported) -> None:
    try:
        introduced = introduction.take_introduction(node, path)
    except Refused as exc:
        found.notes.append(f"{path.name}: {exc.reason}")
        return
    if introduced.is_new:
        found.introduced.append(introduced.unit)


def _in_order(files: Sequence[Path], verifier: Verifier) -> list[Path]:
    """Return files by source, number and part, as far as their envelopes can be read; names say nothing."""

    def place(path: Path) -> tuple[str, int, int]:
        try:
            _, envelope = read_envelope(path, verifier)
        except BundleError:
            return ("~", 0, 0)  # the manifest inside may say more; last
        return (envelope.source, envelope.seq, envelope.part)

    return sorted(files, key=place)


class Import:
    """One stick being gone through."""

    def __init__(
        self,
        node: Node,
        ledger: Ledger,
        found: Imported,
        verifier: Verifier,
        on_progress: OnProgress,
        force: bool,
        total_bytes: int,
    ) -> None:
        self.verifier = verifier
        self._node = node
        self._ledger = ledger
        self._found = found
        self._on_progress = on_progress
        self._force = force
        self._total = total_bytes
        self._before = 0
        self._opener = Opener([keys.own_key(node.home.path)])

    def take(self, path: Path) -> None:
        """Do with one file what its envelope asks for."""
        try:
            self._take(path)
        except MediumError:
            raise
        except BundleError as exc:
            self._found.problems.append(f"{path.name}: {exc}")
        self._before += path.stat().st_size if path.exists() else 0
        self._on_progress(self._before, self._total)

    def _take(self, path: Path) -> None:
        with PartReader(path, self.verifier, self._opener) as reader:
            envelope = reader.envelope
            if envelope.target != self._node.unit and envelope.source != self._node.unit:
                self._relay(path, reader.hops, envelope)
                return
            if reason := self._why_not(reader):
                self._found.skipped += 1
                self._found.notes.append(f"{path.name}: {reason}")
                return
            self._found.problems += [f"{path.name}: {fault}" for fault in reader.faults[:_NAMED]]
            self._read(path, reader)

    def _relay(self, path: Path, hops: int, envelope: Envelope) -> None:
        reason = relay.keep(self._node, self._ledger, path, hops, envelope, self.verifier)
        if reason:
            self._found.notes.append(f"{path.name} is for {envelope.target}: {reason}")
        else:
            self._found.relayed.append(f"{path.name} → {envelope.target}")

    def _why_not(self, reader: PartReader) -> str:
        """Return why a part is left alone, "" if it is to be read."""
        envelope, manifest = reader.envelope, reader.manifest
        now = format_time(self._node.clock.now())
        if self._ledger.is_taken(envelope.id, envelope.part) and not self._force:
            return "it was taken in before"
        if envelope.source == self._node.unit:
            if manifest is not None and manifest.store == self._node.store.uuid and not self._force:
                return f"this node wrote it for {envelope.target}, and has everything that is in it"
            return ""
        if envelope.expires <= now:
            return f"it expired on {envelope.expires}; ask {envelope.source} for a new one"
        highest = self._ledger.highest_seq(envelope.source, envelope.id)
        if envelope.seq <= highest:
            self._found.notes.append(
                f"number {envelope.seq} from {envelope.source} comes after number {highest}: an older one, no harm done"
            )
        return ""

    # Frames

    def _read(self, path: Path, reader: PartReader) -> None:
        envelope, manifest = reader.envelope, reader.manifest
        self._found.parts += 1
        self._hear(reader)
        done = self._ledger.done_frames(envelope.id, envelope.part)
        damaged: list[FrameEntry] = []
        refused, unread = 0, 0
        for slot in reader.slots():
            if slot.index in done:
                continue
            try:
                frame = reader.read(slot)
                refused += self._admit(reader, slot, frame)
            except BundleError as exc:
                if isinstance(exc, MediumError) and not reader.answers():
                    raise  # it was pulled out; a bad sector costs no more than other damage
                unread += 1
                if unread <= _NAMED:
                    self._complain(path, slot, exc)
                if slot.entry is not None:
                    damaged.append(slot.entry)
            self._on_progress(self._before + slot.offset, self._total)
        self._found.damaged += unread
        if unread > _NAMED:
            self._found.problems.append(f"{path.name}: and {unread - _NAMED} more frames")
        if manifest is None:
            self._found.problems.append(
                f"{path.name}: without its manifest nobody can say it is whole; {envelope.source} will send it again"
            )
            return
        self._finish(reader, damaged, refused)

    def _finish(self, reader: PartReader, damaged: Sequence[FrameEntry], refused: int) -> None:
        envelope, manifest = reader.envelope, reader.manifest
        assert manifest is not None  # `_read` returned before
        is_whole = self._ledger.part_done(
            envelope,
            store=manifest.store,
            is_last=manifest.is_last,
            basis=manifest.basis,
            until=manifest.until,
            taken=format_time(self._node.clock.now()),
            damaged=damaged,
            filled=_filled(manifest, damaged),
            refused=refused,
            is_news=bool(manifest.frames),
            carried=bylink.read_near(self._node, manifest.store, bylink.taken_from(self._node, envelope.source)),
        )
        if is_whole:
            self._found.whole.append(envelope.id)

    def _hear(self, reader: PartReader) -> None:
        """Believe what the manifest says its source has of ours."""
        manifest = reader.manifest
        if manifest is None or manifest.acknowledgement is None or reader.envelope.target != self._node.unit:
            return
        self._found.acknowledged += acks.hear(
            self._node, self._ledger, reader.envelope.source, manifest.acknowledgement
        )

    def _admit(self, reader: PartReader, slot: Slot, frame: FrameContent) -> int:
        """Take a frame's documents in and note it as done, durably. Returns how many were refused."""
        envelope = reader.envelope
        for name, data in frame.notes:
            complaint = extras.deliver(self._node, envelope.source, name, data)
            if complaint:
                self._found.notes.append(complaint)
        refused, held = 0, None
        if frame.docs:
            refused, held = self._store(reader, frame)
        if slot.entry is not None:
            # Only a frame the signed manifest lists: anybody can seal another one to us and give it this place.
            self._ledger.frame_done(envelope.id, envelope.part, slot.index, held)
        return refused

    def _store(self, reader: PartReader, frame: FrameContent) -> tuple[int, Held | None]:
        envelope = reader.envelope
        if not self._may_fill(envelope, frame.database):
            raise BadBundle(f"{frame.database} is none of the databases that {envelope.source} and this node share")
        database = self._node.copier.ensure_database(frame.database)
        source = Source("bundle", f"{envelope.source}:{envelope.id}")
        results = self._node.intake.admit(frame.database, frame.docs, source=source)
        for result in results:
            if isinstance(result.error, StorageFull | Unavailable) or (result.error and result.error.status >= 500):
                raise result.error  # not the document's fault: the frame is not done, and comes again
        refusals = [result for result in results if result.error is not None]
        named = max(0, _NAMED - self._found.refused)
        self._found.notes += [f"refused {each.id}: {_reason(each.error)}" for each in refusals[:named]]
        self._found.stored += len(results) - len(refusals)
        self._found.refused += len(refusals)
        manifest = reader.manifest
        if manifest is None or envelope.source == self._node.unit:
            return len(refusals), None
        ids = [result.id for result in results if result.error is None]
        number = seq_number(Seq(database.info().update_seq))
        return len(refusals), Held(envelope.source, manifest.store, frame.database, ids, number)

    def _may_fill(self, envelope: Envelope, database: str) -> bool:
        if envelope.source != self._node.unit:
            return content.may_fill(self._node, envelope.source, database)
        return content.may_fill(self._node, envelope.target, database) or database in content.shared_databases(
            self._node, envelope.target
        )

    def _complain(self, path: Path, slot: Slot, exc: BundleError) -> None:
        entry = slot.entry
        what = f" ({entry.count} documents of {entry.database}, {entry.section})" if entry else ""
        _LOG.warning("%s: frame %s%s: %s", path.name, slot.index, what, exc)
        complaint = f"{path.name}: frame {slot.index}{what}: {exc}"
        self._found.problems.append(complaint)


def _filled(manifest: Manifest, damaged: Sequence[FrameEntry]) -> list[Stretch]:
    """Return the stretches of which the frames that could be read hold everything. Previews and files choose from the
    same stretch: neither makes up for the other."""
    return [
        (frame.database, frame.since, frame.until)
        for frame in manifest.frames
        if frame.section in ("events", "asked") and frame not in damaged
    ]


def _reason(error: StoreError | None) -> str:
    return error.reason if error else ""
