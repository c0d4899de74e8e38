"""This side of the pipe: starts the host, asks it, and reads its answers as what they are, foreign text."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from replication.document import DocId, Rev
from replication.errors import BadRequest, StoreError
from replication.javascript import frames
from replication.jsontext import dump_json, parse_json

PACKAGE = "quickjs"  # the module's name; the package is quickjs-ng
HOST = Path(__file__).with_name("host.py")
# How arguments are taken: one call with all of them; or a list of documents first, and one call for each, whose truth
# counts; or the same, where it counts that the function called emit().
Manner = Literal["once", "each", "emits"]
MAX_WORDS = 64 * 1024  # of a function's own message
_ENVIRONMENT = (
    "PATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "PYTHONDONTWRITEBYTECODE",
)  # the rest is none of a function's business


@dataclass(frozen=True, slots=True)
class Bounds:
    """What functions may use. Time and memory are what CouchDB 3.5 gives (os_process_timeout, couchjs -S)."""

    call_s: float = 5.0  # of the processor; six times that by the clock
    memory_bytes: int = 64 * 1024 * 1024  # of one room
    rooms: int = 8  # kept; the one longest unused gives way


@dataclass(frozen=True, slots=True)
class Design:
    """A design document whose functions may be called. `body` is its JSON; `database` keeps equal ids apart."""

    database: str
    id: DocId
    rev: Rev
    body: bytes


class FunctionFailed(StoreError):
    """A function could not be run to its end: 500 with CouchDB's word, or the name of JavaScript's error."""


class Thrown(Exception):
    """A function threw `value`, some JSON that is no error of JavaScript's."""

    def __init__(self, value: Any) -> None:
        super().__init__(str(value)[:200])
        self.value = value


def is_installed() -> bool:
    """Return whether there is an engine to run functions with, and a kernel timer to bound them by."""
    return importlib.util.find_spec(PACKAGE) is not None and hasattr(signal, "setitimer")


class Engine:
    """Runs functions, one at a time. The host is started by the first call and ends with this process."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._host: subprocess.Popen[bytes] | None = None
        self._rooms: OrderedDict[Design, bytes] = OrderedDict()  # in the host, by number
        self._made = 0

    def call(self, design: Design, path: tuple[str, ...], arguments: bytes, manner: Manner = "once") -> Any:
        """Run the function at `path` of a design document; return None, or a list of booleans where not "once".

        `arguments` is the text of a JSON array. Raises `Thrown`, and `FunctionFailed` for one that is no function,
        failed, or wanted more time or memory than it may have.
        """
        with self._lock:
            try:
                room = self._enter(design)
                answer = self._ask(b"call", room, dump_json(path), arguments, manner.encode())
            except (OSError, EOFError) as exc:
                raise self._bury() from exc
            if answer[0] == b"broken":
                self._rooms.pop(design, None)
                raise FunctionFailed(_read_words(answer[1]), error="os_process_error")
        return _read_outcome(answer[1])

    def close(self) -> None:
        """End the host."""
        with self._lock:
            if self._host is not None:
                self._host.kill()
                self._bury()

    def _enter(self, design: Design) -> bytes:
        if design in self._rooms:
            self._rooms.move_to_end(design)
            return self._rooms[design]
        self._made += 1
        room = b"%d" % self._made
        self._ask(b"open", room, design.body)
        self._rooms[design] = room
        if len(self._rooms) > self._bounds.rooms:
            self._ask(b"close", self._rooms.popitem(last=False)[1])
        return room

    def _ask(self, *parts: bytes) -> list[bytes]:
        host = self._host or self._start()
        assert host.stdin is not None
        assert host.stdout is not None
        frames.write(host.stdin, parts)
        return frames.read(host.stdout)

    def _start(self) -> subprocess.Popen[bytes]:
        bounds = [str(self._bounds.call_s), str(self._bounds.memory_bytes), str(self._bounds.rooms)]
        self._host = subprocess.Popen(
            [sys.executable, "-I", str(HOST), *bounds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        return self._host

    def _bury(self) -> FunctionFailed:
        """Forget a host that has ended, and return why it has."""
        host, self._host = self._host, None
        self._rooms.clear()
        if host is None:
            return FunctionFailed("the JavaScript process could not be started", error="os_process_error")
        host.kill()
        for stream in (host.stdin, host.stdout):
            with contextlib.suppress(OSError):  # what could not be sent to it is of no use now
                stream and stream.close()
        status = host.wait()
        if status in (-signal.SIGPROF, -signal.SIGALRM):
            return FunctionFailed("OS process timed out.", error="os_process_error")
        return FunctionFailed(f"the JavaScript process ended with status {status}", error="os_process_error")


def _read_words(text: bytes) -> str:
    return text[:MAX_WORDS].decode(errors="replace")


def _read_outcome(text: bytes) -> Any:
    """Return the value in what a room answered: any text may come out of it."""
    try:
        value = parse_json(text)
    except BadRequest:
        value = None
    match value:
        case {"returned": returned}:
            return returned
        case {"thrown": thrown}:
            raise Thrown(thrown)
        case {"failed": str(name), "reason": str(reason)}:
            raise FunctionFailed(reason[:MAX_WORDS], error=name[:80] or "unknown_error")
    raise FunctionFailed("the outcome of the function is no JSON", error="unknown_error")
