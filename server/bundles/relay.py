"""Bundles for others: kept closed in `relay/` of the home, and put on the next stick that goes their way.

A relay reads the envelope alone: whom it is for, when it expires, how often it may be carried on. It cannot open it and
changes nothing but the count of hops.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from replication.bundle import SUFFIX, BundleError, Envelope, PartReader, Verifier, read_envelope
from replication.bundle.envelope import FIRST_LINE_BYTES
from replication.bundle.errors import medium
from replication.bundle.writer import sync_folder
from server.bundles.ledger import Carried, Ledger
from server.dossier import units
from server.dossier.times import format_time
from server.node.assembly import Node

_LOG = logging.getLogger(__name__)
_COPY_BYTES = 1024 * 1024
_SPARE_PARTS = 4  # others' bundles take at most a quarter of what is free on this disk


def relay_folder(node: Node) -> Path:
    """Return where others' bundles are kept."""
    folder: Path = node.home.path / "relay"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def keep(node: Node, ledger: Ledger, path: Path, hops: int, envelope: Envelope, verifier: Verifier) -> str:
    """Keep a part that is for another node. Returns "" once it is stored durably, or why it is not kept.

    A damaged one is kept too, for what can be read of it, until a whole one comes. Raises `MediumError`.
    """
    now = format_time(node.clock.now())
    if envelope.expires <= now:
        return f"it expired on {envelope.expires}"
    if hops >= envelope.max_hops:
        return f"it was carried on {hops} times, and may be {envelope.max_hops} times"
    folder = relay_folder(node)
    name = f"{part_name(envelope)}.{envelope.part:03d}{SUFFIX}"
    known = any((part.id, part.part) == (envelope.id, envelope.part) for part in ledger.kept())
    if known and _is_sound(folder / name, verifier):
        return "it is here already"
    with medium(path):
        size = path.stat().st_size
    if size > shutil.disk_usage(folder).free // _SPARE_PARTS:
        return "there is not enough space on this machine to keep it for others"
    _copy(path, folder / name, None)
    ledger.keep(
        Carried(
            envelope.id,
            envelope.part,
            envelope.source,
            envelope.target,
            envelope.seq,
            envelope.expires,
            envelope.max_hops,
            hops,
            name,
            size,
            None,
        ),
        now,
    )
    return ""


def part_name(envelope: Envelope) -> str:
    """Return the name of a bundle's files, without the part: "h41-12-03_h41-12_000007-1f2e3d4c"."""
    pair = f"{units.dashed(envelope.source)}_{units.dashed(envelope.target)}"
    return f"{pair}_{envelope.seq:06d}-{envelope.id[:8]}"


def carry_on(node: Node, ledger: Ledger, unit: str, folder: Path, verifier: Verifier, limit_bytes: int) -> list[Path]:
    """Put what is kept for `unit`, or for others behind it, on the stick; returns the files.

    What has expired is dropped. Raises `MediumError`.
    """
    now = format_time(node.clock.now())
    written: list[Path] = []
    for part in _due(node, ledger, unit, now):
        target = folder / part.name
        if target.exists() or part.bytes > limit_bytes:
            continue
        kept = relay_folder(node) / part.name
        try:
            read_envelope(kept, verifier)
        except BundleError as exc:
            _LOG.warning("%s, kept for %s, is no longer good: %s", part.name, part.target, exc)
            continue
        _copy(kept, target, part.hops + 1)
        limit_bytes -= part.bytes
        ledger.carried_on(part, now)
        written.append(target)
    return written


def _due(node: Node, ledger: Ledger, unit: str, now: str) -> Iterator[Carried]:
    for part in ledger.kept():
        if part.expires <= now:
            (relay_folder(node) / part.name).unlink(missing_ok=True)
            ledger.drop(part)
        elif is_on_the_way(node.unit, unit, part.target):
            yield part


def is_on_the_way(ours: str, stop: str, target: str) -> bool:
    """Say whether a stick that goes from `ours` to `stop` brings a bundle nearer to `target`."""
    if target == stop:
        return True
    if units.is_within(stop, ours):  # downward: to whoever lies below the stop
        return units.is_within(target, stop)
    return not units.is_within(target, ours)  # upward: to everybody who does not lie below us


def _is_sound(path: Path, verifier: Verifier) -> bool:
    """Say whether everything that can be seen of a closed part from outside is as it was written."""
    try:
        with PartReader(path, verifier, None) as reader:
            return not reader.faults and not any(reader.outline())
    except BundleError:
        return False


def _copy(source: Path, target: Path, hops: int | None) -> None:
    """Copy a part durably, with another count of hops if one is given. Raises `MediumError`; nothing half is left."""
    beside = target.with_name(target.name + ".part")
    try:
        with medium(target), beside.open("wb") as writing:
            for number, data in enumerate(_pieces(source)):
                if number == 0 and hops is not None:
                    writing.write(b"tram-bundle/1 hops=%02d\n" % hops)
                    writing.write(data[FIRST_LINE_BYTES:])
                else:
                    writing.write(data)
            writing.flush()
            os.fsync(writing.fileno())
            beside.replace(target)
            sync_folder(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that brought us here is the one to be told
            beside.unlink()
        raise


def _pieces(source: Path) -> Iterator[bytes]:
    with medium(source), source.open("rb") as reading:
        while data := reading.read(_COPY_BYTES):
            yield data
