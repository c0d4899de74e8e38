"""What a node says it has of another's stores: the only thing that moves where the next bundle begins.

    {"v": 1, "store": <the speaker's store>, "at": "2026-11-21T07:12:09Z", "bundles": [<ids taken whole>],
     "have": {<store of the hearer>: {"u-h41-12-03": {"seq": "812-1f…", "holes": [["17-1f…", "95-1f…"]]}}},
     "missing": {"f-h41-12-03": ["sha256-…"]}}

It travels in the manifest of the next bundle back and in the next session over a link, signed each way. `seq` is where
the speaker is whole up to, except for `holes`: stretches (after the first, up to the second) of which it could not
read all. `missing` names chunks that files of its are waiting for, whatever road they should have come by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from replication.bundle import checks
from replication.bundle.errors import BadBundle
from replication.document import DocId, Seq

MAX_STORES: Final = 8
MAX_DATABASES: Final = 2048
MAX_HOLES: Final = 256
MAX_MISSING: Final = 2000  # chunks: 20 MB of files; the next acknowledgement names the next
MAX_BUNDLES: Final = 200
Hole = tuple[Seq, Seq]


@dataclass(frozen=True, slots=True)
class Have:
    """How far one database of another's store has arrived."""

    seq: Seq
    holes: tuple[Hole, ...] = ()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One node's word to another about what arrived. `have` is by store and database."""

    store: str
    at: str
    have: Mapping[str, Mapping[str, Have]] = field(default_factory=dict)
    bundles: tuple[str, ...] = ()
    missing: Mapping[str, tuple[DocId, ...]] = field(default_factory=dict)

    def value(self) -> dict[str, Any]:
        """Return the JSON object, cut to the bounds `parse_acknowledgement` keeps."""
        return {
            "v": 1,
            "store": self.store,
            "at": self.at,
            "bundles": list(self.bundles[:MAX_BUNDLES]),
            "have": {
                store: {
                    name: {"seq": have.seq, "holes": [list(hole) for hole in have.holes]}
                    for name, have in databases.items()
                }
                for store, databases in self.have.items()
            },
            "missing": {name: list(ids) for name, ids in self.missing.items()},
        }


def parse_acknowledgement(value: Any) -> Acknowledgement:
    """Return the acknowledgement in a JSON value. Raises `BadBundle`."""
    if not isinstance(value, dict) or value.get("v") != 1:
        raise BadBundle("this acknowledgement is of another version; update the program")
    return Acknowledgement(
        store=checks.hex_id(value.get("store"), "store"),
        at=checks.time(value.get("at"), "at"),
        have={
            checks.hex_id(store, "have"): {
                checks.database(name, "have"): _have(each)
                for name, each in checks.table(databases, "have", MAX_DATABASES).items()
            }
            for store, databases in checks.table(value.get("have"), "have", MAX_STORES).items()
        },
        bundles=tuple(
            checks.hex_id(each, "bundles") for each in checks.listing(value.get("bundles"), "bundles", MAX_BUNDLES)
        ),
        missing={
            checks.database(name, "missing"): tuple(
                DocId(checks.text(each, "missing", 64)) for each in checks.listing(ids, "missing", MAX_MISSING)
            )
            for name, ids in checks.table(value.get("missing"), "missing", MAX_DATABASES).items()
        },
    )


def _have(value: Any) -> Have:
    fields = checks.table(value, "have", 2)
    holes = checks.listing(fields.get("holes"), "holes", MAX_HOLES)
    return Have(Seq(checks.seq(fields.get("seq"), "seq")), tuple(_hole(each) for each in holes))


def _hole(value: Any) -> Hole:
    ends = checks.listing(value, "holes", 2)
    if len(ends) != 2:
        raise BadBundle("a hole is a pair: after which position it begins, and where it ends")
    return Seq(checks.seq(ends[0], "holes")), Seq(checks.seq(ends[1], "holes"))
