"""What kind of document somebody brings, and that it is one of the immutable kinds (step 4).

Every document of ours has exactly one revision, of generation 1, made of its content. So a tombstone, a second
generation, a history that was put on by hand, a design document: none of these can be ours, whoever signs.
"""

from __future__ import annotations

from typing import Literal

from replication.document import Doc
from server.dossier.documents import CERTIFICATE_PREFIX, CRL_PREFIX, FILE_PREFIX, LOG_PREFIX, TIMESTAMP_PREFIX
from server.errors import Refused

Kind = Literal["event", "certificate", "crl", "manifest", "chunk", "log", "timestamp"]

CHUNK_PREFIX = "sha256-"
MAX_ID_CHARS = 256  # a stream of 128 characters, a colon, a content id

_PREFIXES: tuple[tuple[str, Kind], ...] = (
    (CERTIFICATE_PREFIX, "certificate"),
    (CRL_PREFIX, "crl"),
    (FILE_PREFIX, "manifest"),
    (LOG_PREFIX, "log"),
    (TIMESTAMP_PREFIX, "timestamp"),
    (CHUNK_PREFIX, "chunk"),
)


def kind_of(doc: Doc) -> Kind:
    """Return the kind of document an id announces. Raises `Refused("not_immutable")` for ids that begin with "_"."""
    if doc.id.startswith("_"):
        raise Refused("not_immutable", f"{doc.id[:60]!a}: design and system documents are never taken")
    return next((kind for prefix, kind in _PREFIXES if doc.id.startswith(prefix)), "event")


def check_immutable(doc: Doc) -> None:
    """Raise `Refused` unless the document comes as immutable ones do: alive, generation 1, without history, and with
    attachments only if it is a chunk."""
    if len(doc.id) > MAX_ID_CHARS:
        raise Refused("bad_id", f"an id of {len(doc.id)} characters; ours have at most {MAX_ID_CHARS}")
    if doc.deleted:
        raise Refused("not_immutable", f"{doc.id} is not deleted by a tombstone; nothing here ever is")
    if doc.rev is None:
        raise Refused("bad_id", f"{doc.id} comes without a revision; ours is made of the content")
    if doc.generation != 1 or doc.path not in ((), (doc.rev.partition("-")[2],)):
        raise Refused("not_immutable", f"{doc.id} comes as revision {doc.rev}; ours have one revision, of generation 1")
    if doc.attachments and kind_of(doc) != "chunk":
        raise Refused("schema", f"{doc.id} carries attachments; only chunks do")


def check_name(doc: Doc, expected_id: str, expected_rev: str) -> None:
    """Raise `Refused("bad_id")` unless id and revision are those the content gives. Step 4."""
    if doc.id != expected_id:
        raise Refused("bad_id", f"this content is called {expected_id}, it came as {doc.id}")
    if doc.rev != expected_rev:
        raise Refused("bad_id", f"{doc.id} has revision {expected_rev}, it came as {doc.rev}")
