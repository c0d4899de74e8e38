"""Documents brought from one node to another, as a link brings them, without the link."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from replication.document import Doc, DocId
from replication.store import AllDocsQuery, GetRequest
from server.intake.source import Source
from server.log.pages import build_cosigned


def carry(giver: Any, taker: Any, database: str, keep: Any = lambda _: True) -> list[str]:
    """Bring everything of a database from one node to another, as a link does. Returns what was refused."""
    opened = giver.store.open(database)
    ids = [row.id for row in opened.all_docs(AllDocsQuery()).rows if keep(row.id)]
    docs = [doc for found in opened.bulk_get([GetRequest(DocId(each)) for each in ids]) for doc in found]
    taker.copier.ensure_database(database)
    results = taker.intake.admit(
        database, [d for d in docs if isinstance(d, Doc)], source=Source("peer", giver.signer.urn)
    )
    taker.proofs.catch_up(database)
    return [each.error.reason for each in results if each.error is not None]


def meet_parent(node: Any) -> None:
    """Let a node's link to the unit above run twice: its new head goes up, and comes back cosigned."""
    for _ in range(2):
        node.sync.run_once("parent")


def event_id(doc: Doc) -> str:
    """The event's id in a document's."""
    return doc.id.rpartition(":")[2]


def cosign(commune: Any, district: Any, at: datetime) -> Doc:
    """The district's cosignature under the commune's head, as a document in the commune's database."""
    carry(commune, district, commune.database, keep=lambda each: each.startswith("cert:"))
    district.copier.ensure_certificate(commune.database, district.log.key.certificate)
    note = district.log.key.cosign(commune.log.head().note, at)
    doc = build_cosigned(log=commune.log.key.fingerprint, witness=district.log.key.fingerprint, note=note)
    [result] = district.intake.admit(commune.database, [doc], source=Source("local", district.signer.urn))
    assert result.error is None, result.error
    return doc
