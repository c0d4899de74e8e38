"""Threat 13: the node denies having received a dossier. The citizen's receipt verifies with no network."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

import pytest
import zxingcpp
from cwt import COSE, COSEKey

from crypto import base64url, keys, merkle
from crypto.errors import CryptoError
from crypto.note import NoteKey, parse_checkpoint, verify_note
from server.errors import Missing, NotReady, Refused
from server.log.receipt import kid_of, parse_receipt_url, qr_svg, receipt_url, verify_receipt


def event_id(doc: Any) -> str:
    return doc.id.rpartition(":")[2]


@pytest.fixture
def receipted(make_homes: Any, make_node: Any, take: Any) -> Any:
    """A commune that has taken five events, and the receipt for the third."""
    node = make_node(make_homes()["H41.12.03"])
    docs = take(node, 5)
    return (
        node,
        docs[2],
        node.receipt_desk.issue(event_id(docs[2]), "H41.12.03-261121-00042", host="dvc.dienbien.gov.vn"),
    )


def decoded(svg: str) -> str:
    """What a reader that shares no code with the writer sees in the printed code."""
    size = int(_found(r'viewBox="0 0 (\d+) \1"', svg))
    rows = [bytearray(b"\xff" * size) for _ in range(size)]
    x = y = 0.0
    for command, dx, dy in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", _found(r' d="([^"]+)"', svg)):
        if command == "h":
            rows[int(y)][int(x) : int(x + float(dx))] = bytes(int(float(dx)))
            x += float(dx)
        elif command == "M":
            x, y = float(dx), float(dy)
        else:
            x, y = x + float(dx), y + float(dy)
    scale = 4
    pixels = b"".join(bytes(each for each in row for _ in range(scale)) * scale for row in rows)
    [found] = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (size * scale, size * scale)))
    return str(found.text)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text[:200]
    return match[1]


def test_a_receipt_verifies_with_the_nodes_key_alone(receipted: Any) -> None:
    """It names the event, the dossier's code, the unit and the head the event is under; python-cwt agrees."""
    node, doc, issued = receipted
    data = parse_receipt_url(issued.url, "dvc.dienbien.gov.vn")

    receipt = verify_receipt(data, key=node.signer.public_key, unit="H41.12.03")

    assert base64url.encode(receipt.event) == event_id(doc).removeprefix("sha256-")
    assert (receipt.unit, receipt.code, receipt.size) == ("H41.12.03", "H41.12.03-261121-00042", 5)
    assert receipt.root == node.log.head().root
    jwk = {**keys.public_to_jwk(node.signer.public_key), "alg": "ES256"}
    theirs = COSEKey.new({**COSEKey.from_jwk(jwk).to_dict(), 2: kid_of(data)})
    assert COSE.new().decode(data, keys=[theirs])


def test_its_qr_code_is_small_and_read_by_another_reader(receipted: Any) -> None:
    """At most version 13 at level M, and zxing reads what segno drew."""
    _, _, issued = receipted
    svg = qr_svg(issued.url)

    assert decoded(svg) == issued.url
    assert len(issued.data) <= 230
    with pytest.raises(Refused):
        qr_svg(receipt_url("a" * 120 + ".gov.vn", issued.data))


def test_the_full_proof_stands_alone(receipted: Any) -> None:
    """Leaf, path and signed head, checked with nothing but the log's public key."""
    node, doc, _ = receipted
    text = node.receipt_desk.proof(event_id(doc))
    head, _, note = text.partition("\n\n")
    version, extra, index, *path = head.split("\n")

    leaf = b64decode(extra.removeprefix("extra "))
    checkpoint = parse_checkpoint(verify_note(note, [NoteKey(node.log.origin(), node.log.key.public_key)]).text)
    merkle.verify_inclusion(
        merkle.leaf_hash(leaf),
        index=int(index.removeprefix("index ")),
        size=checkpoint.size,
        proof=[b64decode(each) for each in path],
        root=checkpoint.root,
    )
    assert version == "c2sp.org/tlog-proof@v1"
    assert event_id(doc).encode() in leaf


def test_an_event_that_was_never_taken_has_no_receipt(receipted: Any) -> None:
    """Nor a proof."""
    node, _, _ = receipted
    absent = "sha256-" + "A" * 43

    with pytest.raises(Missing):
        node.receipt_desk.issue(absent, "x")
    with pytest.raises(Missing):
        node.receipt_desk.proof(absent)


def test_a_receipt_with_one_digit_changed_is_none(receipted: Any) -> None:
    """In the code, the event or the signature."""
    node, _, issued = receipted
    for at in (20, 60, 120, len(issued.data) - 1):
        damaged = bytearray(issued.data)
        damaged[at] ^= 1
        with pytest.raises((CryptoError, Refused)):
            verify_receipt(bytes(damaged), key=node.signer.public_key, unit="H41.12.03")


def test_a_log_that_waits_after_a_restore_gives_no_receipt(receipted: Any) -> None:
    """Until the unit above has said what it had seen."""
    node, doc, _ = receipted
    node.log.set_state("waiting")

    with pytest.raises(NotReady):
        node.receipt_desk.issue(event_id(doc), "x")
