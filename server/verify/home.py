"""Verifying a home: every file of the embedded engine, every database."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.errors import CryptoError
from crypto.hashing import parse_sha256_id
from crypto.logcert import LogSigner
from replication.errors import StoreError
from replication.store import Store
from server.dossier import units
from server.dossier.erasing import settle_erasures
from server.dossier.roles import fold_grants
from server.dossier.times import parse_time
from server.dossier.trustpolicy import parse_policy
from server.engine import open_store
from server.errors import Refused
from server.home import Engine, Home, parse_certificates, read_bounded
from server.intake.places import REGISTRY
from server.pki.generations import root_unit
from server.verify.database import DatabaseCheck
from server.verify.effort import Effort, whole_machine
from server.verify.erasure import stop_note
from server.verify.logs import check_own_log, read_log_sizes
from server.verify.report import Report

_MAX_PEM_BYTES = 64 * 1024


def verify_home(path: Path, anchors: Sequence[x509.Certificate] | None = None, effort: Effort | None = None) -> Report:
    """Return what was checked in the home at `path`. Raises `Refused` if it is no home or names no root."""
    home = Home.open(path)
    roots = list(anchors or home.anchors())
    if not roots:
        raise Refused("bad_certificate", f"{path} trusts no root yet; give one with --root")
    with closing(open_store(home)) as store:
        return verify_store(path, home.settings.engine, store, roots, effort)


def verify_store(
    path: Path, engine: Engine, store: Store, roots: Sequence[x509.Certificate], effort: Effort | None = None
) -> Report:
    """Return what was checked in a store of the home at `path`, which need not be the one it is on.

    The node may be serving it: things are looked at in the order in which one names another, names first.
    """
    report, begun = Report(), read_log_sizes(path)
    if engine.kind == "sqlite":
        _check_files(path / "store", report)
    checks: dict[str, DatabaseCheck] = {}
    effort = effort or whole_machine()
    for name in sorted(store.names(), key=_turn):
        try:
            checks[name] = DatabaseCheck(store.open(name), roots, report, place=(path, engine), effort=effort)
            checks[name].run()
        except StoreError as exc:
            report.problems.append(f"database {name} cannot be read: {exc}")
    home = Home.open(path)
    _check_receipts(home.unit, checks, report)
    _check_logs(home, begun, checks, report)
    _check_timestamps(home, checks)
    return report


def _turn(name: str) -> tuple[int, str]:
    """Return when a database has its turn: pages and receipts before the events and files that they name."""
    return (2 if name.startswith("f-") else 1 if name == REGISTRY else 0), name


def _check_receipts(unit: str, checks: Mapping[str, DatabaseCheck], report: Report) -> None:
    """What this unit's own node has signed for must be here. In a tier above, files may still be on their way."""
    events, files = checks.get(units.database_name(unit)), checks.get(units.files_database_name(unit))
    if events is None:
        return
    whole = files.whole if files is not None else set()
    for event_id in sorted(events.found.receipted & events.found.files.keys()):
        doc_id, manifests = events.found.files[event_id]
        if absent := sorted(set(manifests) - whole):
            report.problems.append(f"{doc_id}: this node signed a receipt, and {', '.join(absent)} is not here whole")


def _check_logs(home: Home, begun: Mapping[int, int], checks: Mapping[str, DatabaseCheck], report: Report) -> None:
    """Every log of which there are pages here, and the log of this home, against all events of the home."""
    events = sorted({event for check in checks.values() for event in check.found.events})
    erased = _erased(checks, report)
    known = sorted({*events, *erased}) if erased else events
    for check in checks.values():
        check.logs.check(known, home=home.unit)
    own = checks.get(units.database_name(home.unit))
    if own is not None:
        check_own_log(home.path, begun, events, erased, own.logs, _log_signer(home, own, report), report)


def _erased(checks: Mapping[str, DatabaseCheck], report: Report) -> set[bytes]:
    """Return the hashes of the events that authentic, confirmed erasures name and that are gone. One that is still here
    is a note: this node has not carried the erasure out, or a copy of the store came back. So is a proposal that was
    stopped: it accounts for nothing that is gone."""
    gone: set[bytes] = set()
    for check in checks.values():
        orders = settle_erasures(check.found.orders, fold_grants(check.found.orders))
        named = {parse_sha256_id(event): each for each in orders if each.is_ordered for event in each.events}
        for erasure in {named[event].id: named[event] for event in named.keys() & check.found.events}.values():
            report.notes.append(f"dossier {erasure.dossier} was ordered erased by {erasure.id} and is still here")
        gone |= named.keys() - check.found.events
        for stopped in (each for each in orders if each.is_stopped):
            report.checked["erasures stopped"] += 1
            report.notes.append(stop_note(stopped))
    if gone:
        report.checked["erased events"] += len(gone)
    return gone


def _check_timestamps(home: Home, checks: Mapping[str, DatabaseCheck]) -> None:
    """Every time-stamp here under the authorities of the newest policy of the root that has begun."""
    registry, author = checks.get(REGISTRY), units.node_urn(root_unit(home))
    found = [
        (parse_policy(event.body), parse_time(event.at), event_id)
        for event_id, event in (registry.found.policies if registry is not None else ())
        if event.actor == author
    ]
    begun = [each for each in found if each[0].begins <= datetime.now(UTC)]
    policy = max(begun, key=lambda each: (each[0].begins, each[1], each[2]))[0] if begun else None
    for check in checks.values():
        check.timestamps.check(policy.time_authorities if policy is not None else ())


def _log_signer(home: Home, own: DatabaseCheck, report: Report) -> LogSigner | None:
    """Return the key of the home's log, None if it has no certificate, or none that holds."""
    path = home.path / "certs" / "log.pem"
    if not path.exists():
        return None
    try:
        certificate = parse_certificates(read_bounded(path, _MAX_PEM_BYTES), str(path))[0]
        return own.proofs.verify_log_certificate(certificate.public_bytes(Encoding.DER))
    except (CryptoError, Refused, IndexError) as exc:
        report.problems.append(f"{path.name}: {exc}")
        return None


def _check_files(folder: Path, report: Report) -> None:
    """Ask SQLite about the structure of each file; what the pages hold is checked document by document."""
    for file in sorted(folder.glob("*.sqlite")):
        try:
            with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
        except sqlite3.DatabaseError as exc:
            found = [str(exc)]
        if found == ["ok"]:
            report.checked["database files"] += 1
        else:
            report.problems.append(f"{file.name}: {'; '.join(found)[:500]}")
