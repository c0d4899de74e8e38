"""Moving a store to the other engine, both ways and back again."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replication.comparing import compare_feeds, find_unknown
from replication.couch import CouchStore
from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import Unavailable
from replication.migrate import Figures, NotEqual, Progress, Saving, migrate
from replication.sqlite import SqliteStore
from replication.store import Database, Store, WriteResult

URL = os.environ.get("TRAM_COUCHDB_URL")
A = DocId("a")
PHOTO = bytes(range(256)) * 64
DIRECTIONS = ["sqlite-sqlite", "sqlite-couch", "couch-sqlite", "couch-couch"]


@pytest.fixture(params=DIRECTIONS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """The source and the target."""
    if "couch" in request.param and URL is None:
        pytest.skip("TRAM_COUCHDB_URL names no CouchDB to test against")
    made: list[Store] = []
    for place, engine in enumerate(request.param.split("-")):
        if engine == "sqlite":
            made.append(SqliteStore(tmp_path / str(place)))
        else:
            made.append(CouchStore(str(URL), prefix=f"t{secrets.token_hex(4)}-"))
    yield made[0], made[1]
    for store in made:
        if isinstance(store, CouchStore):
            store.remove()
        store.close()


def build(doc_id: str, rev: str, *ancestors: str, **fields: Any) -> Doc:
    return Doc(DocId(doc_id), Rev(rev), (rev.partition("-")[2], *ancestors), **fields)


def put(db: Database, *docs: Doc) -> None:
    for doc in docs:  # one by one, so that each is a leaf when it comes and its body is kept
        (result,) = db.bulk_docs([doc], new_edits=False)
        assert result.error is None, result


def fill(store: Store) -> None:
    """Two databases with everything that is hard to move."""
    photo = Attachment("image/x-test", data=PHOTO, length=len(PHOTO), revpos=1)
    text = Attachment("text/plain", data="hồ sơ ".encode() * 50, length=400, revpos=2)
    db = store.create("u-h41")
    put(
        db,
        build("chain", "1-a", body=b'{"n":1}', attachments={"photo": photo}),
        build("chain", "2-b", "a", body=b'{"n":2}', attachments={"photo": replace(photo, data=None), "text": text}),
        build("chain", "3-c", "b", "a", body=b'{"n":123456789012345678901234567890}'),
        build("chain", "3-x", "b", "a", body=b'{"n":3.5}'),
        build("stemmed", "9-i", "h", "g"),
        build("roots", "1-y"),
        build("roots", "4-z", "w"),
        build("gone", "2-t", "s", deleted=True, body=b'{"why":"withdrawn"}'),
        build("half", "1-p"),
        build("half", "2-q", "p", deleted=True),
        build("half", "2-r", "p"),
        build("_design/x", "1-d", body=b'{"language":"javascript"}'),
        build("ảnh/1", "1-e", attachments={"giấy khai sinh.jpg": photo, "empty": replace(photo, data=b"", length=0)}),
    )
    db.put_local("settings", b'{"theme":"dark"}')
    db.put_local("0123checkpoint", b'{"last_seq":"7"}')
    db.set_security({"admins": {"names": ["a"], "roles": []}, "members": {"names": [], "roles": ["r"]}})
    db.set_revs_limit(77)
    chunks = store.create("f-h41")
    docs = [build(f"sha256-{n}", "1-x", attachments={"chunk": photo}) for n in range(40)]
    assert all(result.error is None for result in chunks.bulk_docs(docs, new_edits=False))
    store.create("empty")


def test_everything_arrives(stores: tuple[Store, Store]) -> None:
    """Leaves, tombstones, paths, older bodies, attachments, settings; checkpoints stay behind."""
    source, target = stores
    fill(source)
    seen: list[Progress] = []
    figures = migrate(source, target, seen.append, takes_local=lambda local_id: local_id == "settings")
    assert figures == Figures(
        databases=3,
        documents=47,
        leaves=50,
        revisions=53,
        attachment_bytes=figures.attachment_bytes,
        local_docs=1,
        bodies_lost=0,
    )
    assert target.names() == ["empty", "f-h41", "u-h41"]
    copy = target.open("u-h41")
    assert copy.leaves(DocId("chain")) == ((Rev("3-x"), False), (Rev("3-c"), False))
    assert copy.leaves(DocId("half")) == ((Rev("2-r"), False), (Rev("2-q"), True))
    assert copy.get(DocId("stemmed")).path == ("i", "h", "g")
    assert copy.get(DocId("chain"), Rev("1-a")).body == b'{"n":1}'
    assert copy.attachment(DocId("chain"), "photo", Rev("2-b")).data == PHOTO
    assert (copy.revs_limit(), copy.security()) == (77, source.open("u-h41").security())
    assert [local.id for local in copy.local_docs()] == ["settings"]
    assert target.uuid != source.uuid
    assert [(each.database, each.phase) for each in seen if each.database == "u-h41"] == [
        ("u-h41", "moving"),
        ("u-h41", "comparing"),
    ]


def test_moving_again_sends_nothing(stores: tuple[Store, Store]) -> None:
    """What the target has is asked for once and left alone."""
    source, target = stores
    fill(source)
    migrate(source, target, lambda progress: None)
    again = migrate(source, target, lambda progress: None)
    assert (again.revisions, again.attachment_bytes, again.leaves) == (0, 0, 50)


def test_an_interrupted_move_goes_on(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """Older bodies too: a parent is always there before its child."""
    source, target = stores
    fill(source)
    kind = type(target.create("u-h41"))
    write, left = kind.bulk_docs, 2

    def failing(self: Any, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        nonlocal left
        if not left:
            raise Unavailable("the power is gone")
        left -= 1
        return write(self, docs, new_edits=new_edits)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "bulk_docs", failing)
        with pytest.raises(Unavailable):
            migrate(source, target, lambda progress: None)
    assert left == 0
    figures = migrate(source, target, lambda progress: None)
    assert (figures.leaves, figures.bodies_lost) == (50, 0)
    assert 0 < figures.revisions < 53
    assert target.open("u-h41").get(DocId("chain"), Rev("2-b")).body == b'{"n":2}'


def test_a_target_that_holds_something_else_is_named(stores: tuple[Store, Store]) -> None:
    """Nothing of it is removed."""
    source, target = stores
    fill(source)
    put(target.create("u-h41"), build("stranger", "1-s"))
    with pytest.raises(NotEqual, match=r"u-h41, document 'stranger', revision 1-s: .*empty store"):
        migrate(source, target, lambda progress: None)
    assert target.open("u-h41").get(DocId("stranger")).rev == "1-s"


def test_a_leaf_with_another_body_is_named(stores: tuple[Store, Store]) -> None:
    """The same revision with other content is no copy."""
    source, target = stores
    put(source.create("db"), build("a", "1-x", body=b'{"n":1}'))
    put(target.create("db"), build("a", "1-x", body=b'{"n":2}'))
    with pytest.raises(NotEqual, match="document 'a', revision 1-x: its body is another"):
        migrate(source, target, lambda progress: None)


def test_bodies_that_cannot_follow_are_counted(stores: tuple[Store, Store]) -> None:
    """The target knew the revision and had dropped its body."""
    source, target = stores
    put(source.create("db"), build("a", "1-x", body=b'{"n":1}'), build("a", "2-y", "x"))
    put(target.create("db"), build("a", "2-y", "x"))
    assert migrate(source, target, lambda progress: None).bodies_lost == 1


def test_paths_longer_than_the_limit_are_not_cut(stores: tuple[Store, Store]) -> None:
    """The limit was lowered and nothing written since: what the source shows goes along whole."""
    source, target = stores
    db = source.create("db")
    put(db, build("a", "4-d", "c", "b", "a"))
    db.set_revs_limit(2)
    shown = db.get(A).path
    assert shown == (("d", "c") if isinstance(source, CouchStore) else ("d", "c", "b", "a"))
    migrate(source, target, lambda progress: None)
    copy = target.open("db")
    assert copy.revs_limit() == 2
    copy.set_revs_limit(9)
    assert copy.get(A).path == shown


def test_a_store_is_saved_whole_while_others_write_to_it(stores: tuple[Store, Store]) -> None:
    """Edits, deletions and conflicts arrive all the while: the copy holds all that was there when it began, and nothing
    that never was."""
    source, target = stores
    fill(source)
    db = source.open("u-h41")
    held_before = {row.id: set(row.leaves) for row in db.changes().rows}
    stop, begun = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            put(db, build(f"new-{number}", "1-x"))
            if number < 5:
                put(db, build("chain", f"2-{number:032x}", "a", body=b'{"n":0}'))
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(60)
    saving = Saving(source, target, lambda progress: None)
    figures = saving.run()
    held_then = {row.id for row in target.open("u-h41").changes().rows}
    stop.set()
    writer.join()

    assert (figures.databases, target.names()) == (3, source.names())
    copy = target.open("u-h41")
    held = {row.id: set(row.leaves) for row in copy.changes().rows}
    assert all(leaves <= held[doc_id] for doc_id, leaves in held_before.items())
    assert find_unknown(copy, db) is None
    assert compare_feeds(source.open("f-h41"), target.open("f-h41"), lambda done, left: None) == 40
    assert (copy.revs_limit(), copy.security()) == (db.revs_limit(), db.security())

    source.delete("empty")
    rest = saving.run()

    assert rest.documents <= db.info().doc_count + db.info().doc_del_count - len(held_then) + 2
    assert compare_feeds(db, copy, lambda done, left: None) >= len(held)
    assert target.names() == source.names()
