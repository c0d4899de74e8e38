"""Small signed notes that travel with every bundle: whoever has some registers how to give and how to take them.

    register("checkpoint", give=…, take=…)

`give(node, unit)` returns the bytes for the node of `unit`, or None; `take(node, unit, data)` gets what came from
there. A note is not believed because it came in a bundle: whoever takes it verifies it. One that fails stops nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from server.node.assembly import Node

_LOG = logging.getLogger(__name__)
MAX_NOTE_BYTES = 256 * 1024
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)

Give = Callable[[Node, str], bytes | None]
Take = Callable[[Node, str, bytes], None]


@dataclass(frozen=True, slots=True)
class Extra:
    """One kind of note."""

    give: Give
    take: Take


_REGISTERED: dict[str, Extra] = {}


def register(name: str, *, give: Give, take: Take) -> None:
    """Have notes of this name travel. Raises `ValueError` for a name that is taken or not small letters and dashes."""
    if not _NAME.fullmatch(name) or name in _REGISTERED:
        raise ValueError(f"{name!r} is no name for a kind of note, or is taken")
    _REGISTERED[name] = Extra(give, take)


def unregister(name: str) -> None:
    """Have them travel no more."""
    _REGISTERED.pop(name, None)


def collect(node: Node, unit: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of the notes there are for `unit`; one that cannot be made is logged and left out."""
    for name, extra in sorted(_REGISTERED.items()):
        try:
            data = extra.give(node, unit)
        except Exception:  # whatever a neighbouring part does, the dossiers go
            _LOG.exception("the note %s for %s could not be made", name, unit)
            continue
        if data is not None and len(data) <= MAX_NOTE_BYTES:
            yield name, data


def deliver(node: Node, unit: str, name: str, data: bytes) -> str:
    """Hand a note to whoever registered for it; returns "" or what was wrong."""
    extra = _REGISTERED.get(name)
    if extra is None:
        return f"a note {name!a} from {unit} is of a kind this program does not know"
    if len(data) > MAX_NOTE_BYTES:
        return f"the note {name!a} from {unit} has {len(data)} bytes; at most {MAX_NOTE_BYTES} are taken"
    try:
        extra.take(node, unit, data)
    except Exception as exc:  # a note is foreign: what its reader raises must not end the import
        _LOG.warning("the note %s from %s was not taken: %s", name, unit, exc)
        return f"the note {name!a} from {unit} was not taken: {exc}"
    return ""
