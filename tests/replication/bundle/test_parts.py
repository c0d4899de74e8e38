"""Parts of a bundle: what is written is what is read, and damage stays where it is."""

from __future__ import annotations

import errno
import itertools
import os
import struct
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication.bundle import AgeKey, BadBundle, BundleError, Damaged, MediumError, Opener, PartReader, Sealer, Stretch
from replication.bundle.frames import HEAD, MAGIC, MAX_PLAIN, FrameHead, open_frame, parse_frame_head, seal_frame
from replication.bundle.reader import read_envelope
from replication.document import Seq


def test_what_went_in_comes_out(workshop):
    """Documents, bytes of attachments, positions and the manifest's words survive the way."""
    workshop.fill(300, 70)

    (part,) = workshop.write()
    reader, docs, faults = workshop.read(part.path)

    assert faults == []
    assert reader.faults == []
    database = workshop.store.open("u-a")
    from replication.store import GetRequest

    stored = [found[0] for found in database.bulk_get([GetRequest(doc.id) for doc in docs], attachments=True)]
    assert [(d.id, d.rev, d.path, d.body) for d in docs] == [(d.id, d.rev, d.path, d.body) for d in stored]
    assert [d.attachments["chunk"].data for d in docs if d.attachments] == [
        d.attachments["chunk"].data for d in stored if d.attachments
    ]
    assert len(docs) == 370
    assert reader.manifest.is_last
    assert reader.manifest.until == {"u-a": database.info().update_seq}
    assert not list(workshop.folder.glob("*.part"))


def test_frames_follow_one_another_without_a_gap(workshop):
    """The end of each stretch is the beginning of the next, from the basis to the end of the feed."""
    workshop.fill(0, 130)

    (part,) = workshop.write()
    reader, _, _ = workshop.read(part.path)

    frames = reader.manifest.frames
    assert len(frames) == 5
    assert frames[0].since == "0"
    assert all(a.until == b.since for a, b in itertools.pairwise(frames))
    assert all(frame.length <= 1024 * 1024 + 1024 for frame in frames)


def test_a_bundle_is_split_into_parts_that_stand_alone(workshop):
    """Each part opens by itself, none is larger than asked, and only the last says how far all goes."""
    workshop.fill(10, 100)

    parts = workshop.write(part_bytes=1_300_000)

    assert len(parts) == 3
    assert [part.path.name for part in parts] == [f"a-b-000001.{n:03d}.tram" for n in range(1, 4)]
    assert max(part.size for part in parts) <= 1_300_000
    read = [workshop.read(part.path) for part in reversed(parts)]
    assert sum(len(docs) for _, docs, _ in read) == 110
    assert [reader.manifest.is_last for reader, _, _ in read] == [True, False, False]


def test_what_does_not_fit_is_left_for_the_next_bundle(workshop):
    """The budget is kept to the byte, and `until` says how far it went, so that the next one goes on from there."""
    workshop.fill(0, 100)

    (first,) = workshop.write(limit_bytes=2_500_000)
    reader, docs, _ = workshop.read(first.path)
    reached = reader.manifest.until["u-a"]
    (second,) = workshop.write(since=reached)
    _, rest, _ = workshop.read(second.path)

    assert first.size <= 2_500_000
    assert 0 < len(docs) < 100
    assert sorted([d.id for d in docs] + [d.id for d in rest]) == [f"chunk-{i:06d}" for i in range(100)]


@pytest.mark.parametrize("kept", [0, 10, 21, 22, 200, 1500, 0.3, 0.6, 0.9, -1, -19, -30])
def test_a_part_that_is_cut_off_gives_what_is_before_the_cut(workshop, kept):
    """Wherever it ends, whole frames are read or it is refused; nothing crashes and nothing wrong comes out."""
    workshop.fill(600, 40)
    (part,) = workshop.write()
    data = part.path.read_bytes()
    size = int(len(data) * kept) if isinstance(kept, float) else kept % len(data) if kept < 0 else kept
    part.path.write_bytes(data[:size])

    if size < 500:
        with pytest.raises(BadBundle):
            PartReader(part.path, workshop.verifier, workshop.opener)
        return
    reader, docs, faults = workshop.read(part.path)

    if size > len(data) - 40:  # the trailer alone is hurt: the manifest is found by looking for it
        assert (len(docs), faults) == (640, [])
        assert (reader.manifest is None) == (size < len(data) - 20)
    else:
        assert reader.manifest is None
        assert any("manifest is missing" in fault for fault in reader.faults)
        assert len(docs) < 640


def test_one_flipped_byte_costs_one_frame_at_most(workshop):
    """Bytes all over a part flipped, each in turn: the rest is read, and nothing wrong is taken for right."""
    workshop.fill(60, 40)
    (part,) = workshop.write()
    data = part.path.read_bytes()
    whole = {(d.id, d.rev, d.body) for d in workshop.read(part.path)[1]}
    frames = len(workshop.read(part.path)[0].manifest.frames)
    assert frames == 2
    places = [*range(0, len(data), len(data) // 40), *range(len(data) - 700, len(data), 29)]

    for place in places:
        part.path.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
        try:
            reader, docs, faults = workshop.read(part.path)
        except BadBundle:
            assert place < 22  # "tram-bundle/1": no longer says what it is, and the manifest says another beginning
            continue
        found = {(d.id, d.rev, d.body) for d in docs}
        assert found <= whole
        assert len(faults) + len(reader.faults) <= 1
        assert len(faults) <= 1
        if not faults:
            assert found == whole


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_damage_gives_a_part_of_the_truth(workshop, data):
    """Cut, flip, insert, remove, repeat, swap stretches of bytes: only true documents come out, or a clear refusal."""
    if "u-a" not in workshop.store.names():
        workshop.fill(120, 5, size=2000)
        workshop.path = workshop.write(part_bytes=1 << 30)[0].path
        workshop.good = workshop.path.read_bytes()
        workshop.truth = {(d.id, d.rev, d.body) for d in workshop.read(workshop.path)[1]}
    raw = bytearray(workshop.good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        size = data.draw(st.integers(1, 3000))
        how = data.draw(st.sampled_from(["flip", "cut", "remove", "insert", "repeat", "zero"]))
        if how == "flip":
            raw[at] ^= data.draw(st.integers(1, 255))
        elif how == "cut":
            del raw[max(1, at) :]
        elif how == "remove":
            del raw[at : at + size]
        elif how == "insert":
            raw[at:at] = os.urandom(size)
        elif how == "repeat":
            raw[at:at] = raw[at : at + size]
        else:
            raw[at : at + size] = bytes(len(raw[at : at + size]))
        if not raw:
            raw = bytearray(b"x")
    workshop.path.write_bytes(raw)

    try:
        _, docs, _ = workshop.read(workshop.path)
    except BundleError:
        return

    assert {(d.id, d.rev, d.body) for d in docs} <= workshop.truth


def test_frames_in_another_order_are_found_by_their_index(workshop):
    """With the manifest its places are wrong, so the hash refuses them; none is taken for another."""
    workshop.fill(0, 70)
    (part,) = workshop.write()
    reader, _, _ = workshop.read(part.path)
    first, second = reader.manifest.frames[:2]
    data = bytearray(part.path.read_bytes())
    a = data[first.offset : first.offset + HEAD.size + first.length]
    b = data[second.offset : second.offset + HEAD.size + second.length]
    data[first.offset : second.offset + HEAD.size + second.length] = b + a
    part.path.write_bytes(data)

    _, docs, faults = workshop.read(part.path)

    assert len(faults) == 2
    assert all("not those the manifest names" in fault for fault in faults)
    assert {doc.id for doc in docs} == {f"chunk-{i:06d}" for i in range(first.count + second.count, 70)}


def test_a_frame_of_another_bundle_is_not_taken(workshop):
    """A frame sealed to the same node, put where another was: its own words say where it belongs."""
    workshop.fill(0, 20)
    (one,) = workshop.write()
    (two,) = workshop.write()
    entry = workshop.read(one.path)[0].manifest.frames[0]
    other = workshop.read(two.path)[0].manifest.frames[0]
    foreign = two.path.read_bytes()[other.offset : other.offset + HEAD.size + other.length]
    data = one.path.read_bytes()
    spliced = data[: entry.offset] + foreign  # and no manifest behind it
    one.path.write_bytes(spliced)

    _, docs, faults = workshop.read(one.path)

    assert docs == []
    assert "belongs to another place" in faults[0]


def test_a_manifest_signed_by_somebody_else_is_refused(workshop, make_signer):
    """Another key under the name of the source, and a source that is not the signer, are refused whole."""
    workshop.fill(3)
    true_signer = workshop.signer
    workshop.signer = make_signer("A")
    (forged,) = workshop.write()
    with pytest.raises(BadBundle, match="signed by nobody"):
        workshop.read(forged.path)

    workshop.signer = make_signer("C")
    workshop.verifier.known["C"] = workshop.signer
    (borrowed,) = workshop.write()
    with pytest.raises(BadBundle, match="the node of C signed it"):
        workshop.read(borrowed.path)
    workshop.signer = true_signer


def test_envelope_and_manifest_of_two_bundles_do_not_go_together(workshop):
    """The head of one bundle before the body of another is refused, though both are signed."""
    workshop.fill(3)
    (one,) = workshop.write()
    (two,) = workshop.write()
    head_one = one.path.read_bytes().split(MAGIC)[0]
    body_two = two.path.read_bytes()
    body_two = body_two[len(body_two.split(MAGIC)[0]) :]
    one.path.write_bytes(head_one + body_two)

    with pytest.raises(BadBundle, match="two bundles"):
        workshop.read(one.path)


def test_without_a_key_the_outside_can_be_read(workshop):
    """A relay sees whom it is for and checks every checksum; it sees no document."""
    workshop.fill(30)
    (part,) = workshop.write()

    assert read_envelope(part.path, workshop.verifier)[1].target == "B"
    with PartReader(part.path, workshop.verifier, None) as reader:
        (slot,) = reader.slots()
        assert reader.check(slot)
        with pytest.raises(BadBundle, match="key"):
            reader.read(slot)
    with PartReader(part.path, workshop.verifier, Opener([AgeKey.generate()])) as reader:
        assert any("does not open" in fault for fault in reader.faults)
    assert b"doc-0000" not in part.path.read_bytes()


def test_a_bomb_is_refused_before_it_is_unpacked():
    """A frame that says it unpacks to more than the limit, or says nothing, costs no memory."""
    key = AgeKey.generate()
    sealer, opener = Sealer([key.recipient]), Opener([key])
    huge = zstandard.ZstdCompressor(level=19).compress(bytes(MAX_PLAIN + 1))
    silent = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(bytes(200_000))

    for packed in (huge, silent):
        with pytest.raises(BadBundle, match="at most"):
            open_frame(sealer.seal(packed), opener)
    liar = bytearray(zstandard.ZstdCompressor().compress(bytes(1000)))
    with pytest.raises((Damaged, BadBundle)):
        open_frame(sealer.seal(bytes(liar[:-3])), opener)
    with pytest.raises(BadBundle, match="at most"):
        seal_frame(bytes(MAX_PLAIN + 1), 0, "events", sealer)


def test_a_head_that_promises_too_much_is_not_believed():
    """A length beyond the limit is no frame, even with a checksum that fits."""
    good = FrameHead(3, 1000, 7).pack()
    assert parse_frame_head(good) == FrameHead(3, 1000, 7)
    first = HEAD.pack(MAGIC, 3, 0xFFFFFFF0, 7, 0)[:-4]

    with pytest.raises(Damaged):
        parse_frame_head(first + struct.pack(">I", zlib.crc32(first)))
    with pytest.raises(Damaged):
        parse_frame_head(good[:-1] + bytes([good[-1] ^ 1]))


@pytest.mark.parametrize("length", [1, 900_000])
def test_heads_that_lie_about_what_follows_do_not_have_it_read_again_and_again(workshop, monkeypatch, length):
    """A file of nothing but heads, each with a length that may be true: what is read stays near the file's size."""
    workshop.fill(3)
    (part,) = workshop.write()
    head = part.path.read_bytes().split(MAGIC)[0]
    part.path.write_bytes(head + b"".join(FrameHead(i, length, 7).pack() for i in range(40_000)))
    size, read, asked = part.path.stat().st_size, PartReader._read, []

    def counting(self, offset, wanted):
        data = read(self, offset, wanted)
        asked.append(len(data))
        return data

    monkeypatch.setattr(PartReader, "_read", counting)
    _, docs, faults = workshop.read(part.path)

    assert docs == []
    assert faults
    assert sum(asked) < 12 * size


class _Failing:
    """A file whose medium fails after some bytes."""

    def __init__(self, path, number, after):
        self._file = path.open("wb")
        self._number = number
        self._left = after

    def write(self, data):
        self._left -= len(data)
        if self._left < 0:
            raise OSError(self._number, os.strerror(self._number))
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize(
    ("number", "word", "advice"),
    [
        (errno.ENOSPC, "full", "--max-size"),
        (errno.EIO, "unplugged", "Put it in again"),
        (errno.EROFS, "read_only", "switch on the stick"),
        (errno.EFBIG, "full", "--part-size"),
    ],
)
def test_a_medium_that_fails_is_told_with_advice_and_leaves_nothing_half(workshop, number, word, advice):
    """Full, pulled out, write-protected: the error says what to do, older bundles stay, no torn one remains."""
    workshop.fill(10, 100)
    (older,) = workshop.write()

    with pytest.raises(MediumError, match=advice) as caught:
        workshop.write(part_bytes=1_300_000, open_file=lambda path: _Failing(path, number, 1_200_000))

    assert caught.value.word == word
    assert [path.name for path in workshop.folder.iterdir()] == [older.path.name]


def test_what_is_read_back_wrong_is_not_called_written(workshop, monkeypatch):
    """A stick that keeps other bytes than it was given (fake capacity) is found out before it leaves the machine."""
    workshop.fill(30)
    fsync = os.fsync

    def lying_fsync(descriptor):
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.name.endswith(".part"):
            with path.open("r+b") as file:
                file.seek(-100, 2)
                file.write(b"?")

    monkeypatch.setattr(os, "fsync", lying_fsync)

    with pytest.raises(MediumError, match="read back"):
        workshop.write()
    assert list(workshop.folder.iterdir()) == []


def test_a_stretch_without_documents_takes_no_room(workshop):
    """An end of a feed in which nothing was wanted is no frame."""
    workshop.fill(1)
    from replication.bundle import BundleWriter

    with BundleWriter(
        workshop.folder,
        "x",
        workshop.plan(),
        signer=workshop.signer,
        sealer=Sealer([workshop.key.recipient]),
        limit_bytes=100_000,
    ) as writer:
        assert writer.add("events", "u-a", Stretch((), Seq("0"), Seq("9-x")))
        (part,) = writer.finish({"u-a": Seq("9-x")})

    reader, docs, _ = workshop.read(part.path)
    assert docs == []
    assert reader.manifest.until == {"u-a": "9-x"}
