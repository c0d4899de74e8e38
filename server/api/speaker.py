"""Who is speaking, and what they may see: a bearer token (phones, scripts) or the desk's cookie."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from replication.errors import Unauthorized
from server.api.origin import own_origin
from server.api.sessions import COOKIE, Sessions
from server.dossier import units
from server.dossier.times import format_time
from server.errors import Missing, NotAllowed, NotSignedIn
from server.node.assembly import Node
from server.readmodel.queries import DossierRow
from server.tokens import Principal

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OFFICE = frozenset({"official", "leader", "admin"})  # who may read the unit's dossiers; helpers see what they filed


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody with a proven identity. `roles` are those held now at this node's unit."""

    who: Principal
    roles: tuple[str, ...]
    unit: str

    @property
    def urn(self) -> str:
        """The speaker's URN."""
        return self.who.urn

    @property
    def in_office(self) -> bool:
        """Whether the speaker works at this node's unit."""
        return not OFFICE.isdisjoint(self.roles)

    def may_see(self, row: DossierRow) -> bool:
        """Say whether the speaker may see a dossier: their own, or any of the unit's branch for its officials."""
        return row.owner == self.urn or (self.in_office and units.is_within(row.unit, self.unit))


class Speakers:
    """Tells speakers from requests."""

    def __init__(self, node: Node, sessions: Sessions) -> None:
        self._node = node
        self._sessions = sessions

    def current(self) -> Speaker:
        """Return who sent the present request. Raises `NotSignedIn`; `NotAllowed` for a cookie used across sites."""
        header = request.headers.get("Authorization", "")
        if header:
            try:
                return self._speaker(self._node.access.principal(header))
            except Unauthorized as exc:
                raise NotSignedIn(exc.reason) from exc
        who = self._sessions.find(request.cookies.get(COOKIE, ""))
        if who is None:
            raise NotSignedIn("say who you are: a bearer token, or the desk's session cookie")
        self._check_same_site()
        self._node.tokens.check(who)
        return self._speaker(who)

    def official(self) -> Speaker:
        """Return the present speaker if they work here. Raises `NotSignedIn`, `NotAllowed`."""
        speaker = self.current()
        if not speaker.in_office:
            unit = self._node.unit
            raise NotAllowed(f"Chỉ dành cho cán bộ của {unit} / this is for officials of {unit}")
        return speaker

    def roles(self, who: Principal) -> tuple[str, ...]:
        """Return the roles somebody holds now at this node's unit."""
        grants = self._node.model.grants(self._node.database)
        return grants.roles(who.urn, self._node.unit, format_time(self._node.clock.now()))

    def dossier_row(self, stream: str, speaker: Speaker) -> DossierRow:
        """Return a dossier's line if the speaker may see it. Raises `Missing`, alike for one that is not there."""
        row = self._node.model.queries.dossier(stream)
        if row is None or not speaker.may_see(row):
            raise Missing("there is no such dossier here, or it is not yours to see")
        return row

    def _speaker(self, who: Principal) -> Speaker:
        roles = self.roles(who) if who.kind == "person" else ()
        return Speaker(who, roles, self._node.unit)

    def _check_same_site(self) -> None:
        """A cookie is sent by the browser whoever asks; the Origin header says who did (RFC 6454, Fetch)."""
        if request.method in _SAFE:
            return
        origin = request.headers.get("Origin", "")
        if origin != own_origin():
            raise NotAllowed(
                "Yêu cầu này được gửi từ một trang khác; hãy mở lại trang này và làm lại / this request comes from"
                f" {origin[:100] or 'nowhere'!r}, the session belongs to this site"
            )
