"""One process at a time at the head of a home, or at one of its tasks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.errors import NotReady


def take_lock(path: Path) -> int:
    """Hold the home in `path` for this process: two servers would issue the same receipts and race for one read model.

    Returns the descriptor to close in the end; the system closes it when the process dies. Raises `NotReady`.
    """
    descriptor = os.open(path / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(descriptor)
        raise NotReady(f"{path} is being served by another process; stop that one first") from exc
    return descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the home in `path` for the block. Raises `NotReady`."""
    descriptor = take_lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` for the block; wait for another process that has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
