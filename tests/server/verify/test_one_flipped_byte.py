"""The verifier over a real home: good, and damaged behind the program's back."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing

import pytest

from server.dossier.documents import FILE_PREFIX, chunk_doc, manifest_doc
from server.dossier.manifest import build_manifest
from server.intake.source import Source
from server.verify import verify_path

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300


@pytest.fixture
def stocked(commune, citizen, helpers):
    """The path of a home with two events, a file, and every certificate; its store closed."""
    source = Source("peer", "x")
    manifest, chunks = build_manifest(JPEG)
    commune.intake.admit("f-h41-12-03", [*map(chunk_doc, chunks), manifest_doc(manifest)], source=source)
    docs = [
        citizen.sign(helpers.submission(commune.home.unit, citizen, files=[helpers.file_reference(JPEG)]))
        for _ in range(2)
    ]
    assert [r.error for r in commune.intake.admit(commune.database, docs, source=source)] == [None, None]
    commune.store.close()
    return commune.home.path, [doc.id for doc in docs], manifest


def test_a_sound_home_holds(stocked):
    """Everything is counted, and nothing is complained of."""
    path, _, _ = stocked

    report = verify_path(path)

    assert report.problems == []
    assert report.notes == []
    assert report.checked["events"] == 2
    assert report.checked["chunks"] == 8
    assert report.checked["whole files"] == 1
    assert report.checked["certificates"] >= 4


def test_what_is_kept_of_a_file_does_not_grow_with_its_chunks(commune, helpers):
    """A home of a hundred thousand dossiers has millions of chunks: one id for each file is all that is kept."""
    from server.verify.documents import DocumentCheck, Found
    from server.verify.proofs import Proofs

    kept = []
    for size in (40_000, 4_000_000):
        manifest, chunks = build_manifest((JPEG * 60)[:size])
        docs = [*map(chunk_doc, chunks), manifest_doc(manifest)]
        assert all(r.error is None for r in commune.intake.admit("f-h41-12-03", docs, source=Source("peer", "x")))
        database, found = commune.store.open("f-h41-12-03"), Found()
        names = {FILE_PREFIX + manifest.id, *manifest.chunks}
        rows = [row for row in database.changes().rows if row.id in names]
        DocumentCheck(database, Proofs(commune.home.anchors()), found).run(rows)
        assert (found.report.checked["chunks"], found.manifests) == (len(set(manifest.chunks)), [manifest.id])
        kept.append(len(pickle.dumps(found)))

    assert kept[1] < kept[0] + 50


def test_another_root_proves_nothing(stocked, tmp_path):
    """Trust comes from the root that was named, not from what the home says of itself."""
    from datetime import UTC, datetime

    from server.home import Engine, Home, Settings
    from server.pki.authority import found_root

    path, _, _ = stocked
    stranger = found_root(Home.create(tmp_path / "s", Settings("H41", "x", Engine(), None, "")), datetime.now(UTC))

    report = verify_path(path, [stranger.certificate])

    assert not report.holds
    assert report.checked["events"] == 0


def _stored(path, name, doc_id):
    """Return a database file's content, and where in it the stored body of a document lies (start, end)."""
    file = path / "store" / f"{name}.sqlite"
    sql = "SELECT b.json FROM bodies b JOIN docs d ON d.body = b.body WHERE d.id = ?"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (body,) = connection.execute(sql, (doc_id,)).fetchone()
    content = file.read_bytes()
    start = content.index(body)
    return file, content, start, start + len(body)


def _with_a_bit_flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_every_flipped_byte_of_an_event_is_named(stocked):
    """Each byte of a stored event counts: whichever is flipped on the disk, the verifier names that event."""
    path, ids, _ = stocked
    file, content, start, end = _stored(path, "u-h41-12-03", ids[0])
    unseen = []
    for at in [start, *range(start + 1, end, 17), end - 1]:
        file.write_bytes(_with_a_bit_flipped(content, at))
        if not any(ids[0] in problem for problem in verify_path(path).problems):
            unseen.append(at - start)
    file.write_bytes(content)

    assert unseen == []
    assert verify_path(path).holds


def test_a_flipped_byte_of_a_chunk_is_found(stocked):
    """The chunk is named, and the verdict is no."""
    path, _, manifest = stocked
    file = path / "store" / "f-h41-12-03.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()

    file.write_bytes(_with_a_bit_flipped(content, content.index(bytes(range(256)) * 3) + 300))

    report = verify_path(path)
    assert not report.holds
    assert any(chunk in problem for chunk in manifest.chunks for problem in report.problems), report.problems


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize(("name", "prefix"), [("f-h41-12-03", "file:"), ("u-h41-12-03", "cert:")])
def test_a_flipped_byte_of_a_manifest_or_certificate_is_found(stocked, name, prefix, place):
    """The document is named, and the verdict is no."""
    path, _, _ = stocked
    with closing(sqlite3.connect(path / "store" / f"{name}.sqlite")) as connection:
        sql = "SELECT id FROM docs WHERE id LIKE ? ORDER BY id LIMIT 1"
        (doc_id,) = connection.execute(sql, (prefix + "%",)).fetchone()
    file, content, start, end = _stored(path, name, doc_id)

    file.write_bytes(_with_a_bit_flipped(content, start + int((end - start) * place)))

    report = verify_path(path)
    assert not report.holds
    assert any(doc_id in problem for problem in report.problems), report.problems


def test_a_missing_chunk_is_a_note_and_a_foreign_document_a_problem(stocked):
    """What has not come yet is not damage; what intake would never take is."""
    from replication.document import Doc, DocId
    from replication.sqlite import SqliteStore

    path, _, manifest = stocked
    store = SqliteStore(path / "store")
    files, events = store.open("f-h41-12-03"), store.open("u-h41-12-03")
    chunk = DocId(manifest.chunks[1])
    files.purge({chunk: [files.get(chunk).rev]})
    events.bulk_docs([Doc(DocId("note"), body=b'{"a":1}')])
    store.close()

    report = verify_path(path)

    assert len(report.notes) == 1
    assert len(report.problems) == 1
    assert "note" in report.problems[0]
