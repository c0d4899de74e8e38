"""The independent verifier: reads what is stored, believes a root certificate only, names what does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from server.verify.home import verify_home
from server.verify.report import Fault, Report

__all__ = ["Fault", "Report", "verify_path"]


def verify_path(path: Path, *, roots: Sequence[x509.Certificate] = (), now: datetime | None = None) -> Report:
    """Return what checking `path`, a node's home, found. `now` is the present unless told otherwise."""
    return verify_home(path, now=now or datetime.now(UTC), roots=roots)
