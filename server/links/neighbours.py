"""A node's neighbours: who it pushes to and pulls from, kept in `node.db`; `tram link` works beside a running node."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from server.errors import Refused
from server.links.allowance import LinkRules, rules_from_json, rules_to_json
from server.links.tls import parse_url
from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS links (
    name TEXT PRIMARY KEY, url TEXT NOT NULL, role TEXT NOT NULL CHECK (role IN ('parent', 'child')),
    paused INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS link_rules (
    name TEXT PRIMARY KEY, rules TEXT NOT NULL, changed_at TEXT NOT NULL, changed_by TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS link_pins (name TEXT PRIMARY KEY, pin TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS link_trust (
    name TEXT PRIMARY KEY, trust TEXT NOT NULL, unit TEXT NOT NULL, ca TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS links_removed (name TEXT PRIMARY KEY);
"""

PARENT = "parent"
Trust = Literal["system", "tree", "pin", "ca"]
MAX_CA_CHARS = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One link. To a "parent" this node pushes its subtree and pulls what ancestors added; from a "child" it pulls the
    child's subtree and pushes what it added itself.

    Over https it believes, by `trust`: "system" what the system trusts; "tree" a certificate of this tree for `unit`,
    or where that is "" for any unit above us (a parent) or below us (a child); "pin" the one certificate with the
    thumbprint `pin` (SHA-256, hex); "ca" what the authorities in `ca` (PEM) vouch for, under the address's own name."""

    name: str
    url: str
    role: Literal["parent", "child"]
    paused: bool = False
    pin: str = ""
    trust: Trust = "system"
    unit: str = ""
    ca: str = ""


class Links:
    """The links of one node."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def all(self) -> list[Neighbour]:
        """Return every link by name."""
        return [
            _neighbour(row)
            for row in self._db.rows(
                "SELECT links.*, coalesce(pin, '') AS pin, coalesce(trust, iif(pin IS NULL, 'system', 'pin')) AS trust,"
                " coalesce(unit, '') AS unit, coalesce(ca, '') AS ca"
                " FROM links LEFT JOIN link_pins USING (name) LEFT JOIN link_trust USING (name) ORDER BY name"
            )
        ]

    def put(self, link: Neighbour) -> None:
        """Add a link or replace the one of that name. Raises `Refused("bad_link")` saying what is wrong."""
        if not _NAME.fullmatch(link.name):
            raise Refused("bad_link", f"a link's name is small letters, digits, '-' and '.', got {link.name!r}")
        url = parse_url(link.url)
        if link.pin and urlsplit(url).scheme != "https":
            raise Refused("bad_link", f"a pinned certificate needs https, the address is {link.url}")
        if link.trust == "ca" and not link.ca:
            raise Refused("bad_link", "name the authorities to believe")
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO links (name, url, role, paused) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET url = excluded.url, role = excluded.role, paused = excluded.paused",
                (link.name, url, link.role, link.paused),
            )
            connection.execute("DELETE FROM links_removed WHERE name = ?", (link.name,))
            connection.execute("DELETE FROM link_pins WHERE name = ?", (link.name,))
            if link.pin:
                connection.execute("INSERT INTO link_pins VALUES (?, ?)", (link.name, link.pin))
            trust = "pin" if link.pin else link.trust
            connection.execute(
                "INSERT OR REPLACE INTO link_trust VALUES (?, ?, ?, ?)", (link.name, trust, link.unit, link.ca)
            )

    def begin_with(self, parent: str | None) -> None:
        """Add the link to the parent that `tram init` was told of, unless there is one or somebody took it away."""
        known = self.was_removed(PARENT) or any(link.name == PARENT for link in self.all())
        if parent and not known:
            self.put(Neighbour(PARENT, parent, "parent", trust=default_trust(parent)))

    def get(self, name: str) -> Neighbour:
        """Return one link. Raises `Refused("no_link")` naming those there are."""
        links = self.all()
        found = next((link for link in links if link.name == name), None)
        if found is None:
            known = ", ".join(link.name for link in links) or "none"
            raise Refused("no_link", f"there is no link {name!r}; known: {known}")
        return found

    def remove(self, name: str) -> None:
        """Forget a link and its rules; what it brought stays. Raises `Refused("no_link")`."""
        self.get(name)
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM links WHERE name = ?", (name,))
            connection.execute("DELETE FROM link_rules WHERE name = ?", (name,))
            connection.execute("DELETE FROM link_pins WHERE name = ?", (name,))
            connection.execute("DELETE FROM link_trust WHERE name = ?", (name,))
            connection.execute("INSERT OR IGNORE INTO links_removed VALUES (?)", (name,))

    def was_removed(self, name: str) -> bool:
        """Say whether somebody took a link of that name away and nobody added it again."""
        return self._db.row("SELECT 1 FROM links_removed WHERE name = ?", (name,)) is not None

    def rules(self, name: str) -> LinkRules:
        """Return what the link may carry and when; no limits if nobody has set any."""
        row = self._db.row("SELECT rules FROM link_rules WHERE name = ?", (name,))
        return rules_from_json(row["rules"]) if row else LinkRules()

    def rules_changed(self, name: str) -> tuple[str, str]:
        """Return when the rules were last changed (RFC 3339) and by whom; ("", "") if never."""
        row = self._db.row("SELECT changed_at, changed_by FROM link_rules WHERE name = ?", (name,))
        return (row["changed_at"], row["changed_by"]) if row else ("", "")

    def set_rules(self, name: str, rules: LinkRules, *, by: str, at: datetime) -> None:
        """Set the rules of a link; a running server follows within two seconds. Raises `Refused("no_link")`."""
        self.get(name)
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO link_rules VALUES (?, ?, ?, ?)",
                (name, rules_to_json(rules), at.isoformat(timespec="seconds"), by),
            )

    def set_paused(self, name: str, paused: bool) -> None:
        """Pause or resume a link. Raises `Refused("no_link")`."""
        self.get(name)
        with self._db.transaction() as connection:
            connection.execute("UPDATE links SET paused = ? WHERE name = ?", (paused, name))


def _neighbour(row: sqlite3.Row) -> Neighbour:
    return Neighbour(
        name=row["name"],
        url=row["url"],
        role=row["role"],
        paused=bool(row["paused"]),
        pin=row["pin"],
        trust=row["trust"],
        unit=row["unit"],
        ca=row["ca"],
    )


def default_trust(url: str) -> Trust:
    """Return whom a link believes unless somebody said otherwise: over https the tree's own certificates."""
    return "tree" if urlsplit(url).scheme == "https" else "system"
