"""The inside of a part: what it holds, frame by frame, and what the source says to the destination.

    closing frame = age( zstd( u32 length, compact JWS, JSON of the manifest ) )      typ "tram-bundle-manifest+jwt"

The JWS says everything the envelope says, and the hash of the manifest. It is written last, because only then is
known what went in, and found from the end of the file:

    trailer   "TRAMend\\n"  u64 offset of the closing frame  u32 crc32                              20 bytes
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crypto import base64url, jcs
from crypto.errors import CryptoError
from crypto.hashing import sha256_id
from replication.bundle import checks
from replication.bundle.acknowledgement import Acknowledgement, parse_acknowledgement
from replication.bundle.envelope import Envelope, Signer, Verifier, parse_json, verify_envelope
from replication.bundle.errors import BadBundle, Damaged
from replication.bundle.frames import MAX_FRAMES, MAX_PLAIN, MAX_SEALED
from replication.document import Seq

TYPE: Final = "tram-bundle-manifest+jwt"
TRAILER: Final = struct.Struct(">8sQI")
_MAGIC = b"TRAMend\n"
_LENGTH = struct.Struct(">I")
_MAX_TOKEN = 64 * 1024
_MAX_DATABASES = 2048
_MAX_FILE = 2**50
SECTIONS: Final = ("events", "asked", "extras", "previews", "files")


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """One frame as the manifest lists it: where it is, the hash of its payload, and what documents it has."""

    index: int
    offset: int
    length: int
    sha256: bytes
    section: str
    database: str
    since: Seq
    until: Seq
    count: int

    def row(self) -> list[Any]:
        """Return the JSON list of the nine values."""
        digest = base64url.encode(self.sha256)
        place = [self.index, self.offset, self.length, digest]
        return [*place, self.section, self.database, self.since, self.until, self.count]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the source signed about one part.

    `store` is the source's store: positions are of its feeds. `basis` is where each database begins in this bundle,
    and `until` how far it goes once all parts are in; only the last part says that. `previous` is the id of the bundle
    before to the same destination.
    """

    envelope: Envelope
    store: str
    is_last: bool
    previous: str
    basis: Mapping[str, Seq]
    until: Mapping[str, Seq]
    acknowledgement: Acknowledgement | None
    frames: tuple[FrameEntry, ...] = field(repr=False)

    def value(self) -> dict[str, Any]:
        """Return the JSON object of everything but the envelope."""
        return {
            "v": 1,
            "store": self.store,
            "last": self.is_last,
            "previous": self.previous,
            "basis": dict(self.basis),
            "until": dict(self.until),
            "acknowledgement": self.acknowledgement.value() if self.acknowledgement else None,
            "sections": self._sections(),
            "frames": [frame.row() for frame in self.frames],
        }

    def _sections(self) -> list[dict[str, Any]]:
        """Return a summary for people: frames, documents and bytes by section."""
        found: dict[str, dict[str, Any]] = {}
        for frame in self.frames:
            entry = found.setdefault(frame.section, {"name": frame.section, "frames": 0, "documents": 0, "bytes": 0})
            entry["frames"] += 1
            entry["documents"] += frame.count
            entry["bytes"] += frame.length
        return list(found.values())


def build_closing(manifest: Manifest, signer: Signer) -> bytes:
    """Return the plain bytes of the closing frame."""
    text = jcs.canonical(manifest.value())
    statement = manifest.envelope.value() | {"manifest": sha256_id(text)}
    token = signer.sign(jcs.canonical(statement), TYPE).encode("ascii")
    return _LENGTH.pack(len(token)) + token + text


def verify_closing(plain: bytes, verifier: Verifier) -> Manifest:
    """Return the manifest of a closing frame, signed by the node it is from. Raises `BadBundle`, `Damaged`."""
    if len(plain) < _LENGTH.size:
        raise Damaged("the manifest is empty")
    (size,) = _LENGTH.unpack_from(plain)
    if size > _MAX_TOKEN or _LENGTH.size + size > len(plain):
        raise Damaged("the manifest cannot be read")
    try:
        token = plain[_LENGTH.size : _LENGTH.size + size].decode("ascii")
    except UnicodeDecodeError as exc:
        raise BadBundle("the manifest's signature is no JWS") from exc
    text = plain[_LENGTH.size + size :]
    envelope, payload = verify_envelope(token, verifier, TYPE)
    if parse_json(payload, 16 * 1024, 2).get("manifest") != sha256_id(text):
        raise BadBundle("the manifest is not the one that was signed")
    return _parse(parse_json(text, MAX_PLAIN, 8), envelope)


def build_trailer(offset: int) -> bytes:
    """Return the end of a part whose closing frame begins at `offset`."""
    first = TRAILER.pack(_MAGIC, offset, 0)[:-4]
    return first + struct.pack(">I", zlib.crc32(first))


def parse_trailer(data: bytes) -> int:
    """Return where the closing frame begins. Raises `Damaged`."""
    if len(data) != TRAILER.size:
        raise Damaged("its end is missing")
    magic, offset, crc = TRAILER.unpack(data)
    if magic != _MAGIC or zlib.crc32(data[:-4]) != crc:
        raise Damaged("its end is missing")
    return int(offset)


def _parse(value: Any, envelope: Envelope) -> Manifest:
    if not isinstance(value, dict) or value.get("v") != 1:
        raise BadBundle("the manifest is of another version; update the program")
    said = value.get("acknowledgement")
    previous = value.get("previous")
    return Manifest(
        envelope=envelope,
        store=checks.hex_id(value.get("store"), "store"),
        is_last=checks.flag(value.get("last"), "last"),
        previous=checks.hex_id(previous, "previous") if previous else "",
        basis=_positions(value.get("basis"), "basis"),
        until=_positions(value.get("until"), "until"),
        acknowledgement=parse_acknowledgement(said) if said is not None else None,
        frames=_frames(value.get("frames")),
    )


def _positions(value: Any, member: str) -> dict[str, Seq]:
    rows = checks.table(value, member, _MAX_DATABASES)
    return {checks.database(name, member): Seq(checks.seq(seq, member)) for name, seq in rows.items()}


def _frames(value: Any) -> tuple[FrameEntry, ...]:
    frames = tuple(_frame(each) for each in checks.listing(value, "frames", MAX_FRAMES))
    if [frame.index for frame in frames] != list(range(len(frames))):
        raise BadBundle("the manifest does not count its frames from 0")
    return frames


def _frame(value: Any) -> FrameEntry:
    fields = checks.listing(value, "frames", 9)
    if len(fields) != 9:
        raise BadBundle("a frame is described by nine values")
    index, offset, length, digest, section, database, since, until, count = fields
    if section not in SECTIONS:
        raise BadBundle(f"a section {str(section)[:20]!a} is not known here; update the program")
    try:
        sha256 = base64url.decode(checks.text(digest, "sha256", 43))
    except CryptoError as exc:
        raise BadBundle(f"the hash of frame {index} is no base64url") from exc
    return FrameEntry(
        checks.whole(index, "index", MAX_FRAMES),
        checks.whole(offset, "offset", _MAX_FILE),
        checks.whole(length, "length", MAX_SEALED, 1),
        sha256,
        section,
        checks.database(database, "db"),
        Seq(checks.seq(since, "since")),
        Seq(checks.seq(until, "until")),
        checks.whole(count, "count", MAX_PLAIN),
    )
