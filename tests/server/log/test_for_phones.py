"""What phones ask a node's log: the certificates of its keys, and that one head grew out of another."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from cryptography import x509

from crypto import base64url, merkle
from crypto.event import fingerprint_of
from crypto.note import parse_checkpoint
from server.log.signers import LogSigners


@pytest.fixture
def witnessed(make_homes: Any, serve: Any, take: Any) -> Any:
    """A running commune, seven leaves, cosigned by its running district; its address."""
    from server.links.neighbours import Neighbour

    homes = make_homes()
    district, parent = serve(homes["H41.12"])
    commune, url = serve(homes["H41.12.03"])
    commune.links.put(Neighbour("parent", parent, "parent"))
    take(commune, 7)
    for _ in range(2):
        commune.sync.run_once("parent")
    commune.proofs.catch_up()
    return commune, district, url


def test_the_signers_of_the_log_are_handed_out(witnessed: Any, helpers: Any) -> None:
    """The log's own certificate and the witness's, to anybody; a home older than the table learns them anew."""
    commune, district, url = witnessed
    client = helpers.Client(url, "")

    told = client.get("/api/log/signers").json()
    found = [fingerprint_of(x509.load_der_x509_certificate(b64decode(each))) for each in told["certificates"]]
    assert found[0] == commune.log.key.fingerprint
    assert district.log.key.fingerprint in found

    with commune.db.transaction() as connection:
        connection.execute("DROP TABLE log_signers")
    again = type(commune.proofs)(commune.db, commune.store, commune.directory, commune.log, commune.stamps)
    assert LogSigners(commune.db, commune.directory).is_empty()
    again.catch_up()
    units = {unit for unit, _ in again.signers.certificates(commune.unit)}
    assert "H41.12" in units


def test_consistency_of_any_two_heads_is_shown_and_nothing_else(witnessed: Any, helpers: Any) -> None:
    """A receipt's head against the newest one; numbers that name no heads are refused by name."""
    commune, _, url = witnessed
    client = helpers.Client(url, "")
    head = commune.log.head()
    old = commune.log.tree(1).root(3)

    proof = client.get(f"/api/log/consistency?generation=1&old=3&new={head.size}").json()["proof"]
    merkle.verify_consistency(
        old_size=3,
        new_size=head.size,
        proof=[base64url.decode(each) for each in proof],
        old_root=old,
        new_root=parse_checkpoint(head.note.rpartition("\n\n")[0] + "\n").root,
    )
    for query, status in (
        ("generation=1&old=0&new=3", 404),
        ("generation=1&old=4&new=3", 404),
        (f"generation=1&old=1&new={head.size + 1}", 404),
        ("generation=2&old=1&new=1", 404),
        ("generation=1&old=x&new=3", 400),
        ("", 400),
    ):
        answer = client.get(f"/api/log/consistency?{query}")
        assert (answer.status_code, set(answer.json())) == (status, {"error", "reason"}), query


def test_what_the_log_keeps_of_an_event_is_told(witnessed: Any, take: Any) -> None:
    """Cosigned, by whom and since when; kept alone while nobody has cosigned; nothing of what it never took."""
    commune, _, _ = witnessed
    first = commune.log.tree(1).leaves(0, 1)[0]
    kept = commune.proofs.kept(commune.database, f"sha256-{base64url.encode(first.event)}")
    assert (kept.witness, kept.at is not None) == ("H41.12", True)

    [fresh] = take(commune, 1)
    assert commune.proofs.kept(commune.database, fresh.id.rpartition(":")[2]).witness == ""
    assert commune.proofs.kept(commune.database, "sha256-" + "A" * 43) is None
