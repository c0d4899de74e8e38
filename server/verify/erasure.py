"""Verifying the evidence of an erasure (`server.export.erasure`): the order, who gave it, what the log says of it.

What must hold:

- nothing is there but one order, its confirmation, what stopped it, nodes' words, and the role events of those who
  signed;
- the order is confirmed by a second voice, both with the right to it at the time they claim; or it was withdrawn or
  refused by somebody with the right to that, and no node says that it erased;
- every proof in `erased/` is about a hash the order names, and holds under a head that its log signed.

That a hash the order names has no proof there is a note: the exporting node may never have held that event.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crypto.hashing import parse_sha256_id
from server.dossier import units
from server.dossier.erasing import TYPES, Erasure, settle_erasures
from server.dossier.event import Event, EventId, StoredEvent
from server.dossier.granting import ROLE_TYPES
from server.dossier.roles import fold_grants
from server.verify.exportproofs import FAULTS, check_log_proof
from server.verify.proofs import Proofs
from server.verify.report import Report

PROPOSED: Final = "erasure.proposed"


def is_erasure(events: Mapping[str, Event]) -> bool:
    """Say whether an export's events are about an erasure rather than of a dossier."""
    return any(event.type in TYPES for event in events.values())


def check_erasure(path: Path, events: Mapping[str, Event], proofs: Proofs, report: Report) -> None:
    """Check an export of an erasure. `events` are those whose signatures hold, by id."""
    orders = [event_id for event_id, event in events.items() if event.type == PROPOSED]
    if len(orders) != 1:
        report.problems.append(f"events: {len(orders)} orders of erasure that hold; the evidence is of exactly one")
        return
    unit = events[orders[0]].unit
    for event_id, event in events.items():
        if not _belongs(event, unit, orders[0]):
            report.problems.append(f"events: {event_id} ({event.type}) is no part of this erasure")
    erasure = _settle(events, orders[0], report)
    if erasure is None:
        return
    report.checked["erasures"] += 1
    if erasure.is_stopped:
        report.notes.append(stop_note(erasure))
        report.notes.append("whether a node had erased before it was stopped is not for this folder to say")
        return
    _check_hashes(path / "erased", erasure, proofs, report)
    report.notes.append(
        f"dossier {erasure.dossier}: {len(erasure.events)} events and {len(erasure.files)} files were ordered erased on"
        f" {erasure.confirmed_at}; {len(erasure.done)} nodes have signed that they did it"
    )
    if not erasure.done:
        report.notes.append("whether this order was stopped before any node had erased is not for this folder to say")
    if erasure.stop is not None:
        report.notes.append(
            f"dossier {erasure.dossier}: {erasure.stop.id} by {erasure.stop.actor} came too late to stop the erasure"
        )


def stop_note(erasure: Erasure) -> str:
    """Return what a report says of a proposal that was stopped. Whoever shows it need not have the dossier."""
    assert erasure.stop is not None
    stop, reason = erasure.stop, " ".join(erasure.stop.reason.split())
    return (
        f"dossier {erasure.dossier}: its erasure was proposed by {erasure.proposer} on {erasure.proposed_at} and"
        f" {stop.kind} by {stop.actor} on {stop.at}, so nothing is erased by it: {reason}"
    )


def _belongs(event: Event, unit: str, order: str) -> bool:
    """Role events may be of a unit above: a leader there may speak for all below."""
    if event.stream != units.unit_stream(event.unit) or not units.is_within(unit, event.unit):
        return False
    if event.type in ROLE_TYPES:
        return True
    return event.unit == unit and (event.type == PROPOSED or (event.type in TYPES and event.body["of"] == order))


def _settle(events: Mapping[str, Event], order: str, report: Report) -> Erasure | None:
    stored = [StoredEvent(EventId(event_id), event) for event_id, event in events.items()]
    found = next((each for each in settle_erasures(stored, fold_grants(stored)) if each.id == order), None)
    if found is None:
        report.problems.append(f"events: {order}: who ordered this erasure had no right to")
    elif not found.confirmed and not found.is_stopped:
        report.problems.append(f"events: {order}: nobody with the right to it has confirmed this as a second voice")
    else:
        return found
    return None


def _check_hashes(folder: Path, erasure: Erasure, proofs: Proofs, report: Report) -> None:
    named = {parse_sha256_id(event) for event in erasure.events}
    proven: set[bytes] = set()
    for file in sorted(folder.glob("*.tlogproof")):
        try:
            proven.add(check_log_proof(file, named, proofs, report))
        except FAULTS as exc:
            report.problems.append(f"erased/{file.name}: {exc}")
        else:
            report.checked["erased events"] += 1
    if absent := len(named - proven):
        report.notes.append(f"{absent} of the {len(named)} erased events have no proof of a log here")
