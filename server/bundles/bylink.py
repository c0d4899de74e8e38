"""How far links have carried databases, as both ends of a replication wrote it down: a stick need not carry that again.

    who runs the link    where it is written                                          read by
    ────────────────────────────────────────────────────────────────────────────────────────
    we, pushing          tram-state-<id>, `published`: the log over there says so     read_far
    they, pulling        _local/<id> in our database: they wrote it after their own   read_far
    either               _local/<id> in our database, of what came from their store   read_near

This chooses what to carry and nothing else: what a unit has for certain is what it signed (`acks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import orjson

from replication.document import Seq
from replication.errors import NotFound
from replication.replicator import DatabaseState, build_replication_id
from replication.replicator.checkpoint import Log, parse_log_doc, seq_number
from replication.store import ZERO, Database
from server.bundles.positions import Reached
from server.dossier import units
from server.dossier.times import format_time
from server.intake.places import REGISTRY
from server.node.assembly import Node


@dataclass(frozen=True, slots=True)
class Far:
    """Up to where links have carried databases of ours into the store `store` of a unit, and when the last of them
    said so (RFC 3339, "" if none did)."""

    store: str = ""
    seqs: Mapping[str, Seq] = field(default_factory=dict)
    at: str = ""


def sent_to(node: Node, unit: str) -> set[str]:
    """Return the databases here that go to `unit`: the shared ones, and downward the registry."""
    return node.sync.pairing.shared(unit) | ({REGISTRY} if units.is_within(unit, node.unit) else set())


def taken_from(node: Node, unit: str) -> set[str]:
    """Return the databases here that come from `unit`: the shared ones, and from above the registry."""
    return node.sync.pairing.shared(unit) | ({REGISTRY} if units.is_within(node.unit, unit) else set())


def read_far(node: Node, store: str, names: Iterable[str]) -> Far:
    """Return how far links have carried these databases of ours into the store with the uuid `store`."""
    seqs: dict[str, Seq] = {}
    times: list[str] = []
    for name in names:
        database = node.store.open(name)
        pushed, pulled = _ids(node.store.uuid, store, name)
        note, told = DatabaseState(database).load(pushed), _read_log(database, pulled)
        reached = max(note.published if note else ZERO, told.recorded_seq, key=seq_number)
        if reached != ZERO:
            seqs[name] = reached
            times += [*_end_of(told), *_end_of(_read_log(database, pushed))]
    return Far(store, seqs, max(times, default=""))


def read_near(node: Node, store: str, names: Iterable[str]) -> Reached:
    """Return up to which positions of the store with the uuid `store` links have brought these databases here."""
    found: dict[str, tuple[Seq, ...]] = {}
    for name in names:
        database = node.store.open(name)
        logs = [_read_log(database, each) for each in _ids(store, node.store.uuid, name)]
        seqs = {entry.recorded_seq for log in logs for entry in log.sessions} - {ZERO}
        if seqs:
            found[name] = tuple(sorted(seqs, key=seq_number, reverse=True))
    return found


def _ids(source: str, target: str, name: str) -> tuple[str, str]:
    """Return under which ids a database's way from one store to another is written down: pushed, pulled."""
    pushed = build_replication_id(source, name, target, name, "push")
    return pushed, build_replication_id(source, name, target, name, "pull")


def _read_log(database: Database, replication_id: str) -> Log:
    try:
        body = orjson.loads(database.get_local(replication_id).body)
    except (NotFound, orjson.JSONDecodeError):
        return Log()
    return parse_log_doc(body if isinstance(body, dict) else None)


def _end_of(log: Log) -> list[str]:
    """Return when the newest session of a log ended; nothing where there is none, or no time in it."""
    try:
        return [format_time(parsedate_to_datetime(log.sessions[0].end_time))]
    except (IndexError, ValueError, OverflowError):
        return []
