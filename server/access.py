"""Who may open which database over the CouchDB protocol (`replication.access.Access`).

a node     u-X and f-X where X lies in the node's own branch and in ours: a child opens its subtree on its parent,
           an ancestor everything of ours; writes go through the intake. `registry`: nodes of the tree read it,
           those above us write it
a person   `mine`, and nothing else
nobody     the greeting
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from replication.access import Credentials, Session
from replication.document import Doc, DocId, Rev
from replication.errors import Forbidden, Unauthorized
from replication.passing import PassingDatabase
from replication.store import Database, JsonObject, PurgeResult, Store, WriteResult
from server.dossier import units
from server.errors import NotSignedIn
from server.intake.door import Intake
from server.intake.guard import GuardedDatabase
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.links.presence import Presence
from server.mine import NAME as MINE
from server.mine import MineDatabase
from server.minefeed import MineFeed
from server.nodedb import NodeDb
from server.readmodel.model import ReadModel
from server.tokens import Principal, TokenVerifier


class NodeAccess:
    """The databases of one node, for whoever the token says is asking."""

    def __init__(
        self,
        *,
        unit: str,
        store: Store,
        db: NodeDb,
        intake: Intake,
        model: ReadModel,
        feed: MineFeed,
        tokens: TokenVerifier,
        presence: Presence,
    ) -> None:
        self._unit = unit
        self._store = store
        self._db = db
        self._intake = intake
        self._model = model
        self._feed = feed
        self._tokens = tokens
        self._presence = presence

    @property
    def uuid(self) -> str:
        return self._store.uuid

    def principal(self, authorization: str) -> Principal:
        """Return who an Authorization header speaks for. Raises `Unauthorized`."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("send a token: Authorization: Bearer <compact JWS>; see docs/architecture.md")
        try:
            return self._tokens.verify(token.strip())
        except NotSignedIn as exc:
            raise Unauthorized(exc.reason) from exc

    def open(self, name: str, credentials: Credentials) -> Database:
        who = self.principal(credentials.authorization)
        if who.kind == "person":
            if name != MINE:
                raise Forbidden(f"people open {MINE}, nothing else")
            return MineDatabase(who.urn, self._feed, self._db, self._store, self._intake, self._model)
        self._check(name, who)
        self._presence.note(who.unit)
        database = self._store.open(name)
        if name == REGISTRY and not self._may_write_registry(who):
            return ReadOnlyDatabase(database)
        return GuardedDatabase(database, self._intake, Source("peer", who.urn))

    def create(self, name: str, credentials: Credentials) -> Database:
        who = self.principal(credentials.authorization)
        if who.kind == "person" or name == REGISTRY:
            raise Forbidden("databases are made by the nodes whose units they belong to")
        self._check(name, who)
        return GuardedDatabase(self._store.create(name), self._intake, Source("peer", who.urn))

    def delete(self, name: str, credentials: Credentials) -> None:
        self.principal(credentials.authorization)
        raise Forbidden("nothing is ever deleted by a peer")

    def names(self, credentials: Credentials) -> list[str]:
        who = self.principal(credentials.authorization)
        if who.kind == "person":
            return [MINE]
        return [name for name in self._store.names() if self._is_open_to(name, who)]

    def session(self, credentials: Credentials) -> Session:
        if not credentials.authorization:
            return Session()
        who = self.principal(credentials.authorization)
        return Session(who.urn, (who.kind,), "token")

    def log_in(self, name: str, password: str) -> Session:
        raise Unauthorized("there are no passwords here; send a token")

    def _check(self, name: str, who: Principal) -> None:
        if not self._is_open_to(name, who):
            raise Forbidden(f"{name[:60]} is not open to {who.urn}")

    def _is_open_to(self, name: str, who: Principal) -> bool:
        if name == REGISTRY:
            return True  # whoever proved to be a node of this root's tree
        owner = units.unit_of_database(name)
        return owner is not None and units.is_within(owner, who.unit) and units.is_within(owner, self._unit)

    def _may_write_registry(self, who: Principal) -> bool:
        return who.unit != self._unit and units.is_within(self._unit, who.unit)


class ReadOnlyDatabase(PassingDatabase):
    """A database whose documents may be read; replicators may keep their `_local` checkpoints in it."""

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        refusal = Forbidden(f"forbidden: {self.name} is written from above")
        return [WriteResult(doc.id, error=refusal) for doc in docs]

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        raise Forbidden("nothing is ever removed from here by a peer")

    def set_revs_limit(self, limit: int) -> None:
        raise Forbidden("peers do not change settings")

    def set_security(self, security: JsonObject) -> None:
        raise Forbidden("peers do not change settings")
