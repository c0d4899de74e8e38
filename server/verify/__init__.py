"""The independent verifier: reads a home's store or an export by itself and trusts nothing but a root certificate.

It shares the floor below (`crypto`) and the form of documents (`server.dossier`) with the node, and neither the intake
nor the read model nor anything they wrote down: what they should have refused is found here.

An event is checked at the time its author claims, the only time a document carries by itself; whether that time is
proven is what receipts and logs are for. A certificate revoked before that time fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from server.bundles.media import bundles_at
from server.errors import Refused
from server.verify.bundle import verify_bundle
from server.verify.effort import Effort, whole_machine
from server.verify.export import verify_export
from server.verify.home import verify_home, verify_store
from server.verify.report import Report

__all__ = [
    "Effort",
    "Report",
    "verify_bundle",
    "verify_export",
    "verify_home",
    "verify_path",
    "verify_store",
    "whole_machine",
]


def verify_path(
    path: Path,
    anchors: Sequence[x509.Certificate] | None = None,
    *,
    home: Path | None = None,
    key: Path | None = None,
    effort: Effort | None = None,
) -> Report:
    """Return what was checked in a home, an export or a bundle and what does not hold.

    A bundle is opened with the key in `key`, or that of the node's home `home`; without, its outside is checked.

    `effort` says how many processes a large home is shared out to; every core by default.

    `anchors` are the roots to trust; without them the one found in `path` is, which shows that everything there agrees
    with itself. Raises `Refused("no_file")` for a path that is neither.
    """
    if (path / "node.json").exists():
        return verify_home(path, anchors, effort)
    if (path / "events").is_dir():
        return verify_export(path, anchors)
    if path.is_file() or bundles_at(path):
        return verify_bundle(path, anchors, home=home, key=key)
    raise Refused("no_file", f"{path} is no node's home (node.json), no export (events/) and no bundle (.tram)")
