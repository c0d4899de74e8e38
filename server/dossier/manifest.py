"""Files as lists of chunks. Format: docs/formats/file.md.

    {"v": 2, "sha256": "sha256-<whole file>", "size": 184213, "chunk_bytes": 10000, "chunks": ["sha256-…", …]}

Every chunk has exactly `chunk_bytes` bytes except the last, which has what is left; version 1, without that member, has
chunks of 32,768. A manifest's id is the hash of its canonical form, a chunk's that of its bytes: whoever holds an event
can ask for its files by name from anybody, resume after a cut at the first chunk that is missing, and check each piece
alone. How a file is cut follows from its size, so the same file is the same chunks for everybody (decision 0231).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crypto import jcs
from crypto.hashing import sha256_id
from server.dossier.body import MAX_FILE_BYTES, MAX_PREVIEW_BYTES, content_id
from server.dossier.checks import Wrong, listing, members, refuse, shown, whole
from server.errors import Refused

# What a line of 32 kbit/s that breaks each half minute loses least by (replication/replicator/batching.py), and two and
# a half pages of the store: 10,240 would be three.
CHUNK_BYTES: Final = 10_000
# A chunk has no more, whoever cut it. All files were cut so once; previews are, to be one chunk, and files that would
# need more than `MAX_CHUNKS` small ones.
MAX_CHUNK_BYTES: Final = 32_768
MIN_CHUNK_BYTES: Final = 4_096
MAX_CHUNKS: Final = MAX_FILE_BYTES // MAX_CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Manifest:
    """The chunks of one file, in order, by their content ids; `sha256` is the content id of the whole, `chunk_bytes`
    what each chunk has except the last."""

    sha256: str
    size: int
    chunks: tuple[str, ...]
    chunk_bytes: int

    @property
    def id(self) -> str:
        """The content id of the manifest itself: what an event's `files[].manifest` names."""
        return sha256_id(self.canonical())

    def canonical(self) -> bytes:
        """The canonical form (RFC 8785)."""
        return jcs.canonical(self.value())

    def value(self) -> dict[str, Any]:
        """The JSON object, which `parse_manifest` reads."""
        value: dict[str, Any] = {"v": 1, "sha256": self.sha256, "size": self.size, "chunks": list(self.chunks)}
        return value if self.chunk_bytes == MAX_CHUNK_BYTES else value | {"v": 2, "chunk_bytes": self.chunk_bytes}

    def length(self, index: int) -> int:
        """How many bytes the chunk at `index` has."""
        return min(self.chunk_bytes, self.size - index * self.chunk_bytes)


def choose_chunk_bytes(size: int) -> int:
    """Return how a file of `size` bytes is cut: small chunks, unless it is no larger than a preview, which is asked for
    by its own hash, or larger than a manifest may list."""
    return CHUNK_BYTES if MAX_PREVIEW_BYTES < size <= MAX_CHUNKS * CHUNK_BYTES else MAX_CHUNK_BYTES


def split(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    """Yield the chunks of `data` in order."""
    for start in range(0, len(data), chunk_bytes):
        yield data[start : start + chunk_bytes]


def build_manifest(data: bytes) -> tuple[Manifest, list[bytes]]:
    """Return the manifest of a file's bytes, and its chunks in order.

    Raises `Refused("bad_file")` for an empty file, `Refused("too_large")` beyond 32 MiB.
    """
    if not data:
        raise Refused("bad_file", "the file is empty; take the picture or choose the file again")
    if len(data) > MAX_FILE_BYTES:
        raise Refused("too_large", f"a file of {len(data)} bytes, at most {MAX_FILE_BYTES} are taken; scan it smaller")
    chunk_bytes = choose_chunk_bytes(len(data))
    chunks = list(split(data, chunk_bytes))
    return Manifest(sha256_id(data), len(data), tuple(map(sha256_id, chunks)), chunk_bytes), chunks


def parse_manifest(value: Any) -> Manifest:
    """Return the manifest in a JSON object. Raises `Refused("schema")` if its form or its number of chunks is wrong."""
    try:
        version = _version(value)
        _FORMS[version](value)
        chunk_bytes = MAX_CHUNK_BYTES if version == 1 else value["chunk_bytes"]
        _check_count(value["size"], chunk_bytes, len(value["chunks"]))
    except Wrong as wrong:
        raise refuse(wrong, "file manifest") from None
    return Manifest(value["sha256"], value["size"], tuple(value["chunks"]), chunk_bytes)


def verify_chunk(manifest: Manifest, index: int, data: bytes) -> bytes:
    """Return `data` if it is the chunk at `index`. Raises `Refused("bad_hash")`."""
    if len(data) != manifest.length(index) or sha256_id(data) != manifest.chunks[index]:
        raise Refused(
            "bad_hash", f"chunk {index} of {manifest.sha256} is damaged; fetch {manifest.chunks[index]} again"
        )
    return data


def join(manifest: Manifest, chunks: Sequence[bytes]) -> bytes:
    """Return the whole file. Raises `Refused("bad_hash")` unless chunks and whole are what the manifest says."""
    if len(chunks) != len(manifest.chunks):
        raise Refused("bad_hash", f"{len(chunks)} chunks of {len(manifest.chunks)} for {manifest.sha256}")
    data = b"".join(verify_chunk(manifest, i, chunk) for i, chunk in enumerate(chunks))
    if sha256_id(data) != manifest.sha256:
        raise Refused("bad_hash", f"the chunks are whole, but do not make {manifest.sha256}; its manifest is wrong")
    return data


def _check_count(size: int, chunk_bytes: int, count: int) -> None:
    needed = -(-size // chunk_bytes)
    if count != needed:
        raise Wrong(f"{count} chunks for {size} bytes, expected {needed}", place="chunks")


def _version(value: Any) -> int:
    """Return which form the value has to have; the form complains of whatever is not even an object."""
    version = value.get("v") if isinstance(value, dict) else max(_FORMS)
    if type(version) is not int or version not in _FORMS:
        raise Wrong(f"got {shown(version)}, this program reads versions 1 and 2; update it", place="v")
    return version


_COMMON: Final = {
    "v": whole(1, 2),
    "sha256": content_id,
    "size": whole(1, MAX_FILE_BYTES),
    "chunks": listing(content_id, MAX_CHUNKS, least=1),
}
_FORMS: Final = {
    1: members(_COMMON),
    2: members(_COMMON | {"chunk_bytes": whole(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES - 1)}),
}
