"""The process that runs foreign JavaScript: `host.py CALL_S MEMORY_BYTES ROOMS`, asked through its standard input.

    open  number design         make a room of a design document          → done
    call  number path arguments manner    run one of its functions        → done outcome | broken words
    close number                drop a room                               → done

It is started by file name with Python's isolated mode, so it imports nothing of this project by its package name.
"""

from __future__ import annotations

import importlib
import importlib.util
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Handler = Callable[..., list[bytes]]
# A function has no way to wait for anything; should one be found, this many times its time of the clock end it too.
CLOCK_TIMES = 6
SPARE_BYTES = 256 * 1024 * 1024  # of address space for Python itself


def load_sibling(name: str) -> Any:
    """Return a module of this folder that is not on the path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Rooms:
    """The rooms there are, and what may be asked of them."""

    def __init__(self, call_s: float, memory_bytes: int) -> None:
        self._quickjs: Any = importlib.import_module("quickjs")
        self._entrance: str = load_sibling("prelude").ENTRANCE
        self._call_s, self._memory_bytes = call_s, memory_bytes
        self._rooms: dict[bytes, Any] = {}
        self.handlers: dict[bytes, Handler] = {b"open": self._open, b"call": self._call, b"close": self._close}

    def _open(self, number: bytes, design: bytes) -> list[bytes]:
        context = self._quickjs.Context()
        context.set_memory_limit(self._memory_bytes)
        self._rooms[number] = context.eval(self._entrance), design.decode()
        return [b"done"]

    def _call(self, number: bytes, path: bytes, arguments: bytes, manner: bytes) -> list[bytes]:
        room, design = self._rooms[number]
        # The kernel ends this process when the time is over, whatever the engine is doing then. Time is what this
        # process had of the processor: on a machine that is busy or stood still nobody's function fails for that.
        signal.setitimer(signal.ITIMER_PROF, self._call_s)
        signal.setitimer(signal.ITIMER_REAL, CLOCK_TIMES * self._call_s)
        try:
            outcome = room(design, path.decode(), arguments.decode(), manner.decode())
            return [b"done", str(outcome).encode()]
        except (self._quickjs.JSException, self._quickjs.StackOverflow) as exc:
            del self._rooms[number]  # broken off by the engine itself, in whatever state
            first = str(exc).partition("\n")[0]
            return [b"broken", (first if first not in ("", "null") else "out of memory").encode()]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _close(self, number: bytes) -> list[bytes]:
        self._rooms.pop(number, None)
        return [b"done"]


def confine(memory_bytes: int) -> None:
    """Give up what running functions does not need: files to write, other processes, memory without end."""
    for kind, most in (("AS", memory_bytes), ("FSIZE", 0), ("CORE", 0)):
        number = getattr(resource, f"RLIMIT_{kind}")
        hard = resource.getrlimit(number)[1]
        resource.setrlimit(number, (most, most) if hard == resource.RLIM_INFINITY else (min(most, hard), hard))


def main(arguments: list[str]) -> int:
    """Answer until the other side closes the pipe; return 0."""
    frames = load_sibling("frames")
    call_s, memory_bytes, most = float(arguments[0]), int(arguments[1]), int(arguments[2])
    rooms = Rooms(call_s, memory_bytes)
    confine(memory_bytes * (most + 1) + SPARE_BYTES)
    while True:
        try:
            verb, *rest = frames.read(sys.stdin.buffer)
        except EOFError:
            return 0
        frames.write(sys.stdout.buffer, rooms.handlers[verb](*rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
