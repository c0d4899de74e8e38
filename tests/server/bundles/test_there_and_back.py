"""A commune and a district without a link: everything goes by stick, both ways."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.bundles import preview_export
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


def test_what_is_to_go_is_told_to_a_few_hundredths(pair):
    """Photographs and a scan of many pages, whose chunks are larger: before the stick is there it is known how much."""
    pair.file(C, 300_000, 12_000_000, 250_000)

    told = preview_export(pair.nodes[C], to=D).outlook.bytes
    pair.send(C, D)
    written = sum(part.stat().st_size for part in pair.parts())

    assert written == pytest.approx(told, rel=0.03)


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
