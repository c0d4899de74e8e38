"""To whom bundles are sealed: every node's age key, made once, published as a signed event that reaches whom it must.

    unit.key_published   {"recipient": "age1…", "use": "node" | "recovery", "from": …, "until"?: …}

The node writes it into its `u-` database, which goes up, and into `registry`, which goes down. A "recovery" recipient
is published by a unit for its whole branch: what is sealed below is sealed to it too (docs/decisions/0121).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from replication.bundle import AgeKey, BadBundle, check_recipient
from replication.errors import NotFound
from replication.store import AllDocsQuery
from server.dossier import units
from server.dossier.times import format_time
from server.errors import Refused
from server.home import read_bounded
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.node.assembly import Node
from server.readmodel.documents import HeldEvent, read_events

TYPE = "unit.key_published"
_MAX_KEY_BYTES = 4096
Use = Literal["node", "recovery"]


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A recipient somebody published for a unit, with when it was said and by whom."""

    unit: str
    recipient: str
    use: str
    actor: str
    at: str


def own_key(home: Path) -> AgeKey:
    """Return the node's age key, made at first use. Raises `Refused("bad_key")` for a file that holds none."""
    path = home / "keys" / "age.key"
    if not path.exists():
        _create(path, AgeKey.generate())
    return read_key(path)


def read_key(path: Path) -> AgeKey:
    """Return the key in a file as `age-keygen` writes it. Raises `Refused`: "no_file", "bad_key"."""
    try:
        return AgeKey.parse(read_bounded(path, _MAX_KEY_BYTES).decode("ascii", "replace"))
    except BadBundle as exc:
        raise Refused("bad_key", f"{path}: {exc}") from exc


def _create(path: Path, key: AgeKey) -> None:
    """Write a key durably, unless another process was first."""
    beside = path.with_name(f".age.key.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(f"# public key: {key.recipient}\n{key.secret}\n".encode("ascii"))
        file.flush()
        os.fsync(descriptor)
    with contextlib.suppress(FileExistsError):
        os.link(beside, path)  # fails where there is one, unlike a rename
    beside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def ensure_published(node: Node) -> AgeKey:
    """Return the node's key, published in `u-<unit>` and `registry` if it was not. Raises `Refused`."""
    key = own_key(node.home.path)
    places = (node.database, REGISTRY)
    newest = [[each.recipient for each in published_in(node, name, node.unit) if each.use == "node"] for name in places]
    if any(known[-1:] != [key.recipient] for known in newest):
        publish(node, places, key.recipient, "node")
    return key


def publish(node: Node, databases: Sequence[str], recipient: str, use: Use) -> None:
    """Sign and store that bundles for this unit ("node"), or for any in its branch ("recovery"), are sealed to
    `recipient`. Raises `Refused`.

    It is one event in every place: the registry goes down alone, and the units above can only check the pages of this
    node's log if they hold what its leaves name.
    """
    try:
        check_recipient(recipient)
    except BadBundle as exc:
        raise Refused("schema", str(exc)) from exc
    now = node.clock.now()
    node.model.follower.catch_up(node.database)
    stream = units.unit_stream(node.unit)
    doc = node.signer.sign(
        stream=stream,
        type=TYPE,
        at=now,
        prev=node.model.queries.heads(node.database, stream),
        body={"recipient": recipient, "use": use, "from": format_time(now)},
    )
    for database in databases:
        node.copier.ensure_certificate(database, node.signer.certificate)
        (result,) = node.intake.admit(database, [doc], source=Source("local", node.signer.urn))
        if result.error is not None:
            raise Refused("malformed", f"{result.id}: {result.error.reason}")


def recipient_of(node: Node, unit: str) -> str:
    """Return the newest recipient the node of `unit` published. Raises `Refused("no_recipient")` with what to do."""
    databases = (units.database_name(unit), REGISTRY)
    found = [each for name in databases for each in published_in(node, name, unit) if each.use == "node"]
    if not found:
        raise Refused(
            "no_recipient",
            f"no key of {unit} is known here, so nothing can be sealed to it. This node's introduction is on the stick"
            f" now: take it to {unit}, import it there, and bring back what `tram bundle export` writes there",
        )
    return max(found, key=lambda key: key.at).recipient


def recovery_recipients(node: Node) -> list[str]:
    """Return the recovery recipients that count here: the newest of this unit and of each unit above it."""
    found = []
    for unit in units.path_of(node.unit):
        keys = [each for each in published_in(node, REGISTRY, unit) if each.use == "recovery"]
        found += [key.recipient for key in keys[-1:]]
    return found


def published_in(node: Node, database: str, unit: str) -> list[PublishedKey]:
    """Return the keys the node of `unit` itself published in a database, oldest first."""
    found = [
        PublishedKey(unit, str(event.body["recipient"]), str(event.body["use"]), event.actor, event.at)
        for held in key_events(node, database, unit)
        if (event := held.stored.event).actor == units.node_urn(unit)
    ]
    return sorted(found, key=lambda key: key.at)


def key_events(node: Node, database: str, unit: str) -> Iterator[HeldEvent]:
    """Yield the events of this type about `unit` that a database holds."""
    try:
        opened = node.store.open(database)
    except NotFound:
        return
    prefix = units.unit_stream(unit) + ":"
    ids = [row.id for row in opened.all_docs(AllDocsQuery(start=prefix, end=prefix + "~")).rows]
    yield from (held for held in read_events(opened, ids) if held.stored.event.type == TYPE)
