"""Who may open what: the seam between the protocol and whoever owns the databases."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from replication.store import Database, Store


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about who sent it, unchecked. `environ` is WSGI's, for TLS client certificates."""

    authorization: str = ""
    cookie: str = ""
    environ: Mapping[str, Any] = field(default_factory=dict)

    @property
    def basic(self) -> tuple[str, str] | None:
        """Name and password of HTTP Basic (RFC 7617), or None for anything else."""
        scheme, _, token = self.authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        return (name, password) if colon else None


@dataclass(frozen=True, slots=True)
class Session:
    """Who a request turned out to be: `name` None is nobody in particular. `set_cookie` is a header to send."""

    name: str | None = None
    roles: tuple[str, ...] = ()
    method: str = "default"
    set_cookie: str | None = None


class Access(Protocol):
    """Opens databases for requests. Refuses with `Unauthorized`, `Forbidden` or `NotFound`, before anything is read."""

    @property
    def uuid(self) -> str:
        """The store's uuid; peers key their checkpoints on it."""

    def open(self, name: str, credentials: Credentials) -> Database:
        """Return the database. Raises `NotFound("Database does not exist.")`."""

    def create(self, name: str, credentials: Credentials) -> Database:
        """Make a database. Raises `DatabaseExists`, `IllegalDatabaseName`."""

    def delete(self, name: str, credentials: Credentials) -> None:
        """Remove a database. Raises `NotFound`."""

    def names(self, credentials: Credentials) -> list[str]:
        """Return the names of the databases this sender may know of, sorted."""

    def session(self, credentials: Credentials) -> Session:
        """Return who the sender is. Raises `Unauthorized` only for credentials that are wrong."""

    def log_in(self, name: str, password: str) -> Session:
        """Return the session of `POST /_session`. Raises `Unauthorized("Name or password is incorrect.")`."""


class OpenAccess:
    """Everything to everybody: for loopback, tools and tests. Any Basic credentials are accepted.

    `wrap` may put something round every database that is opened, such as its JavaScript (`http.scripts`).
    """

    def __init__(self, store: Store, wrap: Callable[[Database, Session], Database] | None = None) -> None:
        self._store = store
        self._wrap = wrap

    @property
    def uuid(self) -> str:
        return self._store.uuid

    def open(self, name: str, credentials: Credentials) -> Database:
        database = self._store.open(name)
        return database if self._wrap is None else self._wrap(database, self.session(credentials))

    def create(self, name: str, credentials: Credentials) -> Database:
        return self._store.create(name)

    def delete(self, name: str, credentials: Credentials) -> None:
        self._store.delete(name)

    def names(self, credentials: Credentials) -> list[str]:
        return self._store.names()

    def session(self, credentials: Credentials) -> Session:
        basic = credentials.basic
        return Session(basic[0] if basic else None, ("_admin",))

    def log_in(self, name: str, password: str) -> Session:
        return Session(name, ("_admin",), "cookie", "AuthSession=open; Version=1; Path=/; HttpOnly")
