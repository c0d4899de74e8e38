"""What a node remembers of bundles, in `node.db`: written (`sent`), taken in (`taken`), carried for others (`kept`)."""

from __future__ import annotations

from server.bundles.kept import Carried, Kept
from server.bundles.sent import Sent, Written
from server.bundles.taken import Held, Taken, TakenPart

__all__ = ["Carried", "Held", "Ledger", "TakenPart", "Written"]


class Ledger(Sent, Taken, Kept):
    """All of it, for one node and its present store."""
