"""Which document belongs in which database: docs/architecture.md, "Databases"."""

from __future__ import annotations

from server.dossier import units
from server.dossier.event import Event
from server.errors import Refused
from server.intake.documents import Kind

REGISTRY = "registry"

# Grants travel with whoever they are about: an official of the district who comments on a commune's dossier brings
# the district's grant into the commune's database, so that every database can be judged by what it holds itself.
_TRAVELLING = frozenset({"role.granted", "role.confirmed", "role.revoked"})
_REGISTRY_TYPES = frozenset(
    {"procedure.published", "calendar.published", "unit.described", "unit.key_published", "policy.trust"}
)
_PUBLISHED = frozenset({"procedure.published", "calendar.published", "policy.trust"})


def check_kind(database: str, kind: Kind) -> None:
    """Raise `Refused("wrong_database")` for a kind of document this database does not hold."""
    if database.startswith("f-") and units.unit_of_database(database):
        allowed = kind in ("manifest", "chunk")
    elif database == REGISTRY or (database.startswith("u-") and units.unit_of_database(database)):
        allowed = kind in ("event", "certificate", "crl") or (kind in ("log", "timestamp") and database != REGISTRY)
    else:
        raise Refused("wrong_database", f"{database!a} is not a database of this tree")
    if not allowed:
        raise Refused("wrong_database", f"a {kind} does not belong in {database}")


def check_event(database: str, event: Event, home_unit: str) -> None:
    """Raise `Refused("wrong_database")` unless the event belongs in this database of the node of `home_unit`."""
    if database == REGISTRY:
        _check_registry(event, home_unit)
        return
    owner = units.unit_of_database(database)
    if owner is None or event.type in _PUBLISHED:
        raise Refused("wrong_database", f"{event.type} belongs in {REGISTRY}, it came for {database}")
    if event.unit == owner or (event.type in _TRAVELLING and units.is_within(owner, event.unit)):
        return
    raise Refused("wrong_database", f"the event's unit is {event.unit}, its database {units.database_name(event.unit)}")


def _check_registry(event: Event, home_unit: str) -> None:
    """The registry is written from above: by a node on this node's path to the root, about its own subtree."""
    if event.type not in _REGISTRY_TYPES:
        raise Refused("wrong_database", f"{event.type} does not belong in {REGISTRY}")
    author = units.unit_of_node(event.actor)
    if author is None or not units.is_within(home_unit, author):
        raise Refused("wrong_database", f"{REGISTRY} is written by nodes above {home_unit}, not by {event.actor}")
    if not units.is_within(event.unit, author):
        raise Refused("wrong_database", f"{event.actor} may not describe {event.unit}: it lies outside its branch")
