"""The name under which two databases remember how far they got. Computed from what we hold, never from the network.

Ids are stored in `_local` documents on both sides: another form would send every pair back to the beginning, so
golden ids in the tests pin this one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

Direction = Literal["push", "pull"]


def build_replication_id(
    source_uuid: str, source_name: str, target_uuid: str, target_name: str, direction: Direction
) -> str:
    """Return 32 hex digits: sha256 of the JSON list of these five after a version word, cut to 128 bits.

    `direction` is how the replicator stands to the data: a district that pulls and a commune that pushes the same
    database keep separate checkpoints, so neither trusts acknowledgements it has not seen.
    """
    parts = ["tram-replication/1", source_uuid, source_name, target_uuid, target_name, direction]
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]
