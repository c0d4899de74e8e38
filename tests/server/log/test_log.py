"""The node's own log: leaves, heads, crashes, homes older than logs."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import merkle
from crypto.errors import Malformed
from crypto.note import NoteKey, parse_checkpoint, verify_note
from replication.errors import StorageFull
from server.log.leaves import Leaf, event_of_document, pack, unpack
from server.log.tree import SCHEMA, Edge, Tree
from server.nodedb import NodeDb
from server.verify import verify_home

AT = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def hashes(docs: Any) -> list[bytes]:
    return [event_of_document(doc.id) for doc in docs]


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 2**35)), max_size=40))
def test_entries_come_out_as_they_went_in(leaves: list[tuple[bytes, int]]) -> None:
    """Prefix and time of each leaf, whichever way the clock went in between."""
    packed = pack([Leaf(event, at) for event, at in leaves], 1_780_000_000)

    assert [(each.prefix, each.received) for each in unpack(packed, 1_780_000_000)] == [(e[:6], t) for e, t in leaves]


@pytest.mark.parametrize(
    "data", [b"\0" * 6, b"\0" * 5, b"\0" * 6 + b"\x80", b"\0" * 6 + b"\x80\x00", b"\0" * 6 + b"\xff" * 6]
)
def test_damaged_entries_are_refused(data: bytes) -> None:
    """Cut short, or a number in a longer spelling than it needs."""
    with pytest.raises(Malformed):
        unpack(data, 1_780_000_000)


def test_the_tree_in_sqlite_gives_the_proofs_of_the_tree_in_memory(tmp_path: Path) -> None:
    """Roots, inclusion and consistency for every pair of sizes up to 70, appended in uneven batches."""
    db = NodeDb(tmp_path / "node.db")
    db.ensure(SCHEMA)
    tree, edge = Tree(db.rows, 1), Edge(0, [])
    leaves = [Leaf(secrets.token_bytes(32), 1_780_000_000 + i) for i in range(70)]
    done = 0
    for batch in (1, 2, 5, 16, 3, 43):
        with db.transaction() as connection:
            tree.append(connection, edge, leaves[done : done + batch])
        done += batch
    plain = [leaf.hash() for leaf in leaves]

    assert edge.root() == merkle.root(plain)
    for size in range(1, 71):
        assert tree.root(size) == merkle.root(plain[:size])
        for other in range(size):
            assert tree.inclusion_proof(other, size) == merkle.inclusion_proof(plain[:size], other)
        for old in range(1, size + 1):
            assert tree.consistency_proof(old, size) == merkle.consistency_proof(plain[:size], old)
    db.close()


def test_every_event_taken_gets_a_leaf_under_a_signed_head(make_homes: Any, make_node: Any, take: Any) -> None:
    """One head per batch, signed with the certified key of the log, with each event's inclusion provable."""
    node = make_node(make_homes()["H41.12.03"])

    docs = [*take(node, 3), *take(node, 2)]

    head = node.log.head()
    key = node.log.key
    assert head.size == 5
    verified = verify_note(head.note, [NoteKey("03.12.h41.tram.internal/log", key.public_key)])
    assert parse_checkpoint(verified.text).root == head.root
    assert key.certificate is not None
    for event in hashes(docs):
        place = node.log.place(event)
        proof = node.log.tree(1).inclusion_proof(place.number, head.size)
        merkle.verify_inclusion(place.leaf.hash(), index=place.number, size=head.size, proof=proof, root=head.root)


def test_an_event_that_comes_again_keeps_its_one_leaf(make_homes: Any, make_node: Any, take: Any) -> None:
    """Replays, by any road, grow nothing."""
    from server.intake.source import Source

    node = make_node(make_homes()["H41.12.03"])
    docs = take(node, 2)
    before = node.log.head()

    node.intake.admit(node.database, [*docs, *docs], source=Source("bundle", "usb"))

    assert node.log.head() == before


class _Killed(BaseException):
    """Power is gone: nothing in the process catches it."""


@pytest.mark.parametrize("step", ["before the documents", "before the leaves"])
def test_a_crash_in_between_is_settled_before_anything_is_served(
    make_homes: Any, make_node: Any, take: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What the store has gets its leaf when the node opens again; what it has not was never acknowledged."""
    home = make_homes()["H41.12.03"]
    node = make_node(home)
    take(node, 1)

    opened = type(node.store.open(node.database))
    bulk_docs, settle = opened.bulk_docs, node.log.settle

    def without_power(*arguments: Any, **options: Any) -> Any:
        if any(not doc.id.startswith("cert:") for doc in arguments[1]):
            raise _Killed
        return bulk_docs(*arguments, **options)

    def without_leaves(database: str, stored: Any, *rest: Any) -> None:
        if stored:
            raise _Killed
        settle(database, stored, *rest)

    if step == "before the documents":
        monkeypatch.setattr(opened, "bulk_docs", without_power)
    else:
        monkeypatch.setattr(node.log, "settle", without_leaves)
    stored = int(step == "before the leaves")
    with pytest.raises(_Killed):
        take(node, 1)
    monkeypatch.undo()
    assert node.log.head().size == 1
    node.stop()

    again = make_node(home)

    assert again.log.head().size == 1 + stored
    assert verify_home(home.path).problems == []


def test_leaves_that_a_full_disk_kept_out_are_made_good_while_the_node_runs(
    make_homes: Any, make_node: Any, take: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents were stored and node.db could not grow. Whoever brought them may never come again."""
    node = make_node(make_homes()["H41.12.03"])
    stored: list[str] = []

    def settle(database: str, events: list[str], *_: Any) -> None:
        if events:
            stored.extend(events)
            raise StorageFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(node.log, "settle", settle)
        with pytest.raises(StorageFull):
            take(node, 2)
    assert node.log.pending() == len(stored) == 2

    node.log_keeper._look([])

    assert node.log.pending() == 0
    assert all(node.log.place(event_of_document(each)) for each in stored)


def test_a_home_older_than_logs_gets_all_its_events_in_order_of_admission(
    make_homes: Any, make_node: Any, take: Any
) -> None:
    """With the times of their admissions, at the first start."""
    home = make_homes()["H41.12.03"]
    now = [datetime.now(UTC)]
    node = make_node(home, now=lambda: now[0])
    docs = []
    for _ in range(4):
        docs += take(node, 1)
        now[0] += timedelta(hours=1)
    with node.db.transaction() as connection:
        for table in ("logs", "log_leaves", "log_nodes", "log_intents"):
            connection.execute(f"DELETE FROM {table}")
    node.stop()
    for name in ("keys/log.key", "certs/log.pem"):
        (home.path / name).unlink()

    again = make_node(home, now=lambda: now[0])

    assert [leaf.event for leaf in again.log.tree(1).leaves(0, 4)] == hashes(docs)
    steps = [leaf.received for leaf in again.log.tree(1).leaves(0, 4)]
    assert [later - first for first, later in pairwise(steps)] == [3600] * 3


def test_a_log_whose_ca_key_is_elsewhere_is_written_and_says_so(
    make_homes: Any, make_node: Any, take: Any, tmp_path: Path
) -> None:
    """Leaves under a key that is certified once the CA's key is back; until then no pages."""
    home = make_homes()["H41.12.03"]
    elsewhere = (home.path / "keys" / "ca.key").rename(tmp_path / "ca.key.elsewhere")
    node = make_node(home)
    assert node.log.key.certificate is None
    assert node.publisher.publish(everything=True) == 0
    node.stop()
    elsewhere.rename(home.path / "keys" / "ca.key")

    again = make_node(home)

    assert again.log.key.certificate is not None
    take(again, 1)
    assert again.publisher.publish(everything=True) == 1
