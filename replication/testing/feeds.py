"""The feed of changes, and waiting for it."""

from __future__ import annotations

import threading
import time

import pytest

from replication.document import DocId, Seq
from replication.errors import BadRequest
from replication.store import ZERO, Database
from replication.testing.base import Contract, build_doc, edit, put, read_feed


class FeedContract(Contract):
    def test_an_empty_feed_has_a_seq(self, db: Database) -> None:
        """Nothing after 0, nothing pending."""
        page = db.changes()
        assert (page.rows, page.pending) == ((), 0)
        assert db.changes(page.last_seq).rows == ()

    def test_each_document_stands_once_at_its_newest_change(self, db: Database) -> None:
        """An edit moves it behind what was there."""
        put(db, build_doc("a", "1-x"), build_doc("b", "1-x"))
        seen = db.changes().last_seq
        edit(db, build_doc("a", "1-x", n=2))
        assert set(read_feed(db)) == {"a", "b"}
        assert [row.id for row in db.changes(seen).rows] == ["a"]

    def test_rows_come_in_the_order_of_their_changes(self, db: Database) -> None:
        """Newest last, or first when `descending`, which ignores `since`."""
        self.need("ordered_feed")
        put(db, *(build_doc(doc_id, "1-x") for doc_id in "cab"))
        edit(db, build_doc("c", "1-x"))
        assert [row.id for row in db.changes().rows] == ["a", "b", "c"]
        assert [row.id for row in db.changes(descending=True).rows] == ["c", "b", "a"]
        assert [row.id for row in db.changes(db.info().update_seq, descending=True, limit=2).rows] == ["c", "b"]

    def test_a_row_lists_all_leaves_with_the_winner_first(self, db: Database) -> None:
        """`deleted` speaks of the winner."""
        put(db, build_doc("a", "1-x"), build_doc("a", "2-t", "q", deleted=True), build_doc("a", "1-y"))
        put(db, build_doc("gone", "2-t", "a", deleted=True))
        assert read_feed(db) == {"a": (("1-y", "1-x", "2-t"), False), "gone": (("2-t",), True)}

    def test_pages_join_to_the_whole_feed(self, db: Database) -> None:
        """`last_seq` is where to go on from, and `pending` counts the rows behind it."""
        put(db, *(build_doc(f"d{n}", "1-x") for n in range(25)))
        for n in (3, 7, 11):
            edit(db, build_doc(f"d{n}", "1-x", n=1))
        seen: list[str] = []
        since = ZERO
        while page := db.changes(since, limit=7):
            seen += [row.id for row in page.rows]
            assert page.pending == 25 - len(seen)
            since = page.last_seq
            if not page.rows:
                break
        assert sorted(seen) == sorted(f"d{n}" for n in range(25))

    def test_the_seq_of_a_row_is_a_place_to_go_on_from(self, db: Database) -> None:
        """Not only the end of a page."""
        put(db, *(build_doc(f"d{n}", "1-x") for n in range(5)))
        rows = db.changes().rows
        after = db.changes(rows[2].seq).rows
        assert [row.id for row in after] == [row.id for row in rows[3:]]

    def test_a_limit_of_zero_asks_only_how_much_is_pending(self, db: Database) -> None:
        """What CouchDB's replicator does between batches."""
        put(db, *(build_doc(f"d{n}", "1-x") for n in range(5)))
        page = db.changes(limit=0)
        assert (page.rows, page.pending) == ((), 5)
        assert db.changes(db.info().update_seq, limit=0).pending == 0

    def test_the_end_of_the_feed_is_the_update_seq(self, db: Database) -> None:
        """Going on from there finds nothing, until something is stored."""
        put(db, build_doc("a", "1-x"))
        end = db.info().update_seq
        assert db.changes(end).rows == ()
        put(db, build_doc("b", "1-x"))
        assert [row.id for row in db.changes(end).rows] == ["b"]

    def test_doc_ids_pick_from_the_feed(self, db: Database) -> None:
        """Unknown and repeated ids do no harm; the page ends where the feed does."""
        put(db, *(build_doc(f"d{n}", "1-x") for n in range(6)))
        wanted = [DocId("d4"), DocId("d1"), DocId("never"), DocId("d4")]
        page = db.changes(doc_ids=wanted)
        assert {row.id for row in page.rows} == {"d1", "d4"}
        assert len(page.rows) == 2
        assert db.changes(page.last_seq, doc_ids=wanted).rows == ()
        assert db.changes(doc_ids=[]).rows == ()

    def test_doc_ids_are_paged_too(self, db: Database) -> None:
        """Each once."""
        put(db, *(build_doc(f"d{n}", "1-x") for n in range(6)))
        wanted = [DocId("d1"), DocId("d3"), DocId("d5")]
        first = db.changes(doc_ids=wanted, limit=2)
        second = db.changes(first.last_seq, doc_ids=wanted, limit=2)
        assert len(first.rows) == 2
        assert {row.id for row in first.rows + second.rows} >= set(wanted)

    @pytest.mark.parametrize("since", ["hello", "", "-", "x-1", "-5"])
    def test_a_since_that_is_no_seq_is_refused(self, db: Database, since: str) -> None:
        """`BadRequest`, not a silent 0."""
        with pytest.raises(BadRequest):
            db.changes(Seq(since))

    def test_waiting_ends_when_something_is_there_already(self, db: Database) -> None:
        """At once, without waiting."""
        put(db, build_doc("a", "1-x"))
        started = time.monotonic()
        assert db.wait_for_change(ZERO, 60) is True
        assert time.monotonic() - started < 30

    def test_waiting_ends_when_the_time_is_over(self, db: Database) -> None:
        """False, and not before."""
        put(db, build_doc("a", "1-x"))
        end = db.info().update_seq
        started = time.monotonic()
        assert db.wait_for_change(end, 0.2) is False
        assert 0.15 < time.monotonic() - started < 30
        assert db.wait_for_change(end, 0) is False

    def test_waiting_ends_when_another_thread_stores_something(self, db: Database) -> None:
        """A local document wakes nobody for good; a document does."""
        end = db.info().update_seq
        woken = threading.Event()
        answers: list[bool] = []

        def wait() -> None:
            answers.append(db.wait_for_change(end, 120))
            woken.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        db.put_local("checkpoint", b"{}")
        assert not woken.wait(0.1)
        put(db, build_doc("a", "1-x"))
        assert woken.wait(60)
        waiter.join()
        assert answers == [True]
