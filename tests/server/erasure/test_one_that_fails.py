"""An erasure that cannot be carried out is told of, and holds up no other."""

from __future__ import annotations

import pytest

from replication.errors import StoreError
from server.erasure.filesweep import purge_documents
from tests.server.erasure.conftest import COMMUNE, here

EVENTS = "u-h41-12-03"


def test_an_erasure_that_fails_holds_up_no_other_and_is_done_when_it_can_be(offices, monkeypatch):
    """The store refuses the documents of the first; the second goes all the same, and the first at a later look."""
    node, made = offices.commune, offices.made
    other = made.file(COMMUNE, 5_000, seed=1)
    offices.refuse(other)
    offices.order()
    offices.order(other)
    first, second = node.erasures.all()

    def purge_but(database, ids):
        if set(ids) & set(first.documents):
            raise StoreError("disk I/O error")
        return purge_documents(database, ids)

    with monkeypatch.context() as damaged:
        damaged.setattr("server.erasure.executor.purge_documents", purge_but)
        with pytest.raises(StoreError, match="disk I/O error"):
            node.erasing.settle()
    assert [node.erasing.is_done(each.id) for each in (first, second)] == [False, True]
    assert here(node, EVENTS, second.documents) == set()
    assert here(node, EVENTS, first.documents) == set(first.documents)

    assert node.erasing.settle() == 1
    assert here(node, EVENTS, first.documents) == set()
