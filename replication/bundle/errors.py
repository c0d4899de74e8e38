"""What can go wrong with a bundle.

ReplicationError
└── BundleError
    ├── BadBundle       not a bundle, or one that says what it must not; nothing of it is believed
    ├── Damaged         these bytes are not what was written; what is around them may still be good
    ├── Sealed          encrypted to somebody else
    └── MediumError     the stick: full, read-only, pulled out; `word` says which
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from replication.errors import ReplicationError


class BundleError(ReplicationError):
    """Anything about bundles that is raised on purpose."""


class BadBundle(BundleError):
    """The bundle breaks the format, or is signed by nobody who may."""


class Damaged(BundleError):
    """Bytes that do not match their checksum, hash or seal."""


class Sealed(BundleError):
    """None of our keys opens it."""


class MediumError(BundleError):
    """The medium failed. `word` is "full", "read_only", "unplugged" or "failed"."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(reason)
        self.word = word


_WORDS: Final = {
    errno.ENOSPC: ("full", "there is no space left on it; delete what is not needed, or give a smaller --max-size"),
    errno.EDQUOT: ("full", "there is no space left on it; delete what is not needed, or give a smaller --max-size"),
    errno.EFBIG: ("full", "it takes no file this large; give a smaller --part-size"),
    errno.EROFS: ("read_only", "it is read-only; move the switch on the stick, or take another"),
    errno.EACCES: ("read_only", "this program may not write there; mount it for this user, or take another folder"),
    errno.EPERM: ("read_only", "this program may not write there; mount it for this user, or take another folder"),
    errno.EIO: ("unplugged", "it does not answer; was it pulled out? Put it in again and repeat the command"),
    errno.ENODEV: ("unplugged", "it is gone; put it in again and repeat the command"),
    errno.ENXIO: ("unplugged", "it is gone; put it in again and repeat the command"),
    errno.ENOENT: ("unplugged", "it is not there; put the stick in, and look where it is mounted"),
}


@contextmanager
def medium(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into the `MediumError` that says what to do about the medium at `path`."""
    try:
        yield
    except OSError as exc:
        word, advice = _WORDS.get(exc.errno or 0, ("failed", exc.strerror or str(exc)))
        raise MediumError(word, f"{path}: {advice}") from exc
