"""What this unit's node signed a receipt for must be in its home, whole."""

from __future__ import annotations

import pytest

from crypto.hashing import sha256_id
from server.intake.source import Source
from server.verify import verify_path

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300


@pytest.mark.parametrize("receipted", [True, False])
def test_a_file_that_is_gone_is_a_fault_once_a_receipt_was_signed(commune, citizen, helpers, receipted):
    """Without a receipt the file may still be on its way; with one, its absence is a loss, named by the filing's id."""
    source = Source("peer", "x")
    event = helpers.submission(commune.home.unit, citizen, files=[helpers.file_reference(JPEG)])
    docs = [citizen.sign(event)]
    if receipted:
        body = {"of": docs[0].id.partition(":")[2], "files": [sha256_id(JPEG)], "bytes": len(JPEG)}
        now = commune.now[0]
        docs.append(commune.signer.sign(stream=event["stream"], type="receipt.issued", at=now, body=body))
    assert [r.error for r in commune.intake.admit(commune.database, docs, source=source)] == [None] * len(docs)
    commune.store.close()

    report = verify_path(commune.home.path)

    assert report.holds is not receipted
    assert [docs[0].id in problem for problem in report.problems] == [True] * receipted
