"""What a disk may hold after the power went: a log of everything done to a directory, and images made from it.

Nothing that was not synced can be relied on. Of what came after the last sync an image keeps a random part: each
write is cut at the sectors of the disk, and each piece is there, not there, or (where the disk was writing at that
moment) noise. Bytes that were not being written are never harmed: disks that hurt a neighbour are outside of what
SQLite promises too (it calls this powersafe overwrite).

Names have a life of their own. A file that was created, linked, renamed or deleted is so for certain only when its
directory was synced. Two kinds of file system are imagined:

    strict     POSIX to the letter: any part of the unsynced changes to a directory may be lost, in any order, and
               syncing a file says nothing of its name
    journaled  ext4, XFS, Btrfs, NTFS: changes to names survive in the order they were made, and syncing a file takes
               along all that came before
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Write(NamedTuple):
    inode: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    inode: int
    size: int


class Sync(NamedTuple):
    inode: int


class Name(NamedTuple):
    """`name` stands for `inode` from now on; None takes the name away. `was` is the old name of a rename."""

    name: str
    inode: int | None
    was: str | None = None


class SyncNames(NamedTuple):
    pass


class Acknowledged(NamedTuple):
    """A call of the engine returned: its number, counted from 1."""

    number: int


Step = Write | Truncate | Sync | Name | SyncNames | Acknowledged
Image = dict[str, tuple[int, bytes]]  # name → (inode, content)


@dataclass(frozen=True, slots=True)
class Cut:
    """How the power goes. `keep` and `noise` are chances for one sector not yet synced."""

    sector: int
    keep: float
    noise: float
    names: Literal["strict", "journaled"]

    @classmethod
    def draw(cls, rand: random.Random) -> Cut:
        keep = rand.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        noise = rand.choice([0.0, 0.0, 0.2]) if 0 < keep < 1 else 0.0
        return cls(rand.choice([512, 4096]), keep, noise, rand.choice(["strict", "journaled"]))


@dataclass
class Disk:
    """Names and contents as they are certain, and the steps since then. Play steps in, then ask for an image."""

    names: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytearray] = field(default_factory=dict)
    _name_steps: list[Name] = field(default_factory=list)
    _steps: dict[int, list[Write | Truncate]] = field(default_factory=dict)

    def play(self, steps: Sequence[Step], names: str) -> None:
        """Carry out steps, syncing what they sync."""
        for step in steps:
            match step:
                case Write() | Truncate():
                    self._steps.setdefault(step.inode, []).append(step)
                case Sync(inode):
                    content = self.contents.setdefault(inode, bytearray())
                    for change in self._steps.pop(inode, []):
                        _apply(content, change)
                    if names == "journaled":
                        self._sync_names()
                case Name():
                    self._name_steps.append(step)
                case SyncNames():
                    self._sync_names()

    def build_image(self, cut: Cut, rand: random.Random) -> Image:
        """Return what may be found after a cut at this point."""
        names = dict(self.names)
        for step in self._surviving_names(cut, rand):
            _rename(names, step)
        return {name: (inode, bytes(self._read(inode, cut, rand))) for name, inode in names.items()}

    def _surviving_names(self, cut: Cut, rand: random.Random) -> list[Name]:
        if cut.names == "journaled":
            return self._name_steps[: rand.randint(0, len(self._name_steps))]
        return [step for step in self._name_steps if rand.random() < cut.keep]

    def _read(self, inode: int, cut: Cut, rand: random.Random) -> bytearray:
        content = bytearray(self.contents.get(inode, b""))
        for step in self._steps.get(inode, []):
            if isinstance(step, Truncate):
                if rand.random() < cut.keep:
                    _apply(content, step)
                continue
            for piece in split(step, cut.sector):
                if rand.random() < cut.noise:
                    _apply(content, piece._replace(data=rand.randbytes(len(piece.data))))
                elif rand.random() < cut.keep:
                    _apply(content, piece)
        return content

    def _sync_names(self) -> None:
        for step in self._name_steps:
            _rename(self.names, step)
        self._name_steps.clear()


def split(write: Write, sector: int) -> list[Write]:
    """Return the pieces of a write that lie in one sector each."""
    pieces, at = [], 0
    while at < len(write.data):
        size = sector - (write.offset + at) % sector
        pieces.append(Write(write.inode, write.offset + at, write.data[at : at + size]))
        at += size
    return pieces


def _apply(content: bytearray, step: Write | Truncate) -> None:
    if isinstance(step, Truncate):
        if step.size < len(content):
            del content[step.size :]
        else:
            content.extend(bytes(step.size - len(content)))
        return
    if step.offset > len(content):
        content.extend(bytes(step.offset - len(content)))
    content[step.offset : step.offset + len(step.data)] = step.data


def _rename(names: dict[str, int], step: Name) -> None:
    if step.was is not None:
        inode = names.pop(step.was, None)
        if inode is not None:
            names[step.name] = inode
    elif step.inode is None:
        names.pop(step.name, None)
    else:
        names[step.name] = step.inode
