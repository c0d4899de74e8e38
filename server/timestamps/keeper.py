"""Time-stamps in the background of a serving node that was told of an authority (`tram timestamp --remember`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crypto.errors import CryptoError
from server.dossier.trustpolicy import TimeAuthority
from server.errands import Errand
from server.errors import ServerError
from server.timestamps.stamping import Stamper, TokenSource

LOOK_EVERY_S = 60.0
_AFTER_TROUBLE_S = 300.0  # out in the mountains an authority is out of reach for weeks; that is no reason to hurry


class StampKeeper:
    """Stamps what waits, every minute: the errand "timestamps". `connect` makes the authority anew."""

    def __init__(
        self,
        stamper: Stamper,
        database: str,
        connect: Callable[[], TokenSource],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`tell` hears the complaint of every look, "" when it went well."""
        self._stamper = stamper
        self._database = database
        self._connect = connect
        self.errand = Errand(
            "timestamps",
            self._look,
            every_s=LOOK_EVERY_S,
            again_s=_AFTER_TROUBLE_S,
            expected=(ServerError, CryptoError),
            tell=tell,
        )

    @property
    def complaint(self) -> str:
        """Why the authority could not be asked the last time, "" if it could."""
        return self.errand.complaint

    def _look(self, _: Sequence[str]) -> None:
        authority = self._connect()
        try:
            self._stamper.run(self._database, authority, is_ended=lambda: self.errand.is_ending)
        finally:
            authority.close()


def connect(url: str, authorities: Sequence[TimeAuthority]) -> TokenSource:
    """Return the authority at an address. Raises as `Authority` does."""
    from server.timestamps.asking import Authority  # brings an HTTP client; most nodes ask none

    return Authority(url, authorities)
