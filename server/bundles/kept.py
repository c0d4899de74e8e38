"""Closed bundles of others that lie in `relay/` of the home."""

from __future__ import annotations

from dataclasses import dataclass

from server.bundles.tables import Book


@dataclass(frozen=True, slots=True)
class Carried:
    """A part kept for another node, in `relay/` of the home."""

    id: str
    part: int
    source: str
    target: str
    seq: int
    expires: str
    max_hops: int
    hops: int
    name: str
    bytes: int
    carried: str | None


class Kept(Book):
    """Parts kept for others."""

    def keep(self, part: Carried, taken: str) -> None:
        """Note a part that lies in `relay/`."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO bundle_relay VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    part.id,
                    part.part,
                    part.source,
                    part.target,
                    part.seq,
                    part.expires,
                    part.max_hops,
                    part.hops,
                    part.name,
                    part.bytes,
                    taken,
                ),
            )

    def kept(self) -> list[Carried]:
        """Return the parts kept for others, in the order of their bundles."""
        rows = self._db.rows(
            "SELECT id, part, source, target, seq, expires, max_hops, hops, name, bytes, carried FROM bundle_relay"
            " ORDER BY source, target, seq, part"
        )
        return [Carried(**dict(row)) for row in rows]

    def carried_on(self, part: Carried, at: str) -> None:
        """Note that a part was put on a stick for its next stop."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE bundle_relay SET carried = ? WHERE id = ? AND part = ?", (at, part.id, part.part)
            )

    def drop(self, part: Carried) -> None:
        """Forget a part kept for another."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM bundle_relay WHERE id = ? AND part = ?", (part.id, part.part))
