"""Citizens' receipts and full proofs for events this node has taken.

A proof is text after C2SP tlog-proof@v1: whoever holds the event checks it with nothing of ours but the log's key.

    c2sp.org/tlog-proof@v1
    extra <base64 of the leaf>
    index 1203
    <base64 hash> …                        the path from the leaf to the root, lowest first
                                           an empty line
    03.12.h41.tram.internal/log …          the checkpoint with the log's signature and the cosignatures that are here
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from crypto.hashing import parse_sha256_id
from server.clocks.clock import NodeClock
from server.errors import Missing, NotReady
from server.log.log import NodeLog, Placed
from server.log.proofs import Proofs
from server.log.receipt import CitizenReceipt, receipt_url
from server.log.recovery import Recovery
from server.signing import NodeSigner


@dataclass(frozen=True, slots=True)
class Issued:
    """A receipt as it was just signed, and the address for its QR code."""

    receipt: CitizenReceipt
    data: bytes
    url: str


class ReceiptDesk:
    """Signs receipts of one node. `domain` is the one official host whose `/r` opens them."""

    def __init__(
        self,
        *,
        log: NodeLog,
        recovery: Recovery,
        proofs: Proofs,
        signer: NodeSigner,
        clock: NodeClock,
        domain: str,
    ) -> None:
        self._log = log
        self._recovery = recovery
        self._proofs = proofs
        self._signer = signer
        self._clock = clock
        self.domain = domain

    def issue(self, event_id: str, code: str, *, host: str = "") -> Issued:
        """Return the receipt for an event this node has logged; `host` serves where no domain is configured.

        Raises `Missing` for an event that has no leaf here, `NotReady` while the node's clock or log is in doubt.
        """
        head = self._log.head()
        if head.state != "open":
            raise NotReady("the log waits for the unit above after a restore; receipts go on then")
        placed = self._placed(event_id)
        if self._clock.is_behind():
            raise NotReady("the node's clock stands before a time it has signed; set the clock, then receipts go on")
        if head.generation > 1 and not self._is_settled(head.generation):
            raise NotReady("the unit above has not cosigned the log since leaves were lost; sync, then receipts go on")
        size = self._size_of(placed.generation)  # not that of `head`: the leaf may be younger
        receipt = CitizenReceipt(
            unit=self._signer.unit,
            issued=int(self._clock.now().timestamp()),
            code=code,
            event=placed.leaf.event,
            generation=placed.generation,
            size=size,
            root=self._log.tree(placed.generation).root(size),
        )
        data = self._signer.sign_receipt(receipt)
        return Issued(receipt, data, receipt_url(self.domain or host, data))

    def proof(self, event_id: str) -> str:
        """Return the full proof of an event as text: under the first cosigned head that covers it, else the newest.

        Raises `Missing`.
        """
        placed = self._placed(event_id)
        cosigned = self._proofs.cosigned_note(self._log.origin(placed.generation), placed.number)
        if cosigned is not None:
            size, note = cosigned
        else:
            size = self._size_of(placed.generation)  # once: path and head are of one size, and the log may grow
            note = self._log.checkpoint(placed.generation, size)
        path = self._log.tree(placed.generation).inclusion_proof(placed.number, size)
        lines = [
            "c2sp.org/tlog-proof@v1",
            f"extra {b64encode(placed.leaf.data()).decode()}",
            f"index {placed.number}",
            *(b64encode(each).decode() for each in path),
        ]
        return "\n".join(lines) + "\n\n" + note

    def _is_settled(self, generation: int) -> bool:
        """Whether a later generation of the log is known above, or an operator has answered for it."""
        return self._recovery.is_accepted(generation) or self._proofs.is_cosigned(self._log.origin(generation))

    def _placed(self, event_id: str) -> Placed:
        placed = self._log.place(parse_sha256_id(event_id))
        if placed is None:
            raise Missing("this event is not in the log of this node")
        return placed

    def _size_of(self, generation: int) -> int:
        return next(each.size for each in self._log.heads() if each.generation == generation)
