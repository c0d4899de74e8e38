"""A node's introduction: its chain and its published key, so that nodes without a link can seal to each other.

    {"v": 1, "unit": "H41.12.03", "chain": [<base64 DER, the node's first>], "event": {…}, "signatures": [{…}]}

It lies on every stick a node has written, readable by anybody. It proves itself: chain to our root, signature of the
node, and the event is taken in by the one door like any other.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

import orjson

from crypto import strictjson
from crypto.errors import CryptoError
from replication.bundle.errors import medium
from replication.document import Doc
from server.bundles import keys, media
from server.dossier import units
from server.dossier.documents import certificate_doc, event_doc
from server.dossier.event import parse_event
from server.errors import Refused, ServerError
from server.home import read_bounded
from server.intake.events import MAX_BODY_BYTES, MAX_BODY_DEPTH
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.directory import MAX_DEPTH
from server.pki.documents import to_base64

_MAX_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Introduced:
    """A node that introduced itself. `is_new` says whether its key was not known before."""

    unit: str
    is_new: bool


def write_introduction(node: Node, folder: Path) -> Path:
    """Put this node's introduction into our folder on a stick; returns the file. Raises `MediumError`."""
    keys.ensure_published(node)
    path = folder / f"{media.INTRODUCTION_PREFIX}{units.dashed(node.unit)}.json"
    with medium(path):
        media.write_plain(path, build_introduction(node))
    return path


def build_introduction(node: Node) -> bytes:
    """Return the introduction of a node that has published its key."""
    recipient = keys.own_key(node.home.path).recipient
    events = [
        held for held in keys.key_events(node, node.database, node.unit) if _says(held.stored.event.body, recipient)
    ]
    doc = node.store.open(node.database).get(events[-1].doc_id)  # type: ignore[arg-type]  # as the store wrote it
    fields = orjson.loads(doc.body)
    chain = [to_base64(each) for each in (node.signer.certificate, *node.home.chain())]
    return orjson.dumps(
        {"v": 1, "unit": node.unit, "chain": chain, "event": fields["event"], "signatures": fields["signatures"]},
        option=orjson.OPT_INDENT_2,
    )


def _says(body: object, recipient: str) -> bool:
    return isinstance(body, dict) and body.get("recipient") == recipient and body.get("use") == "node"


def take_introduction(node: Node, path: Path) -> Introduced:
    """Take the key of another node of our branch from its introduction. Raises `Refused` with what is wrong with it."""
    try:
        fields = strictjson.parse(read_bounded(path, _MAX_BYTES), max_bytes=_MAX_BYTES, max_depth=MAX_BODY_DEPTH + 1)
        chain = [base64.b64decode(each, validate=True) for each in fields["chain"]]
        event = parse_event(fields["event"])
        doc = event_doc({"event": fields["event"], "signatures": fields["signatures"]})
        if not 1 <= len(chain) <= MAX_DEPTH + 2 or len(doc.body) > MAX_BODY_BYTES or event.type != keys.TYPE:
            raise Refused("schema", "it is not the introduction of a node")
    except (CryptoError, ServerError, KeyError, TypeError, binascii.Error, ValueError) as exc:
        raise Refused("schema", f"{path.name} is no introduction that can be read: {exc}") from exc
    return _admit(node, event.unit, [certificate_doc(der) for der in reversed(chain)] + [doc])


def _admit(node: Node, unit: str, docs: list[Doc]) -> Introduced:
    if unit == node.unit:
        return Introduced(unit, False)
    database = _place(node.unit, unit)
    before = keys.published_in(node, database, unit)
    node.copier.ensure_database(database)
    results = node.intake.admit(database, docs, source=Source("bundle", f"introduction:{unit}"))
    if results[-1].error is not None:
        raise Refused("untrusted_chain", f"the introduction of {unit} was not taken: {results[-1].error.reason}")
    return Introduced(unit, len(keys.published_in(node, database, unit)) > len(before))


def _place(ours: str, unit: str) -> str:
    """Return the database a unit's key belongs into: the registry for one above us, its own for one below."""
    if units.is_within(ours, unit):
        return REGISTRY
    if units.is_within(unit, ours):
        return units.database_name(unit)
    raise Refused("wrong_database", f"{unit} is neither above nor below {ours}; its key is of no use here")
