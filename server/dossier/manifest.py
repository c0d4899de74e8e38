"""Files as lists of chunks. Format: docs/formats/file.md.

    {"v": 1, "sha256": "sha256-<whole file>", "size": 184213, "chunks": ["sha256-…", …]}

Every chunk has exactly 32,768 bytes except the last, which has what is left. A manifest's id is the hash of its
canonical form, a chunk's that of its bytes: whoever holds an event can ask for its files by name from anybody, resume
after a cut at the first chunk that is missing, and check each piece alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crypto import jcs
from crypto.hashing import sha256_id
from server.dossier.body import MAX_FILE_BYTES, content_id
from server.dossier.checks import Wrong, listing, members, refuse, shown, whole
from server.errors import Refused

CHUNK_BYTES: Final = 32_768
MAX_CHUNKS: Final = MAX_FILE_BYTES // CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Manifest:
    """The chunks of one file, in order, by their content ids; `sha256` is the content id of the whole."""

    sha256: str
    size: int
    chunks: tuple[str, ...]

    @property
    def id(self) -> str:
        """The content id of the manifest itself: what an event's `files[].manifest` names."""
        return sha256_id(self.canonical())

    def canonical(self) -> bytes:
        """The canonical form (RFC 8785)."""
        return jcs.canonical(self.value())

    def value(self) -> dict[str, Any]:
        """The JSON object, which `parse_manifest` reads."""
        return {"v": 1, "sha256": self.sha256, "size": self.size, "chunks": list(self.chunks)}

    def chunk_bytes(self, index: int) -> int:
        """How many bytes the chunk at `index` has."""
        return min(CHUNK_BYTES, self.size - index * CHUNK_BYTES)


def split(data: bytes) -> Iterator[bytes]:
    """Yield the chunks of `data` in order."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def build_manifest(data: bytes) -> tuple[Manifest, list[bytes]]:
    """Return the manifest of a file's bytes, and its chunks in order.

    Raises `Refused("bad_file")` for an empty file, `Refused("too_large")` beyond 32 MiB.
    """
    if not data:
        raise Refused("bad_file", "the file is empty; take the picture or choose the file again")
    if len(data) > MAX_FILE_BYTES:
        raise Refused("too_large", f"a file of {len(data)} bytes, at most {MAX_FILE_BYTES} are taken; scan it smaller")
    chunks = list(split(data))
    return Manifest(sha256_id(data), len(data), tuple(sha256_id(chunk) for chunk in chunks)), chunks


def parse_manifest(value: Any) -> Manifest:
    """Return the manifest in a JSON object. Raises `Refused("schema")` if its form or its number of chunks is wrong."""
    try:
        _MANIFEST(value)
        _check_count(value["size"], len(value["chunks"]))
    except Wrong as wrong:
        raise refuse(wrong, "file manifest") from None
    return Manifest(value["sha256"], value["size"], tuple(value["chunks"]))


def verify_chunk(manifest: Manifest, index: int, data: bytes) -> bytes:
    """Return `data` if it is the chunk at `index`. Raises `Refused("bad_hash")`."""
    if len(data) != manifest.chunk_bytes(index) or sha256_id(data) != manifest.chunks[index]:
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


def _check_count(size: int, count: int) -> None:
    needed = -(-size // CHUNK_BYTES)
    if count != needed:
        raise Wrong(f"{count} chunks for {size} bytes, expected {needed}", place="chunks")


def _version(value: Any) -> None:
    if type(value) is not int or value != 1:
        raise Wrong(f"got {shown(value)}, this program reads version 1; update it")


_MANIFEST: Final = members(
    {
        "v": _version,
        "sha256": content_id,
        "size": whole(1, MAX_FILE_BYTES),
        "chunks": listing(content_id, MAX_CHUNKS, least=1),
    }
)
