"""Signed notes and log checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

    03.12.h41.tram.internal/log                       origin: which log
    1204                                              number of leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=      root hash
                                                      an empty line ends what is signed
    — 03.12.h41.tram.internal/log Az3grl…=            em dash, key name, base64 of (4 bytes key id ‖ signature)

Key id = first 4 bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key). Type 0x01 is Ed25519 over the note's text; type 0x04
is a witness's Ed25519 cosignature over "cosignature/v1\\ntime <unix s>\\n" ‖ text, with the time before the signature.
A verifier ignores lines of keys it does not know and refuses a note none of whose lines it can verify.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.errors import BadProof, BadSignature, Malformed, TooLarge
from crypto.merkle import HASH_BYTES

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04
MAX_NOTE_CHARS = 64 * 1024
MAX_SIGNATURES = 100  # the limit Go's note package uses

NoteType = Literal[1, 4]

_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_NOT_TEXT = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key that signs notes under `name`, as a log (`ED25519`) or a witness (`COSIGNATURE_V1`)."""

    name: str
    key: Ed25519PublicKey = field(repr=False)
    kind: NoteType = 1

    @property
    def id(self) -> bytes:
        """The 4 bytes by which a signature line points at this key. They can collide, so the name counts as well."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key.public_bytes_raw()).digest()[:4]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: `size` leaves under `root`, in the log named `origin`; `extra` are further lines, if any."""

    origin: str
    size: int
    root: bytes
    extra: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the text that is signed, ending in a newline."""
        lines = [self.origin, str(self.size), b64encode(self.root).decode("ascii"), *self.extra]
        return "".join(line + "\n" for line in lines)


@dataclass(frozen=True, slots=True)
class VerifiedNote:
    """The text of a note and who is proven to have signed it: key name to time of cosigning (0: a log's own)."""

    text: str
    signers: dict[str, int]


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint in a note's text. Raises `Malformed`."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise Malformed("a checkpoint is origin, size and root, a line each, then lines that are not empty")
    origin, size, root, *extra = lines
    if not _SIZE.fullmatch(size):
        raise Malformed(f"not a number of leaves: {size[:40]!a}")
    digest = _base64(root)
    if len(digest) != HASH_BYTES:
        raise Malformed(f"a root hash is {HASH_BYTES} bytes, got {len(digest)}")
    return Checkpoint(origin, int(size), digest, tuple(extra))


def sign_note(text: str, *, name: str, key: Ed25519PrivateKey) -> str:
    """Return the note: `text` (which ends in a newline), an empty line, and `name`'s signature."""
    _check_text(text)
    return f"{text}\n{_line(NoteKey(name, key.public_key(), ED25519), key.sign(text.encode()))}"


def cosign_note(note: str, *, name: str, key: Ed25519PrivateKey, time_s: int) -> str:
    """Return `note` with one more line: the witness `name` saw it at `time_s` (Unix seconds).

    The witness must have checked consistency with what it cosigned before, and stored the new head, first.
    """
    text, _ = _parse(note)
    signature = time_s.to_bytes(8, "big") + key.sign(_cosigned(text, time_s))
    return note + _line(NoteKey(name, key.public_key(), COSIGNATURE_V1), signature)


def verify_note(note: str, keys: Iterable[NoteKey]) -> VerifiedNote:
    """Return the text and its proven signers. `keys` are those the caller trusts.

    Lines of other keys are ignored; a line of a known key that does not verify spoils the note. Raises `Malformed`,
    `BadSignature`, or `BadProof` if no known key has signed.
    """
    text, lines = _parse(note)
    known = {(key.name, key.id): key for key in keys}
    signers: dict[str, int] = {}
    for name, data in lines:
        key = known.get((name, data[:4]))
        if key is not None:
            signers[name] = _verify_line(text, key, data[4:])
    if not signers:
        raise BadProof("no key known here has signed this note")
    return VerifiedNote(text, signers)


def _verify_line(text: str, key: NoteKey, data: bytes) -> int:
    time_s, signed = 0, text.encode()
    if key.kind == COSIGNATURE_V1:
        time_s, data = int.from_bytes(data[:8], "big"), data[8:]
        signed = _cosigned(text, time_s)
    try:
        key.key.verify(data, signed)
    except InvalidSignature as exc:
        raise BadSignature(f"the note's signature line of {key.name} does not verify") from exc
    return time_s


def _parse(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return (text, [(name, key id ‖ signature)]) of a note whose every line is as it should be."""
    if len(note) > MAX_NOTE_CHARS:
        raise TooLarge(f"a note takes at most {MAX_NOTE_CHARS} characters")
    text, separator, signatures = note.rpartition("\n\n")  # the last empty line: the text may contain others
    if not separator or not signatures.endswith("\n"):
        raise Malformed("a note is text, an empty line, and signature lines")
    text += "\n"
    _check_text(text)
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise TooLarge(f"a note takes at most {MAX_SIGNATURES} signatures")
    return text, [_parse_line(line) for line in lines]


def _parse_line(line: str) -> tuple[str, bytes]:
    match = _LINE.fullmatch(line)
    if not match:
        raise Malformed(f"not a signature line: {line[:60]!a}")
    data = _base64(match[2])
    if len(data) < 5:
        raise Malformed("a signature line holds 4 bytes of key id and a signature")
    return match[1], data


def _line(key: NoteKey, signature: bytes) -> str:
    if not _LINE.fullmatch(f"\u2014 {key.name} AAAA"):
        raise Malformed(f"a key name has no spaces and no plus sign, got {key.name[:60]!a}")
    return f"\u2014 {key.name} {b64encode(key.id + signature).decode('ascii')}\n"


def _cosigned(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _NOT_TEXT.search(text):
        raise Malformed("the text of a note is UTF-8, ends in a newline and has no other control characters")


def _base64(text: str) -> bytes:
    """Return strict standard base64 with padding, in its only spelling."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as exc:
        raise Malformed(f"not base64: {text[:60]!a}") from exc
    if b64encode(data).decode("ascii") != text:
        raise Malformed(f"not base64 in its only spelling: {text[:60]!a}")
    return data
