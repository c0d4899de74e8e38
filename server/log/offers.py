"""What a log and its witness say to each other, as values and as JSON.

offer    {"key", "note", "old", "proof"}          a head, and that it grew out of the tree of `old` leaves
answer   {"key", "cosigned"}                      the head with the witness's signature
         {"key", "size", "known", "stopped"}      not this one: where the witness stands, and why it stopped
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crypto import base64url
from crypto.errors import CryptoError
from crypto.note import parse_checkpoint
from server.errors import Refused

MAX_PROOF: Final = 64


@dataclass(frozen=True, slots=True)
class Offer:
    """A head that somebody offers for cosigning. `key` is the thumbprint of the log's certificate; `proof` leads from
    the tree of `old` leaves to the one in `note`."""

    key: str
    note: str
    old: int
    proof: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """The number of leaves under the head. Raises `CryptoError` for a note that is none."""
        return parse_checkpoint(self.note.rpartition("\n\n")[0] + "\n").size


@dataclass(frozen=True, slots=True)
class Answer:
    """`cosigned` is the note with the cosignature, made with the key of thumbprint `key`. Else `known` is the head that
    was cosigned last, `size` leaves: prove from there; and `stopped` says why nothing is cosigned any more."""

    key: str
    cosigned: str = ""
    size: int = 0
    known: str = ""
    stopped: str = ""


def offer_value(offer: Offer) -> dict[str, Any]:
    """Return the JSON of an offer."""
    proof = [base64url.encode(each) for each in offer.proof]
    return {"key": offer.key, "note": offer.note, "old": offer.old, "proof": proof}


def parse_offer(value: Any) -> Offer:
    """Return the offer in JSON. Raises `Refused("schema")`."""
    try:
        key, note, old, proof = (value[name] for name in ("key", "note", "old", "proof"))
        hashes = parse_proof([base64url.decode(each) for each in proof])
    except (KeyError, TypeError, AttributeError, CryptoError) as exc:
        raise Refused("schema", f'an offer is {{"key", "note", "old", "proof"}}: {exc}') from exc
    if type(old) is not int or old < 0 or not isinstance(key, str) or not isinstance(note, str):
        raise Refused("schema", "key and note are text, old is a whole number")
    return Offer(key, note, old, hashes)


def answer_value(answer: Answer) -> dict[str, Any]:
    """Return the JSON of an answer."""
    if answer.cosigned:
        return {"key": answer.key, "cosigned": answer.cosigned}
    return {"key": answer.key, "size": answer.size, "known": answer.known, "stopped": answer.stopped}


def parse_answer(value: Any) -> Answer:
    """Return the answer in JSON. Raises `Refused("schema")`."""
    try:
        if "cosigned" in value:
            return Answer(str(value["key"]), cosigned=str(value["cosigned"]))
        return Answer(str(value["key"]), "", int(value["size"]), str(value["known"]), str(value["stopped"]))
    except (KeyError, TypeError, ValueError) as exc:
        raise Refused("schema", f"not an answer of a witness: {exc}") from exc


def parse_proof(hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return a proof whose hashes are of the right length. Raises `Refused("schema")`."""
    if len(hashes) > MAX_PROOF or any(len(each) != 32 for each in hashes):
        raise Refused("schema", f"a proof is at most {MAX_PROOF} hashes of 32 bytes")
    return tuple(hashes)
