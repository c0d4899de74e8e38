"""Threat 25: a sticker over the counter's QR, a look-alike address, another commune's valid receipt."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.errors import CryptoError
from server.errors import Refused
from server.log.receipt import parse_receipt_url, verify_receipt

DOMAIN = "dvc.dienbien.gov.vn"


@pytest.fixture
def issued(make_homes: Any, make_node: Any, take: Any) -> Any:
    node = make_node(make_homes()["H41.12.03"])
    doc = take(node, 1)[0]
    return node, node.receipt_desk.issue(doc.id.rpartition(":")[2], "x", host=DOMAIN)


@pytest.mark.parametrize(
    "change",
    [
        ("https://dvc.dienbien.gov.vn", "https://dvc.dienbien.gov.vn.example.com"),
        ("https://dvc.dienbien.gov.vn", "https://dvc.dienbien.gov.vn@example.com"),
        ("https://dvc.dienbien.gov.vn", "https://dvc-dienbien.gov.vn"),
        ("https://", "http://"),
        ("/r#", "/r/x#"),
        ("/r#", "/r?to=x#"),
        ("dvc.dienbien", "dvc.đienbien"),
    ],
)
def test_an_address_that_only_looks_alike_is_refused(issued: Any, change: tuple[str, str]) -> None:
    """However good the receipt behind it is."""
    _, receipt = issued

    with pytest.raises(Refused) as refused:
        parse_receipt_url(receipt.url.replace(*change), DOMAIN)

    assert refused.value.code == "bad_origin"


def test_another_communes_receipt_is_not_this_ones(issued: Any, make_homes: Any, make_node: Any, take: Any) -> None:
    """Signed well, by the wrong node: the name is not on the key."""
    _, receipt = issued
    other = make_node(make_homes()["H41.12"])

    with pytest.raises((CryptoError, Refused)):
        verify_receipt(receipt.data, key=other.signer.public_key, unit="H41.12")
    with pytest.raises(Refused) as refused:
        verify_receipt(receipt.data, key=issued[0].signer.public_key, unit="H41.12")
    assert refused.value.code == "actor_mismatch"
