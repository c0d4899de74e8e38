"""Reading a part: what can be read of it, frame by frame, in any order, and what cannot.

    1  the first lines say whom it is for; a signature says who wrote them
    2  the manifest is found from the end, or by looking for it
    3  with a manifest, each frame has a place and a hash; without, frames are looked for from the beginning
    4  a frame is checked, opened, unpacked within bounds and compared with where it says it belongs

Envelope and manifest say the same about the bundle, so either may be lost.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from replication.bundle.age import Opener
from replication.bundle.envelope import FIRST_LINE_BYTES, HEAD_BYTES, Envelope, Verifier, parse_head, verify_envelope
from replication.bundle.errors import BadBundle, BundleError, Damaged, medium
from replication.bundle.frames import (
    CLOSING,
    HEAD,
    MAGIC,
    MAX_FRAMES,
    FrameContent,
    FrameHead,
    open_frame,
    parse_content,
    parse_frame_head,
)
from replication.bundle.manifest import TRAILER, FrameEntry, Manifest, build_trailer, parse_trailer, verify_closing

_SEARCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where a frame is, or should be: `entry` is the manifest's line about it, None where there is none."""

    index: int
    offset: int
    entry: FrameEntry | None = None


def read_envelope(path: Path, verifier: Verifier) -> tuple[int, Envelope]:
    """Return (hops, envelope) of a part. Raises `BadBundle`, `Damaged`, `MediumError`."""
    with medium(path), path.open("rb") as file:
        data = file.read(HEAD_BYTES)
    hops, token = parse_head(data)
    return hops, verify_envelope(token, verifier)[0]


class PartReader:
    """One part, open. Without an `opener` only the outside can be read. `faults` says what is wrong with its frame."""

    def __init__(self, path: Path, verifier: Verifier, opener: Opener | None) -> None:
        self.path = path
        self.hops = 0
        self.faults: list[str] = []
        self.manifest: Manifest | None = None
        self._window = (0, b"")  # what was read last while looking for frames, and from where
        self._opener = opener
        self._verifier = verifier
        with medium(path):
            self._file: BinaryIO = path.open("rb")
            self._size = os.fstat(self._file.fileno()).st_size
        try:
            self.envelope = self._read_outside()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> PartReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    # What the part says of itself

    def _read_outside(self) -> Envelope:
        """Return the envelope, from the first lines or from the manifest. Raises `BadBundle` if neither holds."""
        envelope = self._try_envelope()
        if self._opener is not None:
            self.manifest = self._try_manifest(envelope)
        if envelope is not None:
            return envelope
        if self.manifest is None:
            raise BadBundle(f"{self.path.name}: {'; '.join(self.faults) or 'nothing in it can be believed'}")
        return self.manifest.envelope

    def _try_envelope(self) -> Envelope | None:
        try:
            self.hops, token = parse_head(self._read(0, min(HEAD_BYTES, self._size)))
            return verify_envelope(token, self._verifier)[0]
        except BundleError as exc:
            self.faults.append(f"envelope: {exc}")
            return None

    def _try_manifest(self, envelope: Envelope | None) -> Manifest | None:
        assert self._opener is not None
        offset = self._closing_offset()
        if offset is None:
            self.faults.append("the manifest is missing: the part was cut off, or not finished")
            return None
        try:
            manifest = verify_closing(open_frame(self._payload(offset, None), self._opener), self._verifier)
        except BundleError as exc:
            self.faults.append(f"manifest: {exc}")
            return None
        if envelope is not None and manifest.envelope != envelope:
            raise BadBundle(f"{self.path.name}: envelope and manifest are of two bundles; somebody put them together")
        return manifest

    def _closing_offset(self) -> int | None:
        try:
            offset = parse_trailer(self._read(max(0, self._size - TRAILER.size), TRAILER.size))
            if self._head_at(offset).index == CLOSING:
                return offset
        except Damaged:
            pass  # then it is looked for
        return next((slot.offset for slot in self._scan() if slot.index == CLOSING), None)

    def answers(self) -> bool:
        """Say whether the medium still gives the beginning of the part, read from it and not from memory."""
        try:
            with self.path.open("rb", buffering=0) as file:
                if hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                return len(file.read(FIRST_LINE_BYTES)) > 0
        except OSError:
            return False

    # Frames

    def slots(self) -> Iterator[Slot]:
        """Yield the places of frames: those the manifest lists, or those that are found."""
        if self.manifest is not None:
            yield from (Slot(entry.index, entry.offset, entry) for entry in self.manifest.frames)
        else:
            yield from (slot for slot in self._scan() if slot.index != CLOSING)

    def check(self, slot: Slot) -> bytes:
        """Return the payload of a frame, still sealed, compared with checksum and manifest. Raises `Damaged`,
        `MediumError`."""
        return self._payload(slot.offset, slot.entry)

    def read(self, slot: Slot) -> FrameContent:
        """Return what the frame at `slot` holds. Raises `Damaged`, `Sealed`, `BadBundle`, `MediumError`."""
        if self._opener is None:
            raise BadBundle("it cannot be opened without a key of the node it is for")
        content = parse_content(open_frame(self.check(slot), self._opener))
        place = (content.bundle, content.part, content.index)
        if place != (self.envelope.id, self.envelope.part, slot.index):
            raise Damaged(f"frame {slot.index} belongs to another place: bundle {place[0]}, part {place[1]}")
        entry = slot.entry
        if entry is not None and (content.section, content.database, content.since, content.until) != (
            entry.section,
            entry.database,
            entry.since,
            entry.until,
        ):
            raise BadBundle(f"frame {slot.index} is not what the manifest says about it")
        return content

    def outline(self) -> Iterator[str]:
        """Yield what is wrong with the outside, byte by byte: frames that follow one another, checksums, the end.

        Needs no key. Whether the frames are those the source wrote, only the manifest inside can say.
        """
        head = self._read(0, min(HEAD_BYTES, self._size))
        offset = head.find(b"\n", head.find(b"\n") + 1) + 1
        while True:
            try:
                frame = self._head_at(offset)
                self._payload(offset, None)
            except Damaged as exc:
                yield f"at byte {offset}: {exc}"
                return
            closing, offset = offset, offset + HEAD.size + frame.length
            if frame.index == CLOSING:
                break
        if self._read(offset, TRAILER.size + 1) != build_trailer(closing):
            yield f"at byte {offset}: its end is missing, or something follows it"

    def _payload(self, offset: int, entry: FrameEntry | None) -> bytes:
        head = self._head_at(offset) if entry is None else FrameHead(entry.index, entry.length, 0)
        payload = self._read(offset + HEAD.size, head.length)
        if len(payload) != head.length:
            raise Damaged("it is cut off")
        if entry is None and zlib.crc32(payload) != head.crc:
            raise Damaged("its bytes do not match their checksum")
        if entry is not None and sha256(payload).digest() != entry.sha256:
            raise Damaged("its bytes are not those the manifest names")
        return payload

    def _head_at(self, offset: int) -> FrameHead:
        return parse_frame_head(self._read(offset, HEAD.size))

    def _scan(self) -> Iterator[Slot]:
        """Yield frames from the beginning; behind damage, look for where the next one begins.

        A head says how much follows, and may lie. True ones claim each byte once, besides what damage tore apart: when
        they have claimed the file three times over, or are more than a part may have, the rest is left.
        """
        offset, left = 0, 3 * self._size
        for _ in range(MAX_FRAMES + 1):  # with the closing one
            found = self._find_head(offset)
            if found is None:
                return
            offset, head = found
            left -= min(head.length, self._size - offset)
            if left < 0:
                return
            yield Slot(head.index, offset)
            behind = offset + HEAD.size + head.length
            is_whole = zlib.crc32(self._read(offset + HEAD.size, head.length)) == head.crc
            offset = behind if is_whole else offset + 1  # the length may be a lie that hides others

    def _find_head(self, offset: int) -> tuple[int, FrameHead] | None:
        """Return where the head of a frame can be read at or behind `offset`, and the head."""
        while (found := self._find(offset)) is not None:
            try:
                return found, self._head_at(found)
            except Damaged:
                offset = found + 1
        return None

    def _find(self, offset: int) -> int | None:
        """Return where the magic of a frame stands at or behind `offset`."""
        while offset < self._size:
            start, data = self._window
            if not start <= offset <= start + len(data) - len(MAGIC):
                start, data = self._window = offset, self._read(offset, _SEARCH_BYTES)
            at = data.find(MAGIC, offset - start)
            if at >= 0:
                return start + at
            offset = start + len(data) - len(MAGIC) + 1
            if len(data) < _SEARCH_BYTES:
                return None
        return None

    def _read(self, offset: int, size: int) -> bytes:
        with medium(self.path):
            self._file.seek(offset)
            return self._file.read(size)
