"""How many files and connections the process may have open."""

from __future__ import annotations

import sys


def allow_open_files() -> None:
    """Allow as many as the system lets this process have. For the start of a process.

    Shells give 1,024, because `select` takes no more; nothing here uses it. A store keeps 128 databases awake, each
    with three files a connection, and every neighbour and browser that waits has a connection of its own.
    """
    if sys.platform == "win32":  # no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return  # macOS names no limit and keeps one: what was allowed stays
