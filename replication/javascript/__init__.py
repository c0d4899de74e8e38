"""Functions of design documents, run by QuickJS: an optional extra, the PyPI package `quickjs-ng`.

    Engine.call(design, ("filters", "open"), b"[…]", "each")
       └─ pipe ─ host: a process of its own ─ room of (database, design document, revision) ─ the function at that path

A room is a QuickJS context without files, network or other rooms, bounded in memory; its functions are compiled
once. The host is a process because an engine's own loops (`s.indexOf(t)` of two long strings) cannot be broken off
from inside: the kernel ends the host when a call takes too long, and the next call starts another.
"""

from replication.javascript.engine import Bounds, Design, Engine, FunctionFailed, Thrown, is_installed

__all__ = ["Bounds", "Design", "Engine", "FunctionFailed", "Thrown", "is_installed"]
