"""Segments of CouchDB's addresses, not yet quoted."""

from __future__ import annotations

DESIGN = "_design/"


def build_doc_path(doc_id: str) -> tuple[str, ...]:
    """Return a document's segments. The "/" after "_design" stays one: CouchDB answers "%2F" with a redirect."""
    return ("_design", doc_id.removeprefix(DESIGN)) if doc_id.startswith(DESIGN) else (doc_id,)
