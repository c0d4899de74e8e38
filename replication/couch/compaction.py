"""Compaction that has ended when the call returns, on every copy of every shard.

`POST /db/_compact` only passes the order on: CouchDB answers before a shard has begun, and `compact_running` is false
both before and after. Asked at the shard's own door (`/_node/<node>/shards%2F…/_compact`) it answers once the
compactor is there, so "not running" behind that order means ended, and `compacted_seq` says how far it came.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from replication.couch.link import Link
from replication.errors import NotFound, Unavailable
from replication.store import JsonObject

LIMIT_S = 3600.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ShardCopy:
    """One shard's file on one node of the cluster."""

    node: str
    name: str  # "shards/00000000-7fffffff/u-h41.1795317866"


class Compaction:
    """One compaction of one database. `limit_s` is for all its shards together."""

    def __init__(self, link: Link, database: str, *, limit_s: float = LIMIT_S) -> None:
        self._link = link
        self._database = database
        self._limit_s = limit_s
        self._pause = threading.Event()  # CouchDB tells nobody when it is done: it must be asked
        self._deadline = 0.0

    def run(self) -> None:
        """Compact every copy and return when the last has ended.

        What ran already is waited for first, because it may have passed what has become old since. Raises
        `Unavailable` when a node of the cluster is away, when CouchDB gave up, or beyond `limit_s`.
        """
        self._deadline = time.monotonic() + self._limit_s
        copies = self.fetch_copies()
        for copy in copies:
            self._wait(copy)
        due = [(copy, self._order(copy)) for copy in copies]
        for copy, seq in due:
            if self._wait(copy)["compacted_seq"] < seq:
                raise Unavailable(
                    f"CouchDB gave up compacting {copy.name} on {copy.node}: look at its log and the room on its disk"
                )

    def fetch_copies(self) -> list[ShardCopy]:
        """Return all copies of all shards, as CouchDB's own map of them says."""
        shard_map = self._ask("GET", "_local", "_dbs", self._database)
        suffix = bytes(shard_map["shard_suffix"]).decode()
        return [
            ShardCopy(node, f"shards/{span}/{self._database}{suffix}")
            for node, spans in sorted(shard_map["by_node"].items())
            for span in spans
        ]

    def _order(self, copy: ShardCopy) -> int:
        """Begin, and return the seq up to which the copy must be compact afterwards."""
        seq = int(self._ask("GET", copy.node, copy.name)["update_seq"])
        self._ask("POST", copy.node, copy.name, "_compact")
        return seq

    def _wait(self, copy: ShardCopy) -> JsonObject:
        """Return what the copy tells of itself as soon as nothing compacts it."""
        while (info := self._ask("GET", copy.node, copy.name))["compact_running"]:
            if time.monotonic() > self._deadline:
                raise Unavailable(
                    f"CouchDB still compacts {copy.name} on {copy.node} after {self._limit_s:.0f} s: look at its log"
                )
            self._pause.wait(POLL_S)
        return info

    def _ask(self, method: str, node: str, *path: str) -> JsonObject:
        try:
            value: JsonObject = self._link.json(
                method, ("_node", node, *path), {} if method == "POST" else None, repeat=True
            )
        except NotFound as error:  # a node that never came back since this one started, or a file not made there yet
            raise Unavailable(
                f"CouchDB's node {node} does not have {'/'.join(path)} at hand ({error.reason}): look whether all "
                "nodes of the cluster are up"
            ) from error
        return value
