"""One node of the simulation: a real home and `Node`, a clock that may be wrong, and what can befall a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flask import Flask

from replication.document import Doc, DocId, Rev
from replication.sqlite import SqliteDatabase
from server.api import create_app
from server.home import Home
from server.intake.source import Source
from server.node.assembly import Node

Image = dict[Path, bytes]
Held = set[tuple[str, DocId, Rev]]


class Crash(BaseException):
    """The machine stops here. Not an `Exception`: no handler of the program sees a power cut."""


class Office:
    """A node without network and threads; everything happens when it is told to."""

    def __init__(self, home: Home, now: Callable[[], datetime]) -> None:
        self._home = home
        self._now = now
        self.skew = timedelta()
        self.node = self._open()
        self._app: Flask | None = None

    @property
    def app(self) -> Flask:
        """The node's HTTP interface; made when it is first asked for, because that takes a tenth of a second."""
        if self._app is None:
            self._app = create_app(self.node)
        return self._app

    @property
    def unit(self) -> str:
        return self._home.unit

    def now(self) -> datetime:
        """The time as this machine's clock shows it."""
        return self._now() + self.skew

    def _open(self) -> Node:
        return Node(Home.open(self._home.path), now=self.now)

    # What its people do

    def admit(self, database: str, docs: list[Doc], who: str) -> list[Doc]:
        """Hand in documents; return those acknowledged."""
        results = self.node.intake.admit(database, docs, source=Source("person", who))
        return [doc for doc, result in zip(docs, results, strict=True) if result.error is None]

    def refuses(self, database: str, doc: Doc) -> bool:
        """Offer a document as a stranger on the line would."""
        results = self.node.intake.admit(database, [doc], source=Source("peer", "urn:tram:node:h99"))
        return results[0].error is not None

    def work(self, *, publish_all: bool = False) -> None:
        """Do what the node's threads do: read the feeds, prove times, publish the log, issue the receipts owed."""
        self.node.model.follower.catch_up()
        self.node.proofs.catch_up(None)
        self.node.publisher.publish(everything=publish_all)
        for stream in self.node.model.queries.awaiting_receipt(self.unit):
            self.node.receipts.consider(stream)

    # What it holds

    def held(self) -> Held:
        """Return every revision of every database that replicates."""
        found: Held = set()
        for name in self.node.store.names():
            for row in self.node.store.open(name).changes().rows:
                found |= {(name, row.id, rev) for rev in row.leaves}
        return found

    # What befalls it

    def image(self) -> Image:
        """Return its disk as a power cut, or a copy made while it runs, would find it."""
        files = (path for path in self._home.path.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if not path.name.endswith("-shm")}

    def restart(self, image: Image | None = None) -> None:
        """Stop dead and come back with the disk as it is, or as `image` has it: the same files, older bytes."""
        image = self.image() if image is None else image
        self.node.close()
        for path in [path for path in self._home.path.rglob("*") if path.is_file() and path not in image]:
            path.unlink()
        for path, data in image.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            with path.open("r+b") as file:  # in place: whoever restores a disk image leaves no new inodes behind
                file.truncate()
                file.write(data)
        self.node = self._open()
        self._app = None

    @contextmanager
    def crash_after(self, writes: int | None) -> Iterator[None]:
        """Run the block; at the write of that number to any database raise `Crash`, before or after it is durable."""
        real, left = SqliteDatabase.bulk_docs, [writes]

        def bulk_docs(database: SqliteDatabase, docs: Any, **options: Any) -> Any:
            if left[0] is None:
                return real(database, docs, **options)
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            results = real(database, docs, **options)
            if left[0] == 0:
                left[0] = None
                raise Crash
            return results

        with patch.object(SqliteDatabase, "bulk_docs", bulk_docs):
            yield

    def close(self) -> None:
        self.node.close()
