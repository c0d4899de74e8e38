"""Threat 15: a neighbour with a good token sends what is too big, too deep, too many or too slow.

The bare server's own attacks are in `tests/replication/hostile`; here a whole node stands in front, its door included.
"""

from __future__ import annotations

import json
import secrets
import socket
from typing import Any

import pytest
import requests

MIB = 1024 * 1024


@pytest.fixture
def peer(office: Any) -> dict[str, str]:
    """The headers of somebody whom the node lets write into its databases: it believes itself."""
    node = office.node
    return {"Authorization": "Bearer " + node.signer.token(node.signer.urn, node.clock.now())}


def push(office: Any, peer: dict[str, str], body: bytes) -> requests.Response:
    url = f"{office.url}/db/{office.node.database}/_bulk_docs"
    return requests.post(url, data=body, headers={**peer, "Content-Type": "application/json"}, timeout=60)


def assert_unharmed(office: Any, before: set[str]) -> None:
    """It answers, and has taken nothing in; what it writes itself in the background may be there meanwhile."""
    assert office.nobody.get("/api/node").status_code == 200
    assert {each for each in held(office) - before if not each.startswith(("log:", "crl:", "cert:"))} == set()


def held(office: Any) -> set[str]:
    return {row.id for row in office.node.store.open(office.node.database).changes().rows}


def test_a_document_of_100_megabytes_is_refused_at_its_head(office: Any, peer: dict[str, str]) -> None:
    """The length alone is enough: nothing of the body is read."""
    before = held(office)
    host, port = office.url.removeprefix("http://").split(":")
    head = (
        f"POST /db/{office.node.database}/_bulk_docs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {peer['Authorization']}\r\nContent-Length: {100 * MIB}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(head.encode())
        assert b" 413 " in line.recv(4096).split(b"\r\n")[0]

    assert_unharmed(office, before)


def test_json_100000_levels_deep_is_refused(office: Any, peer: dict[str, str]) -> None:
    """400, and no recursion anywhere."""
    before = held(office)
    body = b'{"new_edits":false,"docs":[{"_id":"x","_rev":"1-a","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"

    assert push(office, peer, body).status_code == 400
    assert_unharmed(office, before)


def test_an_event_with_a_million_parents_is_refused(office: Any, peer: dict[str, str], helpers: Any) -> None:
    """By its size, before anybody looks at one of them."""
    before = held(office)
    event = helpers.submission(office.node.unit, office.citizen.person)
    event["prev"] = ["sha256-" + "A" * 43] * 1_000_000
    doc = {"_id": event["stream"] + ":sha256-" + "B" * 43, "_rev": "1-" + "0" * 32, "event": event, "signatures": []}

    answer = push(office, peer, json.dumps({"new_edits": False, "docs": [doc]}).encode())

    assert answer.status_code in (400, 413) or answer.json()[0]["error"] == "forbidden"
    assert_unharmed(office, before)


def test_bodies_that_drip_do_not_keep_others_waiting(office: Any, peer: dict[str, str]) -> None:
    """Forty senders of a byte now and then; a citizen's phone is served meanwhile."""
    host, port = office.url.removeprefix("http://").split(":")
    head = (
        f"POST /db/{office.node.database}/_bulk_docs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {peer['Authorization']}\r\nContent-Length: 100000\r\n\r\n"
    )
    lines = [socket.create_connection((host, int(port)), timeout=60) for _ in range(40)]
    try:
        for line in lines:
            line.sendall(head.encode() + b"{")
        for _ in range(5):
            for line in lines:
                line.sendall(b" ")
            assert requests.get(f"{office.url}/api/node", timeout=60).status_code == 200
    finally:
        for line in lines:
            line.close()

    assert requests.get(f"{office.url}/api/node", timeout=60).status_code == 200


def test_ten_thousand_forgeries_do_not_fill_the_disk(office: Any, peer: dict[str, str]) -> None:
    """What is refused is kept as evidence, within bounds, and none of it is stored."""
    before = held(office)
    for _ in range(20):
        docs = [
            {"_id": f"forged-{secrets.token_hex(8)}", "_rev": "1-" + secrets.token_hex(16), "x": "y" * 200}
            for _ in range(500)
        ]
        rows = push(office, peer, json.dumps({"new_edits": False, "docs": docs}).encode()).json()
        assert {row["error"] for row in rows} == {"forbidden"}

    assert_unharmed(office, before)
    assert (office.node.home.path / "node.db").stat().st_size < 16 * MIB
