"""Orders to revoke a person's keys, and carrying them out.

order       `enrol.revoked` in the unit's stream, signed by an official or the node: stands at once, travels upward
here        tokens and sessions of an ordered key end at every node that holds the order, list or no list
everywhere  the unit's CA puts the certificates on its list, at once where the key is at hand; where it is locked or
            elsewhere the order waits, and whoever opens the key next carries it out (`tram ca revoke DIR`)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from crypto.certificates import parse_certificate
from crypto.event import fingerprint_of
from crypto.path import verify_leaf_profile
from server.clocks.clock import NodeClock
from server.dossier import units
from server.dossier.granting import ROLE_TYPES
from server.dossier.revoking import REASONS, TYPE, RevocationOrder, settle_revocations
from server.dossier.times import format_time, parse_time
from server.errors import Clash, Missing, Refused
from server.pki.revocation import RevocationLists
from server.readmodel.model import ReadModel
from server.readmodel.people import PersonKey

_LOG = logging.getLogger(__name__)


class Revoking:
    """The orders one node knows of. Safe from several threads."""

    def __init__(self, *, unit: str, lists: RevocationLists, model: ReadModel, clock: NodeClock) -> None:
        self._unit = unit
        self._database = units.database_name(unit)
        self._lists = lists
        self._model = model
        self._clock = clock
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        # Orders and role events never go away, so their numbers tell whether the answer is still good.
        self._known: tuple[tuple[int, int], tuple[RevocationOrder, ...]] = ((0, 0), ())
        self.on_order: Callable[[], None] = lambda: None  # an order came: forget who was let in

    # What was ordered

    def all(self) -> tuple[RevocationOrder, ...]:
        """Return every order in every database here that counts, by time."""
        return self._read()

    def of(self, subject: str) -> tuple[RevocationOrder, ...]:
        """Return the orders about one person (a URN), by time."""
        return tuple(each for each in self.all() if each.subject == subject)

    def is_ordered(self, fingerprint: str) -> bool:
        """Say whether a certificate is to count no more by an order that is here, whatever the lists say yet.

        An order reaches the keys that its own unit gave the person it names, and no others.
        """
        return any(
            fingerprint in order.certificates
            and any(key.fingerprint == fingerprint for key in self._model.people.keys_of(order.subject, order.unit))
            for order in self._read()
        )

    def notice(self, streams: set[str]) -> None:
        """Look whether an order has come (a `Listener` of the follower)."""
        before = self._known[1]
        if self._read() != before:
            self.on_order()

    def keys_of(self, subject: str) -> tuple[PersonKey, ...]:
        """Return the keys this unit's CA has certified for somebody, newest first."""
        return self._model.people.keys_of(subject, self._unit)

    def in_force(self, key: PersonKey) -> bool:
        """Say whether a key still counts: not ended, on no list, and not ordered to be."""
        now = self._clock.now()
        revoked = key.revoked and datetime.fromisoformat(key.revoked) <= now
        return not revoked and datetime.fromisoformat(key.ends) > now and not self.is_ordered(key.fingerprint)

    def is_revoked(self, der: bytes) -> bool:
        """Say whether a certificate of this unit (DER) was revoked, or is ordered to be. One that merely ended was
        not."""
        certificate = parse_certificate(der)
        fingerprint, holder = fingerprint_of(certificate), verify_leaf_profile(certificate).urn
        listed = any(key.fingerprint == fingerprint and key.revoked for key in self.keys_of(holder))
        return listed or self.is_ordered(fingerprint)

    # Ordering

    def build_body(self, subject: str, *, how: str, told: str, reason: str, since: str = "") -> dict[str, Any]:
        """Return the body of the `enrol.revoked` that takes away every key this unit gave a person which still counts.

        Raises `Missing` for somebody who never had one, `Clash` if none counts any more, `Refused` for a `since` that
        is later than now or before the oldest of these keys.
        """
        self._model.follower.catch_up(self._database)
        held = self.keys_of(subject)
        if not held:
            raise Missing(f"{self._unit} issued no certificate to {subject[:80]}")
        ending = [key for key in held if self.in_force(key)]
        if not ending:
            raise Clash("Người này không còn khóa nào đang dùng / no key of this person counts any more")
        body: dict[str, Any] = {
            "subject": subject,
            "certificates": sorted(f"sha256-{key.fingerprint}" for key in ending),
            "how": how,
            "told": told,
            "reason": reason,
        }
        if since:
            first = min(datetime.fromisoformat(key.begins) for key in ending)
            if not first <= parse_time(since) <= self._clock.now():
                raise Refused(
                    "bad_time",
                    "Giờ này phải nằm giữa lúc khóa được cấp và bây giờ / "
                    f"since {since}: the key can have been misused from {format_time(first)}, when it was certified,"
                    " until now",
                    member="since",
                )
            body["since"] = since
        return body

    # Carrying out

    def waiting(self) -> tuple[RevocationOrder, ...]:
        """Return the orders for this unit's CA that name a key which no list of it names yet, oldest first."""
        return tuple(each for each in self.all() if each.unit == self._unit and self._outstanding(each))

    def waits_elsewhere(self) -> tuple[RevocationOrder, ...]:
        """Return the orders for CAs of other units that no list here has carried out yet."""
        return tuple(each for each in self.all() if each.unit != self._unit and self._outstanding(each))

    def carry_out(self) -> int:
        """Put what waits on the lists. Returns how many certificates were revoked.

        Raises as `Authority.open` where the CA's key is locked or elsewhere; then all of it goes on waiting.
        """
        count = 0
        with self._turn:
            for order in self.waiting():
                found = dict.fromkeys(self._outstanding(order), self._database)
                since = parse_time(order.since) if order.since else None
                self._lists.revoke(found, REASONS[order.how], invalid_since=since if order.is_compromise else None)
                _LOG.info(
                    "%d certificates of %s are on the list, as %s ordered", len(found), order.subject, order.author
                )
                count += len(found)
        if count:
            self._model.follower.catch_up()
        return count

    def _outstanding(self, order: RevocationOrder) -> list[str]:
        """Return the thumbprints of an order that its unit gave that person and that no list here names."""
        listed = {key.fingerprint: key.revoked for key in self._model.people.keys_of(order.subject, order.unit)}
        return [each for each in order.certificates if listed.get(each) == ""]

    def _read(self) -> tuple[RevocationOrder, ...]:
        count = (self._model.people.count_of(TYPE), self._model.people.count_of(*ROLE_TYPES))
        with self._lock:
            if self._known[0] == count:
                return self._known[1]
        found: list[RevocationOrder] = []
        for database, ids in self._model.queries.streams_of_type(TYPE).items():
            found += settle_revocations(*self._model.unit_events(database, ids))
        orders = tuple(sorted(found, key=lambda each: (each.at, each.id)))
        with self._lock:
            self._known = (count, orders)
        return orders
