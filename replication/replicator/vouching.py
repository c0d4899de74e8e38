"""What one request says about all databases of a server, so that those where nothing moved need none of their own.

When all is quiet the listing of `/_tram/seqs` is kept as a note. The next run shows its mark first: 304 vouches for
every database named in the note, 200 for those whose seq is the same. A pair that is vouched for is opened from our
own notes alone; where its source is over there, its feed has nothing new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from replication.document import Seq
from replication.errors import LinkError, ReplicationError
from replication.peers import Endpoint
from replication.peers.endpoint import SYNC_FEATURE
from replication.peers.listing import Listing, ask_listing
from replication.peers.pending import Pending
from replication.replicator.state import CheckpointState
from replication.store import JsonObject


class Vouching:
    """The listing of one endpoint through one run. `turn` while the run begins, `close` when all is quiet."""

    def __init__(self, endpoint: Endpoint, state: CheckpointState) -> None:
        self._endpoint = endpoint
        self._state = state
        self._key = "listing-" + hashlib.sha256(endpoint.label.encode()).hexdigest()[:16]
        self._note = state.load_listing(self._key)
        self._asked: Pending[Listing | None] | None = None
        self._asked_at: dict[str, Seq] = {}  # how far each pair had got when it was asked for a new note
        self._seqs: dict[str, Seq] = {}
        self._reached: dict[str, Seq] = {}
        self.is_open = self._note is None

    def seq(self, database: str) -> Seq | None:
        """Return how far a database has got, if it stands where our note left it; None if nobody vouches for it."""
        return self._seqs.get(database)

    def reached(self, label: str) -> Seq | None:
        """Return how far the pair of this label had got when our note was taken."""
        return self._reached.get(label)

    def restart(self) -> None:
        """Ask again: the answer was lost with the connection."""
        self._asked = None

    def turn(self) -> bool:
        """Ask, or take the answer. Tell whether something was done; `is_open` when there is no more to wait for."""
        if self.is_open or not self._endpoint.connected:
            return False
        assert self._note is not None
        if self._asked is None:
            self._asked = ask_listing(self._endpoint, str(self._note.get("mark")))
            return True
        if not self._asked.done:
            return False
        asked, self._asked = self._asked, None
        try:
            self._believe(self._note, asked.result())
        except LinkError:
            return True  # asked again on the next connection
        except ReplicationError:
            self._note = None  # it answers no such question any more: greet it as a stranger
        self.is_open = True
        return True

    def _believe(self, note: JsonObject, listing: Listing | None) -> None:
        kept = note.get("seqs")
        if not isinstance(kept, dict) or (listing is not None and listing.uuid != note.get("uuid")):
            return
        now = kept if listing is None else listing.seqs
        self._seqs = {name: Seq(seq) for name, seq in kept.items() if now.get(name) == seq}
        reached = note.get("reached")
        if isinstance(reached, dict):
            self._reached = {label: Seq(str(seq)) for label, seq in reached.items()}
        self._endpoint.identity = str(note.get("uuid"))
        self._endpoint.learn_features(frozenset(map(str, note.get("features", ()))))

    def close(self, reached: Mapping[str, Seq]) -> bool:
        """Take a new note, now that all is quiet and each pair has `reached` so far. Tell whether that is done, or
        cannot be."""
        if SYNC_FEATURE not in self._endpoint.features or not self._endpoint.connected:
            return True
        if self._asked is None:
            self._asked, self._asked_at = ask_listing(self._endpoint), dict(reached)
        if not self._asked.done:
            return False
        asked, self._asked = self._asked, None
        if self._asked_at != reached:
            return False  # more was sent since: the answer is older than that, and would vouch for it
        try:
            listing = asked.result()
        except ReplicationError:
            return True  # without a note the next run asks more; nothing else is lost
        if listing is not None:
            features = sorted(self._endpoint.features)
            note = {
                "mark": listing.mark,
                "uuid": listing.uuid,
                "seqs": dict(listing.seqs),
                "features": features,
                "reached": dict(reached),
            }
            self._state.save_listing(self._key, note)
        return True
