"""`tram migrate`: a home with dossiers and files from one engine to the other and back, with a neighbour watching."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import server.cli.migrate as command
from replication.couch import CouchStore
from replication.document import Doc, DocId
from replication.migrate import Progress, migrate
from replication.store import AllDocsQuery, GetRequest
from server.dossier.documents import chunk_doc, manifest_doc
from server.dossier.manifest import build_manifest
from server.engine import open_engine, open_store
from server.home import Engine, Home
from server.intake.source import Source
from server.links.neighbours import Neighbour
from server.lock import locked
from server.node.assembly import Node
from server.readmodel.queries import DossierFilter
from server.verify import verify_path
from tests.server.conftest import Tram
from tests.server.couchdb import COUCHDB, needs_couchdb, prefix

__all__ = ["prefix"]

FILES, EVENTS = "f-h41-12-03", "u-h41-12-03"


@pytest.fixture
def homes(make_homes: Any) -> dict[str, Path]:
    """A province and a commune below it, on the embedded engine."""
    return {unit: home.path for unit, home in make_homes("H41", "H41.12.03").items()}


class Commune:
    """The commune's home between commands: dossiers are filed, receipts issued, neighbours met."""

    def __init__(self, path: Path, helpers: Any, key_pool: Any) -> None:
        self.path = path
        self.helpers = helpers
        self.key_pool = key_pool

    def file(self, count: int) -> list[str]:
        """File dossiers with a scan each, get their receipts, and return their streams."""
        from server.pki.authority import Authority

        node = Node(Home.open(self.path))
        try:
            person = self.helpers.issue_person(Authority.open(node.home), self.key_pool())
            node.copier.ensure_certificate(node.database, person.certificate)
            return [self._file_one(node, person) for _ in range(count)]
        finally:
            node.close()

    def _file_one(self, node: Node, person: Any) -> str:
        jpeg = b"\xff\xd8\xff\xe0" + secrets.token_bytes(50_000)
        manifest, chunks = build_manifest(jpeg)
        event = self.helpers.submission(node.unit, person, files=[self.helpers.file_reference(jpeg)])
        source = Source("peer", "x")
        node.intake.admit(node.files_database, [*map(chunk_doc, chunks), manifest_doc(manifest)], source=source)
        (result,) = node.intake.admit(node.database, [person.sign(event)], source=source)
        assert result.error is None, result.error
        node.model.follower.catch_up()
        assert node.receipts.consider(event["stream"])
        node.model.follower.catch_up()
        return str(event["stream"])

    def meet(self, url: str) -> int:
        """Replicate with the province once; return how many documents were written either way."""
        node = Node(Home.open(self.path))
        try:
            node.links.put(Neighbour("parent", url, "parent"))
            return node.sync.run_once("parent").docs_written
        finally:
            node.close()

    def settle(self, url: str) -> int:
        """Meet until neither has news, and return how many documents were written: what the province cosigned of our
        log in one meeting comes with the next."""
        written = [self.meet(url)]
        while written[-1] and len(written) < 5:
            written.append(self.meet(url))
        assert written[-1] == 0, written
        return sum(written)

    def dossiers(self) -> set[str]:
        """Return the streams in the read model as it is."""
        node = Node(Home.open(self.path))
        try:
            return {row.stream for row in node.model.queries.dossiers(DossierFilter()).rows}
        finally:
            node.close()

    def birth(self) -> str:
        """Return what tells one computation of the read model from another."""
        node = Node(Home.open(self.path))
        try:
            return node.model.queries.birth()
        finally:
            node.close()

    def content(self, engine: Engine | None = None) -> dict[str, dict[str, tuple[Any, ...]]]:
        """Return every document of a store of the home: its leaves, path, body, and attachments with their bytes."""
        home = Home.open(self.path)
        found: dict[str, dict[str, tuple[Any, ...]]] = {}
        with closing(open_engine(home, engine) if engine else open_store(home)) as store:
            for name in store.names():
                database = store.open(name)
                ids = [DocId(row.id) for row in database.all_docs(AllDocsQuery()).rows]
                rows = database.bulk_get([GetRequest(each) for each in ids], attachments=True)
                found[name] = {str(doc.id): _essence(doc) for (doc,) in rows if isinstance(doc, Doc)}
                assert len(found[name]) == len(ids)
        return found


def _essence(doc: Doc) -> tuple[Any, ...]:
    import orjson

    attachments = {name: (entry.content_type, entry.data) for name, entry in doc.attachments.items()}
    return doc.rev, doc.path, orjson.loads(doc.body), attachments


@pytest.fixture
def commune(homes: dict[str, Path], helpers: Any, key_pool: Any) -> Commune:
    return Commune(homes["H41.12.03"], helpers, key_pool)


@pytest.mark.couchdb
@needs_couchdb
def test_a_node_moves_to_couchdb_and_back_and_its_neighbour_misses_nothing(
    tram: Tram, homes: dict[str, Path], commune: Commune, serve: Any, prefix: str
) -> None:
    """Nothing is lost or sent twice: after each move the two find their last common point, and then only what is new
    travels. `tram verify` passes on either store, before and after."""
    _, url = serve(Home.open(homes["H41"]))
    province = Commune(homes["H41"], commune.helpers, commune.key_pool)
    to_couch = ("migrate", commune.path, "--to", "couchdb", COUCHDB, "--prefix", prefix)
    streams = set(commune.file(4))
    assert commune.settle(url) > 0
    uuids = set()

    for move in (to_couch, ("migrate", commune.path, "--to", "sqlite")):
        before, old = commune.content(), Home.open(commune.path).settings.engine
        uuids.add(_uuid(commune.path))
        birth = commune.birth()
        status, out, err = tram(*move)

        assert (status, "verified:" in out, f"{EVENTS}: moving" in err) == (0, True, True), (out, err)
        assert commune.content() == before == commune.content(old)
        assert commune.dossiers() == streams
        assert commune.birth() != birth
        assert verify_path(commune.path).holds
        assert commune.meet(url) == 0  # everything was there already; nothing is sent twice
        streams |= set(commune.file(2))
        assert commune.settle(url) > 0
        assert verify_path(commune.path).holds
        status, _, err = tram("migrate", commune.path, "--forget-old")
        assert status == 0, err
        assert Home.open(commune.path).settings.old_engine is None

    uuids.add(_uuid(commune.path))
    assert len(uuids) == 3  # another store each time, so nobody goes on from a seq it never gave
    held = commune.content()
    above = province.content()
    for name in (EVENTS, FILES):
        assert held[name].items() <= above[name].items()
    with closing(CouchStore(COUCHDB, prefix=prefix)) as store:
        assert store.names() == []


def _uuid(path: Path) -> str:
    with closing(open_store(Home.open(path))) as store:
        return store.uuid


@pytest.mark.couchdb
@needs_couchdb
def test_a_move_that_was_interrupted_goes_on_and_until_then_the_node_stays_where_it_was(
    tram: Tram, commune: Commune, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C half way leaves the settings alone; the second call sends only the rest."""
    commune.file(3)
    before = commune.content()
    arguments = ("migrate", commune.path, "--to", "couchdb", COUCHDB, "--prefix", prefix)

    def interrupted(source: Any, target: Any, progress: Any) -> Any:
        def tell(each: Progress) -> None:
            progress(each)
            if each.database == FILES and each.phase == "moving":
                raise KeyboardInterrupt

        return migrate(source, target, tell)

    monkeypatch.setattr(command, "migrate", interrupted)
    assert tram(*arguments)[0] == 130
    monkeypatch.undo()
    assert Home.open(commune.path).settings.engine == Engine()
    assert commune.dossiers()

    status, out, _ = tram(*arguments)

    assert status == 0
    files = len(before[FILES])
    moved = int(out.split(" revisions")[0].rpartition(" ")[2])
    assert moved == sum(map(len, before.values())) - files
    assert commune.content() == before


@pytest.mark.couchdb
@needs_couchdb
def test_the_place_of_another_node_is_left_alone(tram: Tram, commune: Commune, prefix: str) -> None:
    """A prefix that somebody else's databases begin with is refused before anything is written there."""
    with closing(CouchStore(COUCHDB, prefix=prefix)) as store:
        store.create("u-h99")
        status, _, err = tram("migrate", commune.path, "--to", "couchdb", COUCHDB, "--prefix", prefix)
        assert (status, "u-h99" in err) == (1, True)
        store.delete("u-h99")
        stranger = store.create(EVENTS)
        stranger.bulk_docs([Doc(DocId("x"), None, (), body=b"{}")])
        commune.file(1)
        status, _, err = tram("migrate", commune.path, "--to", "couchdb", COUCHDB, "--prefix", prefix)
        assert (status, "another place" in err) == (1, True)
        assert stranger.info().doc_count == 1
    assert Home.open(commune.path).settings.engine == Engine()


@pytest.mark.couchdb
@needs_couchdb
def test_what_does_not_verify_does_not_become_the_nodes_store(
    tram: Tram, commune: Commune, prefix: str, helpers: Any
) -> None:
    """A document that was slipped into the store is moved faithfully and then found; the node stays where it was."""
    commune.file(1)
    with closing(open_store(Home.open(commune.path))) as store:
        store.open(EVENTS).bulk_docs([Doc(DocId("cert:forged"), None, (), body=b'{"certificate":"AA=="}')])

    status, _, err = tram("migrate", commune.path, "--to", "couchdb", COUCHDB, "--prefix", prefix)

    assert (status, "cert:forged" in err, "stays on its old store" in err) == (1, True, True)
    assert Home.open(commune.path).settings.engine == Engine()


@pytest.mark.couchdb
@needs_couchdb
def test_the_old_store_is_not_forgotten_while_it_holds_something_alone(
    tram: Tram, commune: Commune, prefix: str
) -> None:
    """Somebody put the old settings back for a day: what was filed then is not thrown away."""
    commune.file(1)
    assert tram("migrate", commune.path, "--to", "couchdb", COUCHDB, "--prefix", prefix)[0] == 0
    moved = (commune.path / "node.json").read_bytes()
    home = Home.open(commune.path)
    home.with_settings(_on_sqlite(home))
    commune.file(1)
    (commune.path / "node.json").write_bytes(moved)

    status, _, err = tram("migrate", commune.path, "--forget-old")

    assert (status, "nothing was removed" in err) == (1, True)
    (problem,) = verify_path(commune.path).problems  # node.db's log knows what went into the other store that day
    assert "2 events it took are not here any more" in problem
    assert commune.content(Engine())


def _on_sqlite(home: Home) -> Any:
    from dataclasses import replace

    return replace(home.settings, engine=Engine(), old_engine=None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "sqlite"), "on that store already"),
        (("--to", "sqlite", "--prefix", "x-"), "--to sqlite, or"),
        (("--to", "couchdb"), "--to sqlite, or"),
        (("--to", "oracle"), "--to sqlite, or"),
        (("--to", "couchdb", "ftp://x"), "http://user:password@host:5984"),
        (("--to", "couchdb", "http://127.0.0.1:9"), "does not answer"),
        (("--forget-old",), "keeps no old store"),
    ],
)
def test_a_move_that_cannot_be_is_refused_with_what_to_say(
    tram: Tram, commune: Commune, arguments: tuple[str, ...], words: str
) -> None:
    """And changes nothing."""
    before = (commune.path / "node.json").read_bytes()

    status, _, err = tram("migrate", commune.path, *arguments)

    assert (status, words in err) == (1, True), err
    assert (commune.path / "node.json").read_bytes() == before


def test_a_node_that_is_being_served_is_not_moved(tram: Tram, commune: Commune) -> None:
    """Its store would change under the move."""
    with locked(commune.path):
        status, _, err = tram("migrate", commune.path, "--to", "couchdb", "http://127.0.0.1:9")
    assert (status, "stop that one first" in err) == (1, True)
