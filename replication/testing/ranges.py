"""Ids in order."""

from __future__ import annotations

import pytest

from replication.store import AllDocsQuery, Database
from replication.testing.base import Contract, build_doc, put

IDS = ["Z", "a", "b", "b/1", "ba", "z", "~", "é", "𝒳"]  # rising by code point


class RangeContract(Contract):
    @pytest.fixture
    def stocked(self, db: Database) -> Database:
        """A database with `IDS` and one deleted document between them."""
        put(db, *(build_doc(doc_id, "1-x") for doc_id in reversed(IDS)), build_doc("aa", "2-t", "s", deleted=True))
        return db

    def test_all_docs_lists_live_documents_by_code_point(self, stocked: Database) -> None:
        """With their winners; `total` counts them all; tombstones are left out."""
        page = stocked.all_docs(AllDocsQuery())
        assert [row.id for row in page.rows] == IDS
        assert {row.rev for row in page.rows} == {"1-x"}
        assert not any(row.deleted for row in page.rows)
        assert page.total == len(IDS)

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            (AllDocsQuery(start="b"), IDS[2:]),
            (AllDocsQuery(end="b"), IDS[:3]),
            (AllDocsQuery(end="b", inclusive_end=False), IDS[:2]),
            (AllDocsQuery(start="b", end="b"), ["b"]),
            (AllDocsQuery(start="b", end="b", inclusive_end=False), []),
            (AllDocsQuery(start="aa", end="bz"), ["b", "b/1", "ba"]),
            (AllDocsQuery(start="ba", end="a"), []),
            (AllDocsQuery(descending=True), IDS[::-1]),
            (AllDocsQuery(start="ba", end="a", descending=True), ["ba", "b/1", "b", "a"]),
            (AllDocsQuery(start="ba", end="a", descending=True, inclusive_end=False), ["ba", "b/1", "b"]),
            (AllDocsQuery(limit=2), IDS[:2]),
            (AllDocsQuery(limit=0), []),
            (AllDocsQuery(skip=7), IDS[7:]),
            (AllDocsQuery(start="b", skip=1, limit=2), ["b/1", "ba"]),
            (AllDocsQuery(skip=100), []),
        ],
    )
    def test_a_range_is_cut_as_couchdb_cuts_it(self, stocked: Database, query: AllDocsQuery, ids: list[str]) -> None:
        """Both ends included unless told otherwise; descending begins at the upper end."""
        page = stocked.all_docs(query)
        assert [row.id for row in page.rows] == ids
        assert page.total == len(IDS)

    @pytest.mark.parametrize(
        ("query", "offset"),
        [
            (AllDocsQuery(), 0),
            (AllDocsQuery(start="b"), 2),
            (AllDocsQuery(start="b", skip=2), 4),
            (AllDocsQuery(start="b", descending=True), 6),
            (AllDocsQuery(skip=100), len(IDS)),
        ],
    )
    def test_the_offset_counts_the_rows_before(self, stocked: Database, query: AllDocsQuery, offset: int) -> None:
        """Live documents only."""
        self.need("offset")
        assert stocked.all_docs(query).offset == offset

    def test_keys_are_answered_one_by_one(self, stocked: Database) -> None:
        """Repeated and unknown ones too; a deleted one says so; there is no offset."""
        page = stocked.all_docs(AllDocsQuery(keys=("z", "never", "aa", "z")))
        assert [(row.id, row.rev, row.deleted) for row in page.rows] == [
            ("z", "1-x", False),
            ("never", None, False),
            ("aa", "2-t", True),
            ("z", "1-x", False),
        ]
        assert (page.total, page.offset) == (len(IDS), None)
        assert stocked.all_docs(AllDocsQuery(keys=())).rows == ()

    def test_keys_can_be_skipped_limited_and_turned(self, stocked: Database) -> None:
        """As rows are."""
        keys = ("z", "never", "a", "b")
        page = stocked.all_docs(AllDocsQuery(keys=keys, descending=True, skip=1, limit=2))
        assert [row.id for row in page.rows] == ["a", "never"]
