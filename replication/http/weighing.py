"""Documents read with the bytes of their attachments, so many at a time as the shared memory allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from replication.document import Attachment, Doc
from replication.http.budget import Share
from replication.store import Database, GetRequest, MissingRev

# What one batch of documents may weigh; a single document may weigh more.
BATCH_BYTES = 4 * 1024 * 1024
# Bytes as stored, in base64, and in the text of the answer.
AS_JSON = 4
Found = list[Doc | MissingRev]
T = TypeVar("T")


def weigh(attachments: Sequence[Attachment]) -> int:
    """Return the bytes that attachments will take as stored and unpacked, if all of them are read; stubs tell."""
    return sum(entry.length + (entry.encoded_length or 0) for entry in attachments)


def weigh_found(found: Found) -> int:
    """Return what the attachments of all documents in an answer would weigh."""
    return sum(weigh(tuple(doc.attachments.values())) for doc in found if isinstance(doc, Doc))


def split(items: Sequence[T], weights: Sequence[int]) -> Iterator[tuple[Sequence[T], int]]:
    """Yield items in their order in batches of at most `BATCH_BYTES`, each with its weight."""
    begin, total = 0, 0
    for end, weight in enumerate(weights):
        if end > begin and total + weight > BATCH_BYTES:
            yield items[begin:end], total
            begin, total = end, 0
        total += weight
    if begin < len(items):
        yield items[begin:], total


def read_batches(
    share: Share, database: Database, requests: Sequence[GetRequest], *, latest: bool = False, attachments: bool = True
) -> Iterator[tuple[Sequence[GetRequest], list[Found]]]:
    """Yield `requests` in batches with what the store holds of them, bytes included; memory is taken for each batch.

    What the one before took is given back first, so that readers never wait for one another with full hands. Raises
    `MemoryShort`.
    """
    stubs = database.bulk_get([replace(request, atts_since=None) for request in requests], latest=latest)
    for batch, weight in split(requests, [weigh_found(found) for found in stubs]):
        share.settle(weight * AS_JSON)
        yield batch, database.bulk_get(batch, latest=latest, attachments=attachments)
