"""`export_bundle`: what a unit does not have yet, by stick or link, sealed, onto a stick."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from replication.bundle import Acknowledgement, BundleWriter, Envelope, PartFile, Sealer
from replication.bundle.errors import MediumError
from replication.bundle.writer import PART_BYTES, Plan
from replication.document import Seq
from replication.replicator.checkpoint import seq_number
from server.bundles import acks, content, extras, introduction, keys, media, relay
from server.bundles.content import Basis, Outlook
from server.bundles.ledger import Ledger, Written
from server.bundles.trust import NodeTokens, TreeVerifier
from server.dossier.times import format_time
from server.errors import Refused
from server.intake.places import REGISTRY
from server.lock import one_at_a_time
from server.node.assembly import Node

LIFE = timedelta(days=180)  # a season of snow or floods; what is older is asked for anew
GENERATIONS = 2  # bundles to one unit that stay on a stick whatever is acknowledged
LEAST_BYTES = 256 * 1024
LOCK = "bundle.lock"
OnProgress = Callable[[int, int], None]  # bytes written, bytes expected (an estimate)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was put on the stick. `parts` is empty if the unit has everything. `is_whole` says that everything new
    is in; else the stick was too small. `relayed` are others' bundles put beside, `removed` older ones of ours."""

    unit: str
    bundle: str
    seq: int
    parts: tuple[PartFile, ...]
    documents: int
    dossiers: int
    is_whole: bool
    since: str
    relayed: tuple[Path, ...]
    removed: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        return sum(part.size for part in self.parts)


@dataclass(frozen=True, slots=True)
class Preview:
    """What an export would put on a stick: how much, since when, and the room there is (None without a stick)."""

    unit: str
    outlook: Outlook
    is_full: bool
    since: str
    free: int | None
    has_recipient: bool


def preview_export(node: Node, *, to: str, path: Path | None = None, full: bool = False) -> Preview:
    """Return what `export_bundle` would do; nothing is written. Raises `Refused`."""
    ledger = Ledger(node.db, node.store.uuid)
    names = content.shared_databases(node, to)
    basis = content.build_basis(node, ledger, to, names, full=full)
    try:
        keys.recipient_of(node, to)
        known = True
    except Refused:
        known = False
    return Preview(
        to,
        content.build_outlook(node, basis),
        _is_from_zero(basis),
        _since(ledger, to, basis),
        media.free_bytes(path) if path is not None else None,
        known,
    )


def export_bundle(
    node: Node,
    *,
    to: str,
    path: Path,
    max_bytes: int | None = None,
    part_bytes: int = PART_BYTES,
    full: bool = False,
    on_progress: OnProgress = lambda _done, _expected: None,
) -> Exported:
    """Write what the node of unit `to` has not acknowledged onto the stick mounted at `path`, and read it back.

    At most `max_bytes`, and never more than is free; files of at most `part_bytes`. `full` begins from the beginning.
    Puts this node's introduction and what is kept for others on the way beside it, and takes away older bundles that
    this one or an acknowledgement makes superfluous, except the newest two. One at a time: the desk and a command wait
    for one another.

    Raises `Refused` ("not_related", "no_recipient", "no_medium", "stick_full"), `MediumError`, `StoreError`.
    """
    with one_at_a_time(node.home.path / LOCK):
        return _export(node, to, path, max_bytes, part_bytes, full, on_progress)


def _export(
    node: Node, to: str, path: Path, max_bytes: int | None, part_bytes: int, full: bool, on_progress: OnProgress
) -> Exported:
    ledger = Ledger(node.db, node.store.uuid)
    names = content.shared_databases(node, to)
    folder = media.open_folder(path)
    media.remove_halves(folder, node.unit)
    own = keys.ensure_published(node)
    introduction.write_introduction(node, folder)
    sealer = Sealer([keys.recipient_of(node, to), own.recipient, *keys.recovery_recipients(node)])
    verifier = tree_verifier(node)
    limit = min(media.free_bytes(path), max_bytes if max_bytes is not None else 1 << 62)
    relayed = relay.carry_on(node, ledger, to, folder, verifier, limit)
    limit -= sum(each.stat().st_size for each in relayed)
    basis = content.build_basis(node, ledger, to, names, full=full)
    said = acks.build_acknowledgement(node, ledger, to)
    since = _since(ledger, to, basis)
    outlook = content.build_outlook(node, basis)
    if outlook.is_empty and not basis.is_asked and not ledger.has_news(to) and not full:
        return Exported(to, "", 0, (), 0, 0, True, since, tuple(relayed), ())
    if limit < LEAST_BYTES:
        raise Refused(
            "stick_full", f"{path} has no room for a bundle; delete what is not needed, or take another stick"
        )
    plan = _plan(node, ledger, to, basis, said)
    expected = min(outlook.bytes, limit)
    writer = BundleWriter(
        folder,
        relay.part_name(plan.envelope),
        plan,
        signer=node_tokens(node),
        sealer=sealer,
        limit_bytes=limit,
        part_bytes=part_bytes,
        on_bytes=lambda done: on_progress(done, max(done, expected)),
    )
    ledger.begin(plan.envelope, plan.previous, relay.part_name(plan.envelope))
    filling = content.Filling(node, writer, basis)
    try:
        with writer:
            filling.fill(extras.collect(node, to))
            parts = writer.finish(filling.until)
    except BaseException:
        ledger.fail(plan.envelope.id)
        raise
    ledger.finish(
        plan.envelope.id,
        parts=len(parts),
        size=writer.size,
        documents=filling.documents,
        dossiers=len(filling.streams),
        until=filling.until,
    )
    ledger.told(to, said.at)
    on_progress(writer.size, writer.size)
    removed = _tidy(ledger, to, folder, filling.until)
    return Exported(
        to,
        plan.envelope.id,
        plan.envelope.seq,
        tuple(parts),
        filling.documents,
        len(filling.streams),
        not filling.is_full,
        since,
        tuple(relayed),
        tuple(removed),
    )


def node_tokens(node: Node) -> NodeTokens:
    """Return this node's signature for bundles."""
    return NodeTokens(node.home.node_key(), node.signer.certificate, node.home.chain())


def tree_verifier(node: Node) -> TreeVerifier:
    """Return who is believed at this node, now."""
    crls = [node.directory.crls(name) for name in (REGISTRY, node.database)]
    return TreeVerifier(node.directory.anchors, crls, node.clock.now())


def _plan(node: Node, ledger: Ledger, to: str, basis: Basis, said: Acknowledgement) -> Plan:
    now = node.clock.now()
    newest = ledger.written(to, limit=1)
    envelope = Envelope(
        id=secrets.token_hex(16),
        part=1,
        source=node.unit,
        target=to,
        seq=ledger.next_seq(to),
        created=format_time(now),
        expires=format_time(now + LIFE),
    )
    return Plan(envelope, node.store.uuid, newest[0].id if newest else "", basis.since, said)


def _is_from_zero(basis: Basis) -> bool:
    return all(seq_number(seq) == 0 for seq in basis.since.values())


def _since(ledger: Ledger, unit: str, basis: Basis) -> str:
    """Return when the last bundle that `unit` acknowledged was written, or until when a link carried what this one
    leaves out if that is later; "" if there is neither."""
    written = next((each.created for each in ledger.written(unit, limit=1000) if each.acknowledged), "")
    return max(written, basis.carried_at)


def _tidy(ledger: Ledger, unit: str, folder: Path, until: Mapping[str, Seq]) -> list[Path]:
    """Take older bundles to `unit` off the stick that are acknowledged, or hold nothing that the new one lacks."""
    removed: list[Path] = []
    on_stick = [each for each in ledger.written(unit, limit=1000) if list(folder.glob(f"{each.name}.*"))]
    for old in on_stick[GENERATIONS:]:
        if old.acknowledged or _is_superseded(old, until):
            for path in sorted(folder.glob(f"{old.name}.*")):
                try:
                    path.unlink()
                except OSError as exc:
                    raise MediumError("failed", f"{path}: {exc.strerror}") from exc
                removed.append(path)
    return removed


def _is_superseded(old: Written, until: Mapping[str, Seq]) -> bool:
    """Say whether a bundle goes no further than a newer one in any database. Both begin where the unit acknowledged."""
    return all(name in until and seq_number(Seq(seq)) <= seq_number(until[name]) for name, seq in old.until.items())
