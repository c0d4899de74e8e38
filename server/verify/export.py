"""Verifying an export: a folder that has to prove itself to somebody who has nothing else (`server.export.folder`)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from crypto import base64url, strictjson
from crypto.algorithms import der_from_raw
from crypto.certificates import certificate_to_pem
from crypto.errors import CryptoError
from crypto.event import SignedEvent, parse_signed_event
from server.dossier.event import Event, parse_event
from server.errors import Refused, ServerError
from server.home import parse_certificates, read_bounded
from server.verify.erasure import check_erasure, is_erasure
from server.verify.exportproofs import check_export_proofs
from server.verify.proofs import Proofs
from server.verify.report import Report

_MAX_ROOT_BYTES = 64 * 1024
_MAX_JWS_BYTES = 256 * 1024
_MAX_CRL_BYTES = 4 * 1024 * 1024
_SIGNATURE_BYTES = 64  # ES256: r ‖ s (RFC 7518 §3.4)
_MAX_FILE_BYTES = 32 * 1024 * 1024
_MAX_SUMS_BYTES = 16 * 1024 * 1024  # some 1.8 KB for each event, with its signature and proofs
# What damaged bytes make the parsers below raise. ValueError covers JSON, base64 and UTF-8.
_FAULTS = (CryptoError, ServerError, KeyError, TypeError, AttributeError, ValueError)


def verify_export(path: Path, anchors: Sequence[x509.Certificate] | None = None) -> Report:
    """Return what was checked in the export at `path`. Raises `Refused` if it names no root."""
    root = path / "root.pem"
    roots = list(anchors or parse_certificates(read_bounded(root, _MAX_ROOT_BYTES), str(root)))
    report, proofs = Report(), Proofs(roots)
    found = _read_events(path / "events", report)
    _verify_certificates(found, proofs, report)
    _verify_crls(path / "crls", proofs, report)
    events = _verify_events(found, proofs, report)
    if is_erasure(events):
        check_erasure(path, events, proofs, report)
    else:
        _check_streams(events, report)
    _check_files(path / "files", events, report)
    _check_copies(path, found, report)
    by_number = {name.partition("-")[0]: signed for name, (signed, _) in found.items()}
    check_export_proofs(path, by_number, _etsi(path / "events"), proofs, report)
    _check_sums(path, report)
    return report


def _read_events(folder: Path, report: Report) -> dict[str, tuple[SignedEvent, list[bytes]]]:
    """Return (signed event, certificates of `x5c` as DER) of each file, by its name."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        try:
            found[file.name] = _parse_jws(read_bounded(file, _MAX_JWS_BYTES))
        except _FAULTS as exc:
            report.problems.append(f"events/{file.name}: {exc}")
    return found


def _parse_jws(data: bytes) -> tuple[SignedEvent, list[bytes]]:
    """Return what one flattened JWS (RFC 7515 §7.2.2) holds; nothing is verified yet."""
    fields = strictjson.parse(data, max_bytes=_MAX_JWS_BYTES, max_depth=6)
    header = fields["header"]
    chain = [base64.b64decode(each, validate=True) for each in header["x5c"]]
    payload = base64url.decode(fields["payload"])
    unprotected = {name: value for name, value in header.items() if name != "x5c"}
    entry = {"protected": fields["protected"], "signature": fields["signature"], "header": unprotected}
    event = strictjson.parse(payload, max_bytes=_MAX_JWS_BYTES)
    signed = parse_signed_event({"event": event, "signatures": [entry]})
    if signed.payload != payload:
        raise Refused("malformed", "the payload is not in canonical form (RFC 8785)")
    return signed, chain


def _etsi(folder: Path) -> dict[str, list[str]]:
    """Return the elements of `etsiU` of each JWS that can be read, by its number."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        try:
            fields = strictjson.parse(read_bounded(file, _MAX_JWS_BYTES), max_bytes=_MAX_JWS_BYTES, max_depth=6)
            found[file.name.partition("-")[0]] = list(fields["header"].get("etsiU", []))
        except _FAULTS:  # `_read_events` has named it
            continue
    return found


def _verify_certificates(found: dict[str, tuple[SignedEvent, list[bytes]]], proofs: Proofs, report: Report) -> None:
    taken: dict[str, tuple[str, bytes]] = {}
    for name, (_, chain) in found.items():
        for der in chain:
            try:
                taken[proofs.take_certificate(der)] = (name, der)
            except _FAULTS as exc:
                report.problems.append(f"events/{name}: x5c: {exc}")
    for fingerprint, (name, der) in taken.items():
        try:
            proofs.verify_certificate(der)
        except _FAULTS as exc:
            report.problems.append(f"events/{name}: certificate {fingerprint}: {exc}")
        else:
            report.checked["certificates"] += 1


def _verify_crls(folder: Path, proofs: Proofs, report: Report) -> None:
    for file in sorted(folder.glob("*")):
        try:
            proofs.verify_crl(read_bounded(file, _MAX_CRL_BYTES))
        except _FAULTS as exc:
            report.problems.append(f"crls/{file.name}: {exc}")
        else:
            report.checked["revocation lists"] += 1


def _verify_events(
    found: dict[str, tuple[SignedEvent, list[bytes]]], proofs: Proofs, report: Report
) -> dict[str, Event]:
    """Return the events that hold, by id."""
    events: dict[str, Event] = {}
    for name, (signed, _) in found.items():
        try:
            event = parse_event(signed.event)
            proofs.verify_event(signed)
        except _FAULTS as exc:
            report.problems.append(f"events/{name}: {exc}")
            continue
        events[signed.id] = event
        report.checked["events"] += 1
    return events


def _check_streams(events: dict[str, Event], report: Report) -> None:
    """All events belong to one dossier, and what they build on is here."""
    streams = {event.stream for event in events.values()}
    if len(streams) > 1:
        report.problems.append(f"events of {len(streams)} dossiers in one export")
    absent = {prev for event in events.values() for prev in event.prev} - events.keys()
    report.problems += [f"events: {each} is missing, others build on it" for each in sorted(absent)]


def _check_files(folder: Path, events: dict[str, Event], report: Report) -> None:
    """Every file an event names is here under its hash, with the size the event says, and nothing else is."""
    held = {file.name.partition(".")[0]: file for file in sorted(folder.glob("*"))}
    named = {ref.sha256: ref for event in events.values() for ref in event.files}
    for name, ref in sorted(named.items()):
        file = held.pop(name, None)
        if file is None:
            report.problems.append(f"files/{name} is missing: {ref.name}")
            continue
        data = read_bounded(file, _MAX_FILE_BYTES)
        if "sha256-" + base64url.encode(sha256(data).digest()) != name or len(data) != ref.size:
            report.problems.append(f"files/{file.name}: its {len(data)} bytes are not the file the event names")
            continue
        report.checked["whole files"] += 1
    report.problems += [f"files/{file.name} belongs to no event here" for file in held.values()]


def _check_copies(path: Path, found: dict[str, tuple[SignedEvent, list[bytes]]], report: Report) -> None:
    """What openssl is given to read is what the events say (`server.export.evidence`)."""
    if not (path / "signatures").exists():  # exports made before it was there
        return
    for name, (signed, chain) in found.items():
        if len(signed.signature) != _SIGNATURE_BYTES:  # it has no DER form; `_verify_events` has named the event
            continue
        stem = path / "signatures" / name.partition("-")[0]
        try:
            pem = "".join(certificate_to_pem(x509.load_der_x509_certificate(each)) for each in chain)
        except ValueError:  # `_verify_certificates` has named the one that cannot be read
            continue
        copies = {
            path / "events" / f"{Path(name).stem}.txt": signed.payload,
            stem.with_suffix(".txt"): signed.signing_input,
            stem.with_suffix(".sig"): der_from_raw(signed.signature),
            stem.with_suffix(".pem"): pem.encode("ascii"),
        }
        for copy, expected in copies.items():
            if not copy.exists() or read_bounded(copy, _MAX_JWS_BYTES) != expected:
                report.problems.append(f"{copy.relative_to(path).as_posix()} is not what events/{name} says")


def _check_sums(path: Path, report: Report) -> None:
    """Everything else in the folder (what openssl reads, README, proofs) is as it was written."""
    sums = path / "SHA256SUMS"
    if not sums.exists():  # exports made before there was one
        return
    listed = {}
    for line in read_bounded(sums, _MAX_SUMS_BYTES).decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    here = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    for name in sorted(listed.keys() - here.keys()):
        report.problems.append(f"{name} is listed in SHA256SUMS and missing")
    for name, file in here.items():
        if name == "SHA256SUMS":
            continue
        if name not in listed:
            report.problems.append(f"{name} is not listed in SHA256SUMS")
        elif sha256(read_bounded(file, _MAX_FILE_BYTES)).hexdigest() != listed[name]:
            report.problems.append(f"{name} was changed since the export")
