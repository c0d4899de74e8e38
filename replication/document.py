"""One revision of a document as a value, apart from JSON and from any store.

CouchDB writes a document's identity, history and attachments as members that begin with an underscore.
Here they are fields, and `body` holds the rest as the UTF-8 text of one JSON object, so that a store can keep
and hand on bytes it never needs to parse.

    {"_id": "a", "_rev": "2-9f", "_revisions": {"start": 2, "ids": ["9f", "07"]}, "n": 1}
    Doc(id="a", rev=Rev("2-9f"), path=("9f", "07"), deleted=False, body=b'{"n":1}', attachments={})
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from replication.errors import BadRequest

DocId = NewType("DocId", str)
Rev = NewType("Rev", str)  # "<generation>-<hash>"; compared by parse_rev, never as text
Seq = NewType("Seq", str)  # opaque to peers; ours are "<n>-<epoch8>"

EMPTY_BODY = b"{}"
# Members that begin with "_" and yet are content: what replicators write into their own documents, and CouchDB keeps.
CONTENT_MEMBERS = frozenset(
    (
        "_access",
        "_replication_id",
        "_replication_state",
        "_replication_state_reason",
        "_replication_state_time",
        "_replication_stats",
    )
)

# 15 digits: CouchDB bounds nothing here, but int() of a megabyte of digits is an attack, not a revision.
_GENERATION = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One named attachment of one revision.

    `data` holds the bytes as stored (encoded, if `encoding` is set), or None for a stub whose bytes are with an
    ancestor. `digest` is CouchDB's `md5-<base64>` over the bytes as stored. `length` counts the decoded bytes;
    `encoded_length` the stored ones and only where `encoding` ("gzip") is set. `revpos` is the generation in
    which the attachment last changed.
    """

    content_type: str
    digest: str = ""
    length: int = 0
    revpos: int = 0
    data: bytes | None = None
    encoding: str | None = None
    encoded_length: int | None = None


@dataclass(frozen=True, slots=True)
class Doc:
    """One revision of a document.

    `rev` is None only for a document not yet stored that edits nothing. `path` lists the revision hashes from
    this revision back towards its root, newest first (`_revisions.ids`); it may be shorter than the generation
    where the history was stemmed, and on input to an interactive edit it is empty: the store makes the new
    revision from `rev` as the parent. `body` is one JSON object; of members that begin with "_" it has none but
    `CONTENT_MEMBERS`.
    """

    id: DocId
    rev: Rev | None = None
    path: tuple[str, ...] = ()
    deleted: bool = False
    body: bytes = EMPTY_BODY
    attachments: Mapping[str, Attachment] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        """The generation of `rev`, 0 when there is none."""
        return parse_rev(self.rev)[0] if self.rev else 0


def parse_rev(rev: str) -> tuple[int, str]:
    """Return (generation, hash) of a revision such as "3-9f2c".

    The pair sorts as CouchDB sorts revisions: by number, then bytewise by hash. Raises `BadRequest` with
    CouchDB's reason "Invalid rev format" for anything that is not a positive number, a dash and a hash; the hash
    may be empty, because PouchDB writes "1-" and CouchDB keeps it.
    """
    generation, dash, digest = rev.partition("-")
    if not dash or not _GENERATION.fullmatch(generation):
        raise BadRequest("Invalid rev format")
    return int(generation), digest
