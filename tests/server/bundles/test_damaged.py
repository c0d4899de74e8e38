"""Sticks that were hurt, or written by somebody who means harm: what is whole is taken, the rest named and refused."""

from __future__ import annotations

import pytest

C, D, P = "H41.12.03", "H41.12", "H41"
SHARED = ("u-h41-12-03", "f-h41-12-03")


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
