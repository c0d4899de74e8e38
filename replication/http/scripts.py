"""The JavaScript of design documents: validation of writes, filters of feeds. Only where an `Access` opens with it.

Validation follows CouchDB 3.5: every `validate_doc_update` of the database is called with (newDoc, oldDoc, userCtx,
secObj), by id of its design document; design and local documents are exempt, administrators are not. `oldDoc` is the
leaf an edit continues, for a replicated revision its nearest ancestor whose body is here, or null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from replication.access import Session
from replication.document import Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest, Forbidden, NotFound, StoreError, Unauthorized
from replication.javascript import Design, Engine, FunctionFailed, Thrown
from replication.jsontext import dump_json, parse_json
from replication.passing import PassingDatabase
from replication.store import AllDocsQuery, AllDocsRow, Database, GetRequest, JsonObject, WriteResult
from replication.wire import render_document

PREFIX = "_design/"
VALIDATE = "validate_doc_update"
LANGUAGE = "javascript"
# "0" follows "/": everything that begins with "_design/" is between.
DESIGNS = AllDocsQuery(start=PREFIX, end="_design0", inclusive_end=False)
ANCESTORS = 16  # asked for at a time; the parent is nearly always here


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The validating design documents of a database, as long as `rows` are all its design documents."""

    rows: tuple[AllDocsRow, ...]
    validating: tuple[Design, ...]


class Scripts:
    """The engine, and what it need not be told again about each database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._shelves: WeakKeyDictionary[Database, _Shelf] = WeakKeyDictionary()

    def wrap(self, database: Database, session: Session) -> ScriptedDatabase:
        """Return the database with its JavaScript, as this sender sees it."""
        return ScriptedDatabase(database, self, session)

    def find_validating(self, database: Database) -> tuple[Design, ...]:
        """Return the design documents with a validation function, by id. One short query where nothing changed."""
        rows = database.all_docs(DESIGNS).rows
        shelf = self._shelves.get(database)
        if shelf is None or shelf.rows != rows:
            found = database.bulk_get([GetRequest(row.id, row.rev) for row in rows]) if rows else []
            docs = [docs[0] for docs in found if docs and isinstance(docs[0], Doc)]
            shelf = _Shelf(rows, tuple(build_design(database, doc) for doc in docs if VALIDATE in parse_json(doc.body)))
            self._shelves[database] = shelf
        return shelf.validating


def build_design(database: Database, doc: Doc) -> Design:
    """Return a stored design document as the engine takes it."""
    assert doc.rev is not None
    return Design(database.name, doc.id, doc.rev, render_document(replace(doc, attachments={})))


class ScriptedDatabase(PassingDatabase):
    """A database whose design documents' functions run for one sender."""

    def __init__(self, inner: Database, scripts: Scripts, session: Session) -> None:
        super().__init__(inner)
        self._scripts = scripts
        self._session = session

    @property
    def user(self) -> JsonObject:
        """`userCtx` of functions."""
        return {"db": self.name, "name": self._session.name, "roles": list(self._session.roles)}

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        refused = self._refuse(docs, new_edits)
        if not any(refused):
            return self._inner.bulk_docs(docs, new_edits=new_edits)
        taken = [doc for doc, refusal in zip(docs, refused, strict=True) if refusal is None]
        results = iter(self._inner.bulk_docs(taken, new_edits=new_edits))
        return [
            next(results) if refusal is None else WriteResult(doc.id, None if new_edits else doc.rev, refusal)
            for doc, refusal in zip(docs, refused, strict=True)
        ]

    def passes(self, doc_id: DocId, path: tuple[str, ...], docs: Sequence[Doc], request: JsonObject) -> list[bool]:
        """Return which documents the filter at `path` of a design document lets through.

        `path` is ("filters", name), or ("views", name, "map"), which lets through what it emits something for.
        Raises `NotFound` where there is no such function, `FunctionFailed` for one that fails.
        """
        doc = self._inner.get(doc_id)
        _require_function(parse_json(doc.body), path)
        given = b",".join(render_document(doc, revs=True) for doc in docs)
        arguments = b"[[%b],%b]" % (given, dump_json({**request, "userCtx": self.user, "secObj": self.security()}))
        design = build_design(self._inner, doc)
        found = self._call(design, path, arguments, emits=path[0] == "views")
        if not isinstance(found, list) or len(found) != len(docs):
            raise FunctionFailed("the filter's outcome is none", error="unknown_error")
        return [kept is True for kept in found]

    def _call(self, design: Design, path: tuple[str, ...], arguments: bytes, *, emits: bool) -> Any:
        _require_language(design)
        try:
            return self._scripts.engine.call(design, path, arguments, "emits" if emits else "each")
        except Thrown as exc:
            raise FunctionFailed(_say(exc.value), error="unknown_error") from exc

    # Validation

    def _refuse(self, docs: Sequence[Doc], new_edits: bool) -> list[StoreError | None]:
        """Return for each document what refuses it, None where it goes to the store, which may still refuse it."""
        out: list[StoreError | None] = [_refuse_design(doc) if doc.id.startswith(PREFIX) else None for doc in docs]
        validating = self._scripts.find_validating(self._inner)
        if not validating:
            return out
        unknown = None if new_edits else self._find_unknown(docs)
        security = self.security()
        for at, doc in enumerate(docs):
            if doc.id.startswith(PREFIX) or (unknown is not None and (doc.id, doc.rev) not in unknown):
                continue
            out[at] = self._validate(doc, validating, security, new_edits)
        return out

    def _find_unknown(self, docs: Sequence[Doc]) -> set[tuple[DocId, Rev]]:
        """Return the replicated revisions that are new here; the others change nothing and are not asked about."""
        wanted: dict[DocId, list[Rev]] = {}
        for doc in docs:
            if doc.rev is not None:
                wanted.setdefault(doc.id, []).append(doc.rev)
        return {(doc_id, rev) for doc_id, diff in self._inner.revs_diff(wanted).items() for rev in diff.missing}

    def _validate(
        self, doc: Doc, validating: Sequence[Design], security: JsonObject, new_edits: bool
    ) -> StoreError | None:
        try:
            old = self._find_parent(doc) if new_edits else self._find_ancestor(doc)
        except NotFound:
            return None  # the store says conflict
        shown = replace(doc, path=(parse_rev(doc.rev)[1],)) if doc.rev and not doc.path else doc
        before = b"null" if old is None else render_document(old, revs=True)
        context = dump_json([self.user, security])[1:]
        arguments = b"[%b,%b,%b" % (render_document(shown, revs=True), before, context)
        for design in validating:
            try:
                _require_language(design)
                self._scripts.engine.call(design, (VALIDATE,), arguments)
            except Thrown as exc:
                return _read_refusal(exc.value)
            except FunctionFailed as exc:
                return exc
        return None

    def _find_parent(self, doc: Doc) -> Doc | None:
        """Return the leaf an edit continues, None for one that begins. Raises `NotFound` where it can do neither."""
        try:
            leaves = self._inner.leaves(doc.id)
        except NotFound:
            leaves = ()
        if doc.rev is None and all(deleted for _, deleted in leaves):
            return None
        if doc.rev not in [rev for rev, _ in leaves]:
            raise NotFound("missing")
        return self._inner.get(doc.id, doc.rev)

    def _find_ancestor(self, doc: Doc) -> Doc | None:
        generation = doc.generation
        revs = [Rev(f"{generation - n}-{digest}") for n, digest in enumerate(doc.path)][1:]
        for begin in range(0, len(revs), ANCESTORS):
            for found in self._inner.open_revs(doc.id, revs[begin : begin + ANCESTORS]):
                if isinstance(found, Doc):
                    return found
        return None


def _refuse_design(doc: Doc) -> StoreError | None:
    """Return the refusal of a design document whose validation function is no text, as CouchDB does."""
    if doc.deleted or isinstance(parse_json(doc.body).get(VALIDATE, ""), str):
        return None
    return BadRequest(f"`{VALIDATE}` field must have string type", error="invalid_design_doc")


def _require_language(design: Design) -> None:
    language = _read_language(design.body)
    if language != LANGUAGE:
        raise FunctionFailed(language, error="unknown_query_language")


@lru_cache(maxsize=32)
def _read_language(body: bytes) -> str:
    return _say(parse_json(body).get("language", LANGUAGE))


def _require_function(body: JsonObject, path: tuple[str, ...]) -> None:
    """Raise `NotFound` for the first name along `path` that is not there, in CouchDB's words."""
    at: Any = body
    for name in path:
        if not isinstance(at, dict) or name not in at:
            raise NotFound(f"missing json key: {name}")
        at = at[name]


def _read_refusal(value: Any) -> StoreError:
    if isinstance(value, dict):
        for name, kind in (("forbidden", Forbidden), ("unauthorized", Unauthorized)):
            if name in value:
                return kind(_say(value[name]))
        value = next(iter(value.values()), value)
    return FunctionFailed(_say(value), error="unknown_error")


def _say(value: Any) -> str:
    return value if isinstance(value, str) else dump_json(value).decode()
