"""How far an erasure has come: which nodes of the tree have said that they did it, and which have not yet.

Which nodes there are is read from the certificates: every tier that has a CA above the owning unit has a node. So two
tiers or five are counted alike, and a tier nobody set up is not waited for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crypto.certificates import dns_suffix_of, parse_certificate
from crypto.names import parse_unit_dns
from server.dossier import units
from server.dossier.erasing import Done, Erasure
from server.pki.directory import Directory


@dataclass(frozen=True, slots=True)
class NodeWord:
    """One node's part in an erasure; `done` is None until it has said so."""

    unit: str
    done: Done | None


def tiers_of(directory: Directory, unit: str) -> tuple[str, ...]:
    """Return the units with a CA on the way from a unit to the root, the unit itself first."""
    database = units.database_name(unit)
    ders = [der for found in directory.authorities(database).values() for der in found]
    authorities = [*map(parse_certificate, ders), *directory.anchors.roots]
    named = {parse_unit_dns(suffix) for each in authorities if (suffix := dns_suffix_of(each)) is not None}
    return tuple(each for each in units.path_of(unit) if each == unit or each in named)


def words_of(erasure: Erasure, tiers: Iterable[str]) -> tuple[NodeWord, ...]:
    """Return the part of each node, from the owning unit upwards. A node that has spoken counts even where its tier
    was not known."""
    done = {units.unit_of_node(each.node): each for each in erasure.done}
    known = {*tiers, *done}
    return tuple(NodeWord(each, done.get(each)) for each in units.path_of(erasure.unit) if each in known)
