"""The process apart: `python -m server.papers.child` reads one PDF, says what its signatures are worth, and ends.

Standard input: one line of JSON {"roots": [base64 DER, …], "others": […], "at": RFC 3339}, then the PDF. Standard
output: the verdict as JSON. It opens no connection (`_forbid_network`), takes at most `MEMORY_BYTES` and `CPU_S`.
"""

from __future__ import annotations

import base64
import io
import json
import resource
import socket
import sys
from datetime import UTC, datetime
from typing import Any, NoReturn

from server.papers.verdict import PaperSignature, PaperVerdict, Status

MEMORY_BYTES = 768 * 1024 * 1024
CPU_S = 15
MAX_SIGNATURES = 16
_ORDER: tuple[Status, ...] = ("valid", "indeterminate", "invalid")
_REASONS = {
    "EXPIRED": "expired",
    "OUT_OF_BOUNDS_NO_POE": "expired",
    "OUT_OF_BOUNDS_NOT_REVOKED": "expired",
    "NOT_YET_VALID": "not_yet_valid",
    "NO_CERTIFICATE_CHAIN_FOUND": "unknown_ca",
    "REVOKED_NO_POE": "revoked",
    "REVOKED_CA_NO_POE": "revoked",
}


def main() -> int:
    """Check the PDF on standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _forbid_network()
    asked = json.loads(sys.stdin.buffer.readline())
    verdict = check(sys.stdin.buffer.read(), asked)
    json.dump(verdict.value(), sys.stdout)
    return 0


def check(pdf: bytes, asked: dict[str, Any]) -> PaperVerdict:
    """Return what the signatures of a PDF are worth."""
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader = PdfFileReader(io.BytesIO(pdf))
        embedded = reader.embedded_regular_signatures
    except (PdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return PaperVerdict("unchecked", "unreadable")
    if not embedded:
        return PaperVerdict("unsigned", "")
    if len(embedded) > MAX_SIGNATURES:
        return PaperVerdict("unchecked", "too_many")
    signatures = tuple(_signature(each, asked) for each in embedded)
    worst = max(signatures, key=lambda each: _ORDER.index(each.status))
    return PaperVerdict(worst.status, worst.reason, signatures)


def _signature(embedded: Any, asked: dict[str, Any]) -> PaperSignature:
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko.sign.validation.settings import KeyUsageConstraints

    usage = KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"})
    try:
        status = validate_pdf_signature(embedded, signer_validation_context=_context(asked), key_usage_settings=usage)
    except (SignatureValidationError, PdfError, ValueError, KeyError, TypeError):
        return PaperSignature("invalid", "broken", "", "", "", False, False)
    verdict, reason = _judge(status)
    certificate = status.signing_cert
    stamp = status.timestamp_validity
    stamped = stamp is not None and stamp.trusted
    at = stamp.timestamp if stamp is not None and stamped else status.signer_reported_dt
    return PaperSignature(
        verdict,
        reason,
        str(certificate.subject.native.get("common_name", ""))[:200],
        str(certificate.issuer.native.get("common_name", ""))[:200],
        at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "",
        stamped,
        _coverage(status) == "ENTIRE_FILE",
    )


def _coverage(status: Any) -> str:
    return status.coverage.name if status.coverage is not None else "UNCLEAR"


def _judge(status: Any) -> tuple[Status, str]:
    if not status.intact:
        return "invalid", "altered"
    if not status.valid:
        return "invalid", "broken"
    if not status.docmdp_ok or _coverage(status) in ("UNCLEAR", "CONTIGUOUS_BLOCK_FROM_START"):
        return "invalid", "changed_after"
    if status.revoked:
        return "invalid", "revoked"
    if status.trusted:
        return "valid", ""
    problem = status.trust_problem_indic
    reason = _REASONS.get(problem.name if problem else "", "untrusted")
    return ("invalid" if reason == "revoked" else "indeterminate"), reason


def _context(asked: dict[str, Any]) -> Any:
    from asn1crypto import crl, x509
    from pyhanko_certvalidator import ValidationContext

    def load(name: str, kind: Any) -> list[Any]:
        return [kind.load(base64.b64decode(each)) for each in asked.get(name, ())]

    return ValidationContext(
        trust_roots=load("roots", x509.Certificate),
        other_certs=load("others", x509.Certificate),
        crls=load("crls", crl.CertificateList),
        moment=datetime.fromisoformat(asked["at"]),
        allow_fetching=False,
    )


def _forbid_network() -> None:
    """A PDF may name places to fetch certificates and lists from. Nothing here opens a connection, whatever asks."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError("papers are checked without network")

    socket.socket.connect = refuse  # type: ignore[method-assign]  # taking it away is the purpose
    socket.getaddrinfo = refuse


if __name__ == "__main__":
    sys.exit(main())
