"""Which database names, document ids and attachment names are legal, in CouchDB's words."""

from __future__ import annotations

import re

from replication.errors import BadRequest, IllegalDatabaseName, IllegalDocId
from replication.sqlite.limits import MAX_DATABASE_NAME, MAX_ID_BYTES

SUFFIX = ".sqlite"
_DATABASE = re.compile(r"[a-z][a-z0-9_$()+/-]*", re.ASCII)
_SYSTEM = frozenset({"_users", "_replicator"})


def is_database_name(name: str) -> bool:
    """Return whether `name` is legal: CouchDB's rule, and of the reserved names the two a peer may ask for."""
    return len(name) <= MAX_DATABASE_NAME and (name in _SYSTEM or _DATABASE.fullmatch(name) is not None)


def check_database_name(name: str) -> None:
    """Raise `IllegalDatabaseName` unless the name is legal."""
    if is_database_name(name):
        return
    if len(name) > MAX_DATABASE_NAME:
        raise IllegalDatabaseName(
            f"At least one path segment of `{name[:64]}…` is too long: {len(name)} characters, the limit is "
            f"{MAX_DATABASE_NAME}.",
            error="database_name_too_long",
        )
    raise IllegalDatabaseName(
        f"Name: '{name}'. Only lowercase characters (a-z), digits (0-9), and any of the characters "
        "_, $, (, ), +, -, and / are allowed. Must begin with a letter."
    )


def build_file_name(name: str) -> str:
    """Return the file of a database. Only "/" cannot stand in a file name; "~" is in no database name."""
    return name.replace("/", "~") + SUFFIX


def parse_file_name(file_name: str) -> str | None:
    """Return the database a file holds, or None for a file that is no database of ours."""
    if not file_name.endswith(SUFFIX) or "/" in file_name:
        return None
    name = file_name.removesuffix(SUFFIX).replace("~", "/")
    return name if is_database_name(name) else None


def check_doc_id(doc_id: str) -> None:
    """Raise `IllegalDocId` unless a document may have this id. `_local/` ids are no documents."""
    if not doc_id:
        raise IllegalDocId("Document id must not be empty")
    try:
        size = len(doc_id) if doc_id.isascii() else len(doc_id.encode())
    except UnicodeEncodeError:
        raise IllegalDocId("Document id must be valid UTF-8") from None
    if size > MAX_ID_BYTES:
        raise IllegalDocId("Document id is too long")
    if doc_id[0] != "_":
        return
    if doc_id in ("_design/", "_local/"):
        raise IllegalDocId(f"Illegal document id `{doc_id}`")
    if not doc_id.startswith("_design/"):
        raise IllegalDocId("Only reserved document ids may start with underscore.")


def check_attachment_name(name: str) -> None:
    """Raise `BadRequest` unless an attachment may have this name."""
    if not name:
        raise BadRequest("Attachment name can't be empty")
    if name[0] == "_":
        raise BadRequest(f"Attachment name '{name}' starts with prohibited character '_'")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadRequest("Attachment name is not UTF-8 encoded") from None
