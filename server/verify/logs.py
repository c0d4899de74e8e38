"""Verifying logs: pages and cosignatures of every database, and this node's own log, against the events that are here.

A log is recomputed from the events and the times its leaves give them. What must hold:

- every page's leaves, restored from the events that are here, make the root its log signed;
- every cosigned checkpoint is the root of those leaves at its size;
- in the home of the log itself, every leaf's event is still here, and every event here has a leaf.

In a tier above, an event of a page may still be on its way: then the page is a note, not a problem.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from itertools import islice, product
from pathlib import Path

from crypto import base64url
from crypto.errors import CryptoError
from crypto.hashing import rev_of, sha256_id
from crypto.jcs import canonical
from crypto.logcert import LogSigner, parse_log_origin
from crypto.note import parse_checkpoint, verify_note
from crypto.strictjson import parse
from replication.document import Doc
from server.dossier import units
from server.dossier.documents import LOG_PREFIX
from server.errors import Refused, ServerError
from server.log.leaves import Leaf
from server.log.pages import MAX_BODY_BYTES, Cosigned, Page, parse_log_document, verify_cosigned, verify_page
from server.log.tree import Edge
from server.verify.report import Report

_MAX_GUESSES = 256
_NAMED = 3  # of the events that are gone, in a report
Signers = Callable[[str], LogSigner]


def verify_log_document(doc: Doc, database: str, signers: Signers) -> Page | Cosigned:
    """Return what a log document of a database says, its name and signatures verified.

    Raises `CryptoError`, `ServerError`.
    """
    content = canonical(parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=4))
    if doc.id != LOG_PREFIX + sha256_id(content) or doc.rev != rev_of(content):
        raise Refused("bad_id", f"its content is {LOG_PREFIX}{sha256_id(content)}, it is stored as {doc.rev}")
    found = parse_log_document(doc.body)
    owner = units.unit_of_database(database)
    if owner is None or not units.is_within(owner, found.unit):
        raise Refused("wrong_database", f"a log of {found.unit}")
    proven = [signers(each) for each in found.keys]
    if isinstance(found, Cosigned):
        verify_cosigned(found, *proven)
    else:
        verify_page(found, *proven)
    return found


class LogDocuments:
    """The verified log documents of one database: `keep` each, then `check` them against the events of the home."""

    def __init__(self, database: str, report: Report) -> None:
        self._database = database
        self._report = report
        self._pages: dict[str, list[tuple[str, Page]]] = defaultdict(list)
        self._cosigned: dict[str, list[tuple[str, Cosigned]]] = defaultdict(list)

    def keep(self, doc_id: str, found: Page | Cosigned) -> None:
        """Keep what a document said, which `verify_log_document` returned."""
        if isinstance(found, Cosigned):
            self._cosigned[found.origin].append((doc_id, found))
        else:
            self._pages[found.origin].append((doc_id, found))

    def check(self, events: Sequence[bytes], *, home: str) -> None:
        """Check every page and cosignature against `events`, the sorted hashes of all events of the home of a unit."""
        for origin, pages in self._pages.items():
            complete = parse_log_origin(origin)[0] == home
            roots: dict[int, bytes] = {}
            for doc_id, page in sorted(pages, key=lambda each: each[1].start):
                roots |= self._check_page(doc_id, page, events, self._sizes(origin), complete=complete)
            self._check_gaps(origin, [page for _, page in pages])
            self._check_roots(origin, roots)

    def _sizes(self, origin: str) -> set[int]:
        return {each.checkpoint.size for _, each in self._cosigned[origin]}

    def _check_page(
        self, doc_id: str, page: Page, events: Sequence[bytes], sizes: set[int], *, complete: bool
    ) -> dict[int, bytes]:
        """Return the roots at those of `sizes` that lie in the page, if its leaves make the root that was signed."""
        candidates = [_beginning_with(events, entry.prefix) for entry in page.entries]
        absent = sum(not each for each in candidates)
        if absent:
            say = self._report.problems if complete else self._report.notes
            say.append(f"{self._database}: {doc_id}: {absent} events of this page of {page.origin} are not here")
            return {}
        for chosen in islice(product(*candidates), _MAX_GUESSES):
            leaves = [Leaf(event, entry.received) for event, entry in zip(chosen, page.entries, strict=True)]
            if page.root_with(leaves) == page.checkpoint.root:
                self._report.checked["log entries"] += len(leaves)
                inside = [size for size in sizes if page.start < size <= page.checkpoint.size]
                return {size: page.root_with(leaves[: size - page.start]) for size in inside}
        self._problem(f"{doc_id}: the events here do not make the root that {page.origin} signed")
        return {}

    def _check_gaps(self, origin: str, pages: Iterable[Page]) -> None:
        at = 0
        for page in sorted(pages, key=lambda each: (each.start, each.checkpoint.size)):
            if page.start > at:
                self._report.notes.append(
                    f"{self._database}: {origin}: pages of leaves {at} to {page.start} are not here"
                )
            at = max(at, page.checkpoint.size)

    def _check_roots(self, origin: str, roots: dict[int, bytes]) -> None:
        for doc_id, cosigned in self._cosigned[origin]:
            root = roots.get(cosigned.checkpoint.size)
            if root is None:
                continue  # beyond the pages that came
            if root != cosigned.checkpoint.root:
                size = cosigned.checkpoint.size
                self._problem(f"{doc_id}: {origin} shows another history of {size} leaves here than was cosigned")
                continue
            self._report.checked["cosigned checkpoints"] += 1

    def cosigned(self, origin: str) -> list[Cosigned]:
        """Return the cosigned checkpoints of a log that are here."""
        return [each for _, each in self._cosigned[origin]]

    def _problem(self, what: str) -> None:
        self._report.problems.append(f"{self._database}: {what}")


def read_log_sizes(path: Path) -> dict[int, int]:
    """Return how many leaves each generation of a home's log has now; none where `check_own_log` says it cannot."""
    try:
        with _open_log(path) as connection:
            return dict(connection.execute("SELECT generation, size FROM logs"))
    except sqlite3.DatabaseError:
        return {}


@contextmanager
def _open_log(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a home's `node.db` as of one instant."""
    name = f"{(path / 'node.db').resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(name, uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        yield connection


def check_own_log(
    path: Path,
    begun: Mapping[int, int],
    events: Sequence[bytes],
    erased: Set[bytes],
    documents: LogDocuments | None,
    signer: LogSigner | None,
    report: Report,
) -> None:
    """Recompute the log in a home's `node.db` and compare it with the events here, those that were `erased`, its
    head and what was cosigned. `begun` is its size by generation before the events were read: later ones may be new."""
    try:
        with _open_log(path) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'logs'").fetchone():
                return
            generations = connection.execute("SELECT generation, size, note FROM logs ORDER BY generation").fetchall()
            left = set(events)
            for generation, size, note in generations:
                due = begun.get(generation, 0)
                _check_generation(connection, generation, size, due, note, left, erased, documents, signer, report)
            waiting = connection.execute("SELECT count(*) FROM log_intents").fetchone()[0]
    except sqlite3.DatabaseError as exc:
        report.problems.append(f"node.db: the log cannot be read: {exc}")
        return
    if left and waiting:
        report.notes.append(f"{waiting} events wait for the log to go on")
    elif left:
        report.problems.append(f"{len(left)} events are here that the log does not know")


def _check_generation(
    connection: sqlite3.Connection,
    generation: int,
    size: int,
    due: int,
    note: str,
    left: set[bytes],
    erased: Set[bytes],
    documents: LogDocuments | None,
    signer: LogSigner | None,
    report: Report,
) -> None:
    """Recompute one generation, of which the events of the first `due` leaves must be here. Events that have their leaf
    are taken out of `left`."""
    checkpoint = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
    cosigned = documents.cosigned(checkpoint.origin) if documents is not None else []
    wanted = {each.checkpoint.size: each.checkpoint.root for each in cosigned}
    edge, vanished = Edge(0, []), list[bytes]()
    sql = "SELECT event, received FROM log_leaves WHERE generation = ? ORDER BY number"
    for event, received in connection.execute(sql, (generation,)):
        if edge.size < due and event not in left and event not in erased:
            vanished.append(event)
        left.discard(event)
        edge.add(Leaf(event, received).hash())
        if edge.size in wanted and edge.root() != wanted.pop(edge.size):
            report.problems.append(f"{checkpoint.origin}: at {edge.size} leaves it is not what the unit above cosigned")
    if vanished:
        report.problems.append(
            f"{checkpoint.origin}: {len(vanished)} events it took are not here any more: {_some(vanished)}"
        )
    if edge.size != size or checkpoint.size != size or edge.root() != checkpoint.root:
        report.problems.append(f"{checkpoint.origin}: its {edge.size} leaves do not make the head it signed")
    beyond = [each for each in wanted if each > size]
    if beyond and generation == _newest(connection):
        report.problems.append(
            f"{checkpoint.origin}: {max(beyond)} leaves were cosigned, {size} are here: leaves were lost"
        )
    if signer is None:
        report.notes.append(f"{checkpoint.origin}: its key has no certificate yet")
        return
    try:
        verify_note(note, [signer.log_key(generation)])
    except (CryptoError, ServerError) as exc:
        report.problems.append(f"{checkpoint.origin}: its head: {exc}")
        return
    report.checked["log leaves"] += edge.size


def _some(events: Sequence[bytes]) -> str:
    """Return the ids of the first events, for a person to look for."""
    named = ", ".join("sha256-" + base64url.encode(each) for each in events[:_NAMED])
    return named + (", …" if len(events) > _NAMED else "")


def _newest(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT max(generation) FROM logs").fetchone()[0])


def _beginning_with(events: Sequence[bytes], prefix: bytes) -> list[bytes]:
    """Return those of the sorted `events` that begin with `prefix`."""
    found = []
    for i in range(bisect_left(events, prefix), len(events)):
        if not events[i].startswith(prefix):
            break
        found.append(events[i])
    return found
