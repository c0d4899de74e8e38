"""Positions in a feed of another's store: when one is past another, and what sticks and links reached together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from replication.bundle.acknowledgement import Have
from replication.document import Seq
from replication.replicator.checkpoint import seq_number
from replication.store import ZERO

Reached = Mapping[str, tuple[Seq, ...]]  # by database, at least one each, the newest first


def is_reached(seq: Seq, reached: Iterable[Seq]) -> bool:
    """Say whether one of the positions is `seq`, or behind it in the same epoch: other epochs may count other things
    under the same numbers."""
    return any(each == seq or _is_behind(each, seq) for each in reached)


def with_links(have: Mapping[str, Have], reached: Reached) -> dict[str, Have]:
    """Return how far the databases of one store have come by sticks (`have`) and links (`reached`) together.

    A stretch that could not be read from a stick is missing no more once a link has gone past it.
    """
    joined = dict(have)
    for name, seqs in reached.items():
        told = joined.get(name, Have(ZERO))
        holes = tuple(hole for hole in told.holes if not is_reached(hole[1], seqs))
        joined[name] = replace(told, seq=max(told.seq, seqs[0], key=seq_number), holes=holes)
    return joined


def choose_begin(told: Seq, carried: Seq, *, same_store: bool) -> Seq:
    """Return where a bundle begins, by what its destination said and by how far a link got there.

    `same_store`: both speak of one store. Else one of them speaks of a store that is gone, and nobody knows which: the
    earlier one is true of either.
    """
    return (max if same_store else min)(told, carried, key=seq_number)


def _is_behind(seq: Seq, other: Seq) -> bool:
    number, _, epoch = seq.partition("-")
    return bool(number) and epoch != "" and epoch == other.partition("-")[2] and seq_number(seq) >= seq_number(other)
