"""What the C library keeps back of freed memory, bounded.

glibc gives every thread an arena of its own, up to eight a processor, and none returns what is free in its middle. A
server whose threads all handle bodies of a megabyte so keeps several times what it uses: 160 MB after taking in
100,000 documents, of which it needed 50.
"""

from __future__ import annotations

import ctypes
import platform
import threading
from collections.abc import Callable

# malloc.h of glibc
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
ARENAS = 1  # Python's objects have an allocator of their own, so threads seldom wait for each other here
LARGE = 256 * 1024  # from this size on a block is the system's own and goes back to it when freed
EVERY_S = 2.0


def is_glibc() -> bool:
    """Return whether the C library is one this module can speak to."""
    return platform.libc_ver()[0] == "glibc"


def bound_arenas() -> None:
    """Make all threads share one arena. For the start of a process; elsewhere than with glibc nothing is done."""
    if is_glibc():
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, ARENAS)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE)


class Trimmer(threading.Thread):
    """Gives free memory back every few seconds in which there was work: some 4 ms, without holding Python's lock."""

    def __init__(self, stopping: threading.Event, count_work: Callable[[], int]) -> None:
        super().__init__(name="http-trim", daemon=True)
        self._stopping = stopping
        self._count_work = count_work

    def run(self) -> None:
        library, seen = ctypes.CDLL(None), 0
        while not self._stopping.wait(EVERY_S):
            done = self._count_work()
            if done != seen:
                seen = done
                library.malloc_trim(0)
