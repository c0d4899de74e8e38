"""A commune and a district without a link: everything goes by stick, both ways."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from server.errors import Refused

C, D, P = "H41.12.03", "H41.12", "H41"
SHARED = ("u-h41-12-03", "f-h41-12-03")


def test_dossiers_with_files_go_up_and_what_the_district_says_comes_back(carry):
    """Two nodes that never met: introductions, a bundle up, a bundle back, equal sets on both, all acknowledged."""
    carrier = carry()
    streams = [carrier.file(C, 100_000, 5_000, seed=i) for i in range(5)]
    with pytest.raises(Refused, match="introduction is on the stick"):
        carrier.send(C, D)
    assert carrier.take(D).introduced == [C]
    first = carrier.send(D, C)  # it has nothing yet but its key, and the registry
    assert first.parts
    assert carrier.take(C).introduced == [D]

    up = carrier.send(C, D)
    assert (up.dossiers, up.is_whole) == (5, True)
    came = carrier.take(D)

    assert came.problems == []
    assert came.refused == 0
    assert came.whole == [up.bundle]
    district = carrier.nodes[D]
    rows = [district.model.queries.dossier(stream) for stream in streams]
    assert [(row.files_here, row.files_total) for row in rows] == [(2, 2)] * 5
    carrier.comment(D, streams[0], "Huyện đã xem qua USB")
    back = carrier.send(D, C)
    returned = carrier.take(C)

    assert returned.acknowledged == 1
    assert carrier.comments(C, streams[0]) == ["Huyện đã xem qua USB"]
    assert carrier.held(C, *SHARED) == carrier.held(D, *SHARED)
    assert back.documents < 20  # what came from the commune is not sent back to it
    assert [district.quarantine.count(), carrier.nodes[C].quarantine.count()] == [0, 0]


def test_a_stick_that_is_called_safe_has_its_names_too(carry, monkeypatch):
    """Our folder on a new stick and the introduction in it are synced, names included, before anybody is told so."""
    carrier = carry()
    fsync, synced = os.fsync, []

    def recording(descriptor):
        fsync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", recording)
    with pytest.raises(Refused, match="introduction is on the stick"):
        carrier.send(C, D)

    stick = carrier.stick()
    assert stick in synced
    assert synced[-1] == stick / "tram"
    assert synced[-2].name == "gioi-thieu-h41-12-03.json.part"


@pytest.fixture
def pair(carry):
    """A commune and its district that know one another's keys and nothing else of each other."""
    carrier = carry()
    carrier.meet(C, D)
    return carrier


def test_the_second_bundle_holds_only_what_is_new(pair):
    """After an acknowledgement the next bundle begins where the last one ended; before it, at the same place again."""
    pair.file(C, 90_000)
    first = pair.send(C, D)
    again = pair.send(C, D)
    pair.take(D)
    pair.send(D, C)
    assert pair.take(C).acknowledged >= 1
    pair.file(C, 40_000, seed=5)
    third = pair.send(C, D)

    assert again.documents >= first.documents
    assert 0 < third.documents < first.documents
    assert third.dossiers == 1
    assert third.since


def test_nothing_new_writes_nothing(pair):
    """When the other side has everything, no bundle is made and the stick says so."""
    pair.file(C, 1000)
    pair.send(C, D)
    pair.take(D)
    pair.send(D, C)
    pair.take(C)
    told = pair.send(C, D)  # tells the district that its bundle came
    pair.take(D)
    before = pair.parts()

    assert told.documents == 0
    assert pair.send(D, C).parts == ()
    assert pair.send(C, D).parts == ()
    assert pair.parts() == before


def test_taking_the_same_stick_twice_changes_nothing(pair):
    """The second time everything is known; the sets do not change and nothing is called wrong."""
    pair.file(C, 50_000)
    pair.send(C, D)
    pair.take(D)
    before = pair.held(D, *SHARED)

    found = pair.take(D)

    assert (found.stored, found.skipped, found.problems) == (0, 1, [])
    assert pair.held(D, *SHARED) == before
    assert pair.take(D, force=True).problems == []
    assert pair.held(D, *SHARED) == before


def test_a_stick_pulled_out_half_way_goes_on_where_it_was(pair, monkeypatch):
    """Frames that were stored are not read again; the rest comes with the second try."""
    from replication.bundle import MediumError, PartReader

    pair.file(C, 3_000_000)
    pair.send(C, D)
    read, count = PartReader.read, [0]

    def failing(self, slot):
        count[0] += 1
        if count[0] > 3:  # events and notes are in, files have begun
            self.path.rename(pulled / self.path.name)
            raise MediumError("unplugged", "pulled out")
        return read(self, slot)

    pulled = pair.stick("in the hand")
    monkeypatch.setattr(PartReader, "read", failing)
    with pytest.raises(MediumError):
        pair.take(D)
    (part,) = pulled.iterdir()
    part.rename(pair.stick() / "tram" / part.name)
    half = pair.held(D, "u-h41-12-03") | pair.held(D, *SHARED)
    monkeypatch.setattr(PartReader, "read", read)
    reads = []
    monkeypatch.setattr(PartReader, "read", lambda self, slot: reads.append(slot.index) or read(self, slot))

    found = pair.take(D)

    assert half < pair.held(D, *SHARED)
    assert found.problems == []
    assert 0 not in reads
    assert 1 not in reads
    assert pair.held(C, "f-h41-12-03") == pair.held(D, "f-h41-12-03")


def test_a_damaged_frame_is_named_and_comes_with_the_next_bundle(pair):
    """The rest is stored; the hole travels back in the acknowledgement, and the next bundle fills it."""
    stream = pair.file(C, 3_000_000)
    sent = pair.send(C, D)
    (part,) = pair.parts()
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 1
    part.write_bytes(raw)

    hurt = pair.take(D)
    assert hurt.damaged == 1
    assert "f-h41-12-03, files" in hurt.problems[0]
    assert sent.bundle in hurt.whole
    assert pair.held(D, "f-h41-12-03") < pair.held(C, "f-h41-12-03")
    row = pair.nodes[D].model.queries.dossier(stream)
    assert (row.files_here, row.files_total) == (0, 1)
    pair.send(D, C, "back")
    assert pair.take(C, "back").acknowledged == 0  # it is not whole, so it may not be thrown away
    mended = pair.send(C, D, "next")
    came = pair.take(D, "next")

    assert came.problems == []
    assert pair.held(D, "f-h41-12-03") == pair.held(C, "f-h41-12-03")
    assert mended.bytes < sent.bytes
    assert pair.nodes[D].model.queries.dossier(stream).files_here == 1
    from server.bundles import Ledger

    node = pair.nodes[D]
    have = Ledger(node.db, node.store.uuid).have(C)[pair.nodes[C].store.uuid]
    assert have["f-h41-12-03"].holes == ()


def test_a_bad_sector_costs_the_frame_it_lies_in(pair, monkeypatch):
    """A stick that answers everywhere but in one place is read to its end; what lay there comes with the next one."""
    from replication.bundle import MediumError, PartReader

    pair.file(C, 3_000_000)
    pair.send(C, D)
    (part,) = pair.parts()
    bad, read = part.stat().st_size // 2, PartReader._read

    def reading(self, offset, size):
        if self.path == part and offset <= bad < offset + size:
            raise MediumError("unplugged", "it does not answer")
        return read(self, offset, size)

    monkeypatch.setattr(PartReader, "_read", reading)
    hurt = pair.take(D)

    assert (hurt.damaged, len(hurt.whole)) == (1, 1)
    pair.send(D, C, "back")
    pair.take(C, "back")
    pair.send(C, D, "next")
    assert pair.take(D, "next").problems == []
    assert pair.held(D, "f-h41-12-03") == pair.held(C, "f-h41-12-03")


def _damage(pair, part, section):
    """Flip a byte in the middle of the first frame of a section."""
    from replication.bundle import Opener, PartReader
    from server.bundles import keys
    from server.bundles.exporting import tree_verifier

    node = pair.nodes[D]
    with PartReader(part, tree_verifier(node), Opener([keys.own_key(node.home.path)])) as reader:
        entry = next(frame for frame in reader.manifest.frames if frame.section == section)
    raw = bytearray(part.read_bytes())
    raw[entry.offset + entry.length // 2] ^= 1
    part.write_bytes(raw)


@pytest.mark.parametrize(("section", "size"), [("previews", 300_000), ("files", 300_000), ("previews", 20_000)])
def test_a_damaged_frame_is_not_made_up_for_by_one_that_chose_from_the_same_stretch(pair, section, size):
    """Manifests and chunks of one stretch of the feed lie in different frames: each that was lost comes again."""
    stream = pair.file(C, size)
    pair.send(C, D)
    (part,) = pair.parts()
    _damage(pair, part, section)
    assert pair.take(D).damaged == 1
    assert pair.nodes[D].model.queries.dossier(stream).files_here == 0

    pair.send(D, C, "back")
    pair.take(C, "back")
    pair.send(C, D, "next")
    assert pair.take(D, "next").problems == []

    assert pair.nodes[D].model.queries.dossier(stream).files_here == 1
    assert pair.held(D, "f-h41-12-03") == pair.held(C, "f-h41-12-03")


def test_a_missing_part_holds_the_positions_back(pair):
    """Parts that came are stored; without all of them nothing is acknowledged, and all comes again."""
    pair.file(C, 2_500_000)
    pair.send(C, D, part_bytes=1_200_000)
    parts = pair.parts()
    assert len(parts) == 3
    lost = parts[1].read_bytes()
    parts[1].unlink()

    came = pair.take(D)
    assert came.whole == []
    pair.send(D, C, "back")
    assert pair.take(C, "back").acknowledged == 0
    parts[1].write_bytes(lost)
    found = pair.take(D)

    assert len(found.whole) == 1
    assert pair.held(D, "f-h41-12-03") == pair.held(C, "f-h41-12-03")


def test_parts_under_each_others_names_are_taken_for_what_they_are(pair):
    """Names on the stick are for people; a part says inside which it is."""
    pair.file(C, 2_500_000)
    pair.send(C, D, part_bytes=1_200_000)
    one, two, three = pair.parts()
    contents = [each.read_bytes() for each in (one, two, three)]
    for path, data in zip((one, two, three), (contents[2], contents[0], contents[1]), strict=True):
        path.write_bytes(data)
    one.rename(one.with_name("..%2f..%2fetc%2fpasswd.tram"))

    found = pair.take(D)

    assert (found.problems, len(found.whole)) == ([], 1)
    assert pair.held(D, "f-h41-12-03") == pair.held(C, "f-h41-12-03")


def test_a_part_full_of_nonsense_is_told_in_a_few_lines(pair):
    """However many frames cannot be read, the first are named and the rest are counted."""
    from replication.bundle.frames import MAGIC, FrameHead

    pair.file(C, 1000)
    pair.send(C, D)
    (part,) = pair.parts()
    part.write_bytes(
        part.read_bytes().split(MAGIC)[0] + b"".join(FrameHead(i, 5, 7).pack() + b"wrong" for i in range(300))
    )

    found = pair.take(D)

    assert found.damaged == 300
    assert len(found.problems) < 30
    assert any("and 280 more frames" in problem for problem in found.problems)


def test_links_on_a_stick_are_not_followed(pair, tmp_path):
    """A link that lies there under a bundle's name is left alone, and a folder that is a link is refused."""
    from replication.bundle import MediumError

    pair.file(C, 1000)
    pair.send(C, D)
    (part,) = pair.parts()
    outside = tmp_path / "outside.tram"
    part.rename(outside)
    part.symlink_to(outside)

    assert pair.take(D).parts == 0
    other = pair.stick("other")
    (other / "tram").symlink_to(tmp_path)
    with pytest.raises(MediumError, match="leads somewhere else"):
        pair.send(C, D, "other")


def test_names_as_other_systems_leave_them_are_no_trouble(pair):
    """Capitals of an old file system are read; what a Mac lays beside each file is not taken for a bundle."""
    pair.file(C, 1000)
    pair.send(C, D)
    (part,) = pair.parts()
    part.rename(part.with_name(part.name.upper()))
    part.with_name("._" + part.name).write_bytes(b"\0\5\x16\7\0\2")

    found = pair.take(D)

    assert (found.parts, found.problems) == (1, [])


def test_what_a_pulled_stick_kept_half_is_removed_before_the_next_takes_the_room(pair):
    """Half a bundle of ours goes; what others write there, and whole bundles, stay."""
    pair.file(C, 1000)
    pair.send(C, D)
    folder = pair.stick() / "tram"
    half = folder / "h41-12-03_h41-12_000099-deadbeef.002.tram.part"
    others = folder / "h41-12-04_h41-12_000001-deadbeef.001.tram.part"
    for path in (half, others):
        path.write_bytes(bytes(1000))
    before = pair.parts()

    pair.send(C, D)

    assert not half.exists()
    assert others.exists()
    assert {*before} < {*pair.parts()}


def test_one_stick_is_written_at_a_time(pair):
    """A command beside the desk waits: what the other has half written is not what a pulled stick left."""
    import fcntl

    from server.bundles.exporting import LOCK

    pair.file(C, 1000)
    tried = []

    def writing(done, expected):
        with (pair.nodes[C].home.path / LOCK).open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tried.append(done)

    pair.send(C, D, on_progress=writing)

    assert tried
    assert pair.send(C, D).parts


def test_a_small_stick_takes_events_first_and_goes_on_next_time(pair):
    """What does not fit waits; every dossier is seen at once, and the files follow until nothing is missing."""
    streams = [pair.file(C, 300_000, seed=i) for i in range(6)]

    first = pair.send(C, D, "one", max_bytes=900_000)
    pair.take(D, "one")
    assert not first.is_whole
    assert first.bytes <= 900_000
    rows = [pair.nodes[D].model.queries.dossier(stream) for stream in streams]
    assert all(rows)
    assert 0 < sum(row.files_here for row in rows) < 6
    rounds = 0
    while pair.held(D, "f-h41-12-03") != pair.held(C, "f-h41-12-03"):
        rounds += 1
        assert rounds < 6
        pair.send(D, C, f"back-{rounds}")
        pair.take(C, f"back-{rounds}")
        pair.send(C, D, f"next-{rounds}", max_bytes=900_000)
        pair.take(D, f"next-{rounds}")

    assert [pair.nodes[D].model.queries.dossier(stream).files_here for stream in streams] == [1] * 6


def test_an_older_bundle_replayed_does_no_harm(pair):
    """It is told that it is an older one; what is here stays, and positions do not go back."""
    from server.bundles import Ledger

    pair.file(C, 1000)
    pair.send(C, D, "old")
    pair.file(C, 2000, seed=3)
    pair.send(C, D, "new")
    pair.take(D, "new")
    node = pair.nodes[D]
    have = Ledger(node.db, node.store.uuid).have(C)

    found = pair.take(D, "old")

    assert any("an older one" in note for note in found.notes)
    assert found.problems == []
    assert Ledger(node.db, node.store.uuid).have(C) == have


def test_a_bundle_for_somebody_else_is_kept_closed_and_carried_on(carry):
    """The province's bundle for a commune lies at the district unopened, and goes on with the next stick."""
    carrier = carry()
    carrier.meet(C, D)
    carrier.meet(D, P)
    carrier.meet(P, C)
    from server.node.publishing import publish_sample

    publish_sample(carrier.nodes[P])
    carrier.send(P, C, "from-province")

    passing = carrier.take(D, "from-province")

    assert passing.stored == 0
    assert len(passing.relayed) == 1
    assert carrier.take(D, "from-province").relayed == []
    onward = carrier.send(D, C, "to-commune")
    assert len(onward.relayed) == 1
    assert b"hops=01" in onward.relayed[0].read_bytes()[:30]
    arrived = carrier.take(C, "to-commune")
    assert arrived.problems == []
    assert len(carrier.nodes[C].model.catalogue().bodies) > 30


def test_a_damaged_copy_gives_way_to_a_whole_one_on_its_way(carry):
    """What was cut off when somebody copied it, or is gone from the disk, is kept anew from the next stick."""
    carrier = carry()
    carrier.meet(C, D)
    carrier.meet(P, C)
    carrier.send(P, C, "good")
    (part,) = carrier.parts("good")
    cut = carrier.stick("cut") / part.name
    cut.write_bytes(part.read_bytes()[:-500])
    assert len(carrier.take(D, "cut").relayed) == 1

    assert len(carrier.take(D, "good").relayed) == 1
    (note,) = [each for each in carrier.take(D, "good").notes if part.name in each]
    assert "here already" in note
    (kept,) = (carrier.nodes[D].home.path / "relay").glob("*.tram")
    kept.unlink()
    assert len(carrier.take(D, "good").relayed) == 1
    carrier.send(D, C, "onward")
    assert carrier.take(C, "onward").problems == []


class _Pulled:
    """A file on a stick that is pulled out when more than its beginning is read."""

    def __init__(self, file):
        self._file = file

    def read(self, size):
        if size > 65_600:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._file.read(size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_stick_pulled_while_others_bundles_are_copied_is_told_as_such(carry, monkeypatch):
    """The error says what to do about the stick, and no half copy stays in the home."""
    from replication.bundle import MediumError

    carrier = carry()
    carrier.meet(C, D)
    carrier.meet(P, C)
    carrier.send(P, C)
    (part,) = carrier.parts()
    opened = Path.open

    def opening(self, *arguments, **options):
        file = opened(self, *arguments, **options)
        return _Pulled(file) if self == part else file

    monkeypatch.setattr(Path, "open", opening)

    with pytest.raises(MediumError, match=rf"usb/tram/{part.name}.*Put it in again"):
        carrier.take(D)

    assert list((carrier.nodes[D].home.path / "relay").iterdir()) == []


def test_a_bundle_that_travelled_too_far_or_too_long_is_not_carried_on(carry):
    """Hops beyond the limit and a date that has passed end its way, with the reason."""
    from datetime import UTC, datetime, timedelta

    carrier = carry()
    carrier.meet(P, C)
    carrier.send(P, C)
    (part,) = carrier.parts()
    raw = part.read_bytes()
    part.write_bytes(raw.replace(b"hops=00", b"hops=08", 1))
    assert any("carried on 8 times" in note for note in carrier.take(D).notes)
    part.write_bytes(raw)
    later = datetime.now(UTC) + timedelta(days=200)
    for unit in (D, C):
        carrier.nodes[unit].clock._now = lambda: later

    assert any("it expired" in note for note in carrier.take(D).notes)
    assert any("ask H41 for a new one" in note for note in carrier.take(C).notes)


def test_our_own_bundle_brings_back_what_a_lost_disk_had(pair, make_node, make_homes, tmp_path):
    """A commune whose store was lost takes in what it had written for the district."""
    import shutil

    from server.home import Home

    stream = pair.file(C, 200_000)
    pair.send(C, D)
    before = pair.held(C, *SHARED)
    home = pair.nodes[C].home
    assert pair.take(C).stored == 0  # the same store wrote it and needs nothing
    pair.nodes[C].close()
    for name in ("store", "readmodel.db", "node.db"):
        found = home.path / name
        shutil.rmtree(found) if found.is_dir() else found.unlink()
    (home.path / "store").mkdir()
    pair.nodes[C] = make_node(Home.open(home.path))

    found = pair.take(C)

    assert found.problems == []
    assert before <= pair.held(C, *SHARED)
    assert pair.nodes[C].model.queries.dossier(stream).files_here == 1


def test_a_bundle_cannot_fill_a_database_its_source_has_no_part_in(carry, monkeypatch):
    """A sister commune's key opens no other commune's database here, whatever its manifest says."""
    from server.bundles import content

    carrier = carry(P, D, C, "H41.12.04")
    carrier.meet("H41.12.04", D)
    carrier.meet(C, D)
    carrier.file(C, 1000)
    carrier.send(C, D)
    carrier.take(D)
    sister = carrier.nodes["H41.12.04"]
    source = carrier.nodes[C].store.open("u-h41-12-03")
    target = sister.copier.ensure_database("u-h41-12-03")
    from replication.store import GetRequest

    docs = [found[0] for found in source.bulk_get([GetRequest(row.id) for row in source.changes().rows])]
    target.bulk_docs(docs, new_edits=False)
    monkeypatch.setattr(content, "shared_databases", lambda node, unit: ["u-h41-12-03", "u-h41-12-04"])
    carrier.send("H41.12.04", D, "forged")

    found = carrier.take(D, "forged")

    assert any("none of the databases" in problem for problem in found.problems)


def test_a_forged_frame_cannot_pass_for_one_that_was_stored(pair):
    """Somebody who knows the district's public key seals garbage under a real envelope: the real part still counts."""
    from replication.bundle import Sealer, read_envelope
    from replication.bundle.frames import MAGIC, pack_content, seal_frame
    from server.bundles import keys
    from server.bundles.exporting import tree_verifier

    pair.file(C, 50_000)
    pair.send(C, D)
    (part,) = pair.parts()
    true = part.read_bytes()
    envelope = read_envelope(part, tree_verifier(pair.nodes[D]))[1]
    plain = pack_content(
        bundle=envelope.id, part=1, index=0, section="events", database="u-h41-12-03", since="0", until="9", records=[]
    )
    sealer = Sealer([keys.recipient_of(pair.nodes[C], D)])
    part.write_bytes(true.split(MAGIC)[0] + b"".join(seal_frame(plain, 0, "events", sealer)))
    assert any("without its manifest" in problem for problem in pair.take(D).problems)
    part.write_bytes(true)

    pair.take(D)

    assert pair.held(C, *SHARED) <= pair.held(D, *SHARED)  # where the district's cosignature is besides


def test_a_bundle_of_another_tree_is_refused(pair, tmp_path, carry):
    """A node with its own root, though of the same name, is believed nothing."""
    pair.file(C, 1000)
    pair.send(C, D)
    (part,) = pair.parts()
    node = pair.nodes[D]
    from crypto import keys as ec
    from crypto.chain import TrustAnchors
    from replication.bundle import BadBundle, read_envelope
    from server.bundles.trust import TreeVerifier
    from server.home import Engine, Home, Settings
    from server.pki.authority import found_root

    other = Home.create(tmp_path / "other", Settings("H41", "x", Engine(), None, "2026-01-01T00:00:00Z"))
    root = found_root(other, node.clock.now(), ec.generate_p256())
    verifier = TreeVerifier(TrustAnchors([root.certificate]), [], node.clock.now())

    with pytest.raises(BadBundle, match="signature does not hold"):
        read_envelope(part, verifier)


def test_notes_that_others_register_travel_along(pair):
    """A part of the program gives a signed note and gets the other node's; a kind that is not known is told."""
    from server.bundles import extras

    got = []
    extras.register(
        "checkpoint",
        give=lambda node, unit: f"{node.unit} to {unit}".encode(),
        take=lambda _node, unit, data: got.append((unit, data)),
    )
    try:
        pair.file(C, 1000)
        pair.send(C, D)
        assert pair.take(D).notes == []
    finally:
        extras.unregister("checkpoint")
    assert got == [(C, b"H41.12.03 to H41.12")]
    again = pair.take(D, force=True)
    assert again.problems == []


def test_a_frame_of_a_hundred_thousand_notes_is_refused(pair):
    """Notes are few; a frame that somebody else sealed to us under a true envelope fills no memory with complaints."""
    from replication.bundle import Sealer, read_envelope
    from replication.bundle.frames import MAGIC, pack_content, pack_note, seal_frame
    from server.bundles import keys
    from server.bundles.exporting import tree_verifier

    pair.file(C, 1000)
    pair.send(C, D)
    (part,) = pair.parts()
    envelope = read_envelope(part, tree_verifier(pair.nodes[D]))[1]
    plain = pack_content(
        bundle=envelope.id,
        part=1,
        index=0,
        section="extras",
        database="extras",
        since="0",
        until="0",
        records=[pack_note("x", b"")] * 100_000,
    )
    sealer = Sealer([keys.recipient_of(pair.nodes[C], D)])
    part.write_bytes(part.read_bytes().split(MAGIC)[0] + b"".join(seal_frame(plain, 0, "extras", sealer)))

    found = pair.take(D)

    assert len(found.notes) < 100
    assert any("at most 64" in problem for problem in found.problems)


def test_two_generations_stay_and_what_they_cover_goes(pair):
    """The newest two bundles stay on the stick; older ones go when an acknowledgement or a newer one covers them."""
    for number in range(4):
        pair.file(C, 1000, seed=number)
        pair.send(C, D)

    names = [path.name for path in pair.parts()]

    assert [name.partition("_")[2][7:13] for name in names] == ["000003", "000004"]


def test_a_recovery_key_opens_what_was_sealed_below(carry):
    """What the province publishes as recovery recipient can open the commune's bundle for the district."""
    from replication.bundle import AgeKey, Opener, PartReader
    from server.bundles import keys
    from server.bundles.exporting import tree_verifier

    carrier = carry()
    paper = AgeKey.generate()
    keys.publish(carrier.nodes[P], (carrier.nodes[P].database, "registry"), paper.recipient, "recovery")
    carrier.meet(P, C)
    carrier.meet(C, D)
    carrier.send(P, C, "down")
    carrier.take(C, "down")
    carrier.file(C, 1000)
    carrier.send(C, D, "up")
    (part,) = [path for path in carrier.parts("up") if path.name.startswith("h41-12-03")]

    with PartReader(part, tree_verifier(carrier.nodes[D]), Opener([paper])) as reader:
        assert reader.faults == []
        assert sum(len(reader.read(slot).docs) for slot in reader.slots()) > 0
