"""Verifying the further proofs of an export: the log's, and time-stamps."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from crypto import base64url, strictjson
from crypto.errors import CryptoError, Malformed
from crypto.event import SignedEvent
from crypto.hashing import parse_sha256_id
from crypto.logcert import LogSigner, parse_log_origin
from crypto.note import verify_note
from server.dossier.trustpolicy import Span, TimeAuthority
from server.dossier.units import is_within
from server.errors import Refused, ServerError
from server.export.logproofs import MAX_PROOF_CHARS, build_files, parse_proof, signers_of
from server.home import parse_certificates, read_bounded
from server.timestamps.token import build_imprint, build_response, parse_token, verify_token
from server.verify.proofs import Proofs
from server.verify.report import Report

_MAX_BYTES = 64 * 1024
FAULTS = (CryptoError, ServerError, OSError, KeyError, IndexError, TypeError, ValueError)


def check_export_proofs(
    path: Path, events: Mapping[str, SignedEvent], etsi: Mapping[str, list[str]], proofs: Proofs, report: Report
) -> None:
    """Check `log/` and `timestamps/` of an export against its events, which are given by number ("01").

    `etsi` are the elements of `etsiU` of each; every token in them has to be the one in `timestamps/`.
    """
    for file in sorted((path / "log").glob("*.tlogproof")):
        try:
            check_log_proof(file, {parse_sha256_id(events[file.stem].id)}, proofs, report)
        except FAULTS as exc:
            report.problems.append(f"log/{file.name}: {exc}")
    numbers = {file.stem for file in (path / "timestamps").glob("*.tsr")} | {n for n, found in etsi.items() if found}
    for number in sorted(numbers):
        try:
            _check_timestamp(path / "timestamps" / number, events[number], etsi.get(number, []))
        except FAULTS as exc:
            report.problems.append(f"timestamps/{number}: {exc}")
        else:
            report.checked["time-stamps"] += 1
    if numbers:
        report.notes.append("time-stamps were checked under the authorities that the export itself brings")


def check_log_proof(file: Path, events: Set[bytes], proofs: Proofs, report: Report) -> bytes:
    """Return which of `events` (hashes) a proof is about, once it and what lies beside it for openssl are checked.

    Raises one of `FAULTS`.
    """
    proof = parse_proof(read_bounded(file, MAX_PROOF_CHARS).decode("utf-8"))
    if proof.leaf.event not in events:
        raise Refused("bad_hash", "the proof is about another event")
    log = _log_signer(file.with_suffix(".pem"), proofs)
    origin = proof.checkpoint.origin
    verify_note(proof.note, [log.log_key(parse_log_origin(origin)[1])])
    _check_copies(file, build_files(proof, "log", origin))
    report.checked["log proofs"] += 1
    if not file.with_suffix(".witness").exists():
        return proof.leaf.event
    witness = _log_signer(file.with_suffix(".witness-pem"), proofs)
    key = witness.witness_key()
    if key.name not in signers_of(proof)[1:] or not is_within(log.unit, witness.unit) or log.unit == witness.unit:
        raise Refused("bad_signature", f"{witness.unit} is no witness of this head")
    verify_note(proof.note, [key])
    _check_copies(file, build_files(proof, "witness", key.name))
    report.checked["cosignatures"] += 1
    return proof.leaf.event


def _log_signer(pem: Path, proofs: Proofs) -> LogSigner:
    """Return the log key of the first certificate in a file, proven; those behind it help to prove it."""
    chain = parse_certificates(read_bounded(pem, _MAX_BYTES), str(pem))
    ders = [each.public_bytes(Encoding.DER) for each in chain]
    for der in ders[1:]:
        proofs.take_certificate(der)
    return proofs.verify_log_certificate(ders[0])


def _check_copies(file: Path, copies: Mapping[str, bytes]) -> None:
    for ending, expected in copies.items():
        if read_bounded(file.with_suffix(f".{ending}"), _MAX_BYTES) != expected:
            raise Refused("bad_hash", f"{file.stem}.{ending} is not what the proof says")


def _check_timestamp(stem: Path, signed: SignedEvent, etsi: list[str]) -> None:
    """Raise unless the token stamps this signature, under the certificates beside it, and JWS and files agree."""
    if len(etsi) != 1:
        raise Malformed(f"one sigTst is expected in the JWS, there are {len(etsi)}")
    element = strictjson.parse(base64url.decode(etsi[0]), max_bytes=_MAX_BYTES, max_depth=6)
    [only] = element["sigTst"]["tstTokens"]
    token = parse_token(base64.b64decode(only["val"], validate=True))
    if token.imprint != build_imprint(signed.signature):
        raise Refused("bad_hash", "the token is about another signature")
    root, *chain = parse_certificates(read_bounded(stem.with_suffix(".pem"), _MAX_BYTES), f"{stem.name}.pem")
    always = Span(datetime.min.replace(tzinfo=UTC), None)
    verify_token(token, [TimeAuthority(root.subject.rfc4514_string(), root, tuple(chain), always)])
    text = base64url.encode(signed.signature).encode("ascii")
    _check_copies(stem.with_suffix(".tsr"), {"tsr": build_response(token.der), "txt": text})
