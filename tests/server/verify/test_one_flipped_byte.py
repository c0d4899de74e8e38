"""The verifier over a real home: good, and damaged behind the program's back."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from server.dossier.documents import chunk_doc, manifest_doc
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
    assert report.checked["chunks"] == 3
    assert report.checked["whole files"] == 1
    assert report.checked["certificates"] >= 4


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


def _flip(path, name, needle, offset):
    """Flip one bit of the byte at `offset` inside the first place where `needle` stands in a database file."""
    file = path / "store" / f"{name}.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    at = content.index(needle) + offset
    content[at] ^= 1
    file.write_bytes(bytes(content))


def test_every_flipped_byte_of_an_event_is_named(stocked):
    """Each byte of a stored event's body counts: whichever is flipped, the verifier names that event."""
    path, ids, _ = stocked
    file = path / "store" / "u-h41-12-03.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()
    start = content.index(b'{"event":{')
    end = content.index(b'"}]}', start) + 4
    doc_id = next(each for each in ids if each.partition(":")[0].encode() in content[start:end])
    unseen = []
    for at in range(start, end, 41):  # every 41st byte: all parts of the text, in seconds
        damaged = bytearray(content)
        damaged[at] ^= 1
        file.write_bytes(bytes(damaged))
        if not any(doc_id in problem for problem in verify_path(path).problems):
            unseen.append(content[at - 10 : at + 10])
    file.write_bytes(content)

    assert unseen == []
    assert verify_path(path).holds


@pytest.mark.parametrize(
    ("name", "needle", "offset"),
    [
        ("f-h41-12-03", bytes(range(256)) * 3, 300),
        ("f-h41-12-03", b'{"manifest":{"chunks":["sha256-', 40),
        ("f-h41-12-03", b'"size":', 8),
        ("u-h41-12-03", b'{"certificate":"', 100),
    ],
)
def test_a_flipped_byte_of_a_chunk_manifest_or_certificate_is_found(stocked, name, needle, offset):
    """The document is named, and the verdict is no."""
    path, _, _ = stocked
    _flip(path, name, needle, offset)

    report = verify_path(path)

    assert not report.holds
    assert any(name in problem and "sha256-" in problem for problem in report.problems), report.problems


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
