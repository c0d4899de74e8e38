"""Which life of a server answers: told by our servers, noticed by who replicates with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from replication.http.life import build_life
from replication.peers.life import MAX_LENGTH, RETURNS_OF_MANY, Life
from replication.sqlite import SqliteStore


@pytest.mark.parametrize("path", ["", "/_tram/seqs", "/_tram/bodies?ids=", "/near/_bulk_docs"])
def test_answers_that_tell_how_far_one_got_name_the_life(our_server: str, far_store: SqliteStore, path: str) -> None:
    """The greeting, the listing of databases, torn bodies and every acknowledgement."""
    far_store.create("near")
    ask = requests.post if path.endswith("_bulk_docs") else requests.get

    answer = ask(our_server + path, json={"docs": []} if ask is requests.post else None, timeout=10)

    assert answer.ok
    assert answer.headers["Tram-Life"] == build_life(far_store.uuid)


def test_an_unchanged_listing_names_the_life_too(our_server: str) -> None:
    """304 is an answer of the new life as well."""
    mark = requests.get(f"{our_server}/_tram/seqs", timeout=10).headers["ETag"]

    answer = requests.get(f"{our_server}/_tram/seqs", headers={"If-None-Match": mark}, timeout=10)

    assert (answer.status_code, len(answer.headers["Tram-Life"])) == (304, 8)


def test_another_store_in_the_same_process_is_another_life(tmp_path: Path) -> None:
    """What was acknowledged belongs to a store."""
    first, second = SqliteStore(tmp_path / "a"), SqliteStore(tmp_path / "b")

    assert build_life(first.uuid) == build_life(first.uuid) != build_life(second.uuid)
    first.close()
    second.close()


def test_the_first_life_heard_is_the_one_that_is_known() -> None:
    """Nothing was told by another before."""
    life = Life()
    assert not life.is_told

    life.hear("a")
    life.hear("a")

    assert life.is_told
    assert not life.is_over


def test_a_new_life_ends_the_old_one_until_it_is_accepted() -> None:
    """An answer without the header changes nothing, nor does one of absurd length."""
    life = Life()
    for heard in ("a", "b", None, "x" * (MAX_LENGTH + 1)):
        life.hear(heard)
    assert life.is_over

    life.accept()
    life.hear("b")

    assert not life.is_over


def test_a_late_answer_of_the_old_life_brings_it_not_back() -> None:
    """Two connections, one slower than the other."""
    life = Life()
    for heard in ("a", "b", "a"):
        life.hear(heard)
    assert life.is_over

    life.accept()
    life.hear("b")

    assert not life.is_over


def test_several_processes_behind_one_address_are_told_from_restarts() -> None:
    """Lives that ended do not come back; where they do all the time, nothing is concluded any more."""
    life, over = Life(), 0
    for _ in range(3 * RETURNS_OF_MANY):
        for heard in ("a", "b", "c"):
            life.hear(heard)
            if life.is_over:
                over += 1
                life.accept()

    assert over == 2
