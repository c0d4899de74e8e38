"""Heads on a stick: the offers that would go over a link. Cosignatures come back as documents, like everything else."""

from __future__ import annotations

import logging
from typing import Any, Final

import orjson

from crypto import strictjson
from crypto.errors import CryptoError
from server.dossier import units
from server.errors import Refused, ServerError
from server.intake.refusal import refusing
from server.log.gossip import Gossip
from server.log.offers import offer_value, parse_offer
from server.log.witness import Witness

_LOG = logging.getLogger(__name__)

_MAX_NOTES_BYTES: Final = 64 * 1024
_MAX_NOTES: Final = 64


def export_notes(gossip: Gossip, to_unit: str, *, cosigned: int = 0) -> bytes:
    """Return what a bundle for a unit carries beside documents: our head, as JSON text.

    For a unit above, the offer proves consistency from what that unit cosigned last; small, and safe to repeat.
    `cosigned` is the size of its newest cosignature among the documents here: one that came by stick is no answer
    to a question, so nothing else noted it.
    """
    notes: list[dict[str, Any]] = []
    if gossip.is_witnessed_by(to_unit):
        offer = gossip.build_offer(max(cosigned, gossip.cosigned_size(to_unit, gossip.origin())))
        if offer is not None:
            notes.append({"unit": gossip.unit, "offer": offer_value(offer)})
    return orjson.dumps({"v": 1, "notes": notes})


def import_notes(witness: Witness, data: bytes) -> int:
    """Consider the offers of a bundle as if they came over a link. Returns how many heads were cosigned.

    Raises `Refused` for what is not such notes; an offer that does not fit is passed over, its sender learns from
    the cosignatures that travel back which head is known here.
    """
    with refusing():
        value = strictjson.parse(data, max_bytes=_MAX_NOTES_BYTES, max_depth=6)
    notes = value.get("notes") if isinstance(value, dict) and value.get("v") == 1 else None
    if not isinstance(notes, list) or len(notes) > _MAX_NOTES:
        raise Refused("schema", f'notes are {{"v": 1, "notes": [at most {_MAX_NOTES}]}}')
    cosigned = 0
    for note in notes:
        if not isinstance(note, dict) or note.keys() != {"unit", "offer"}:
            raise Refused("schema", 'a note has the members "unit" and "offer"')
        try:
            answer = witness.consider(units.parse_unit_code(str(note["unit"])), parse_offer(note["offer"]))
        except (ServerError, CryptoError) as exc:
            _LOG.warning("a head from a bundle was not cosigned: %s", exc)
            continue
        cosigned += bool(answer.cosigned)
    return cosigned
