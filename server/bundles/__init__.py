"""Bundles between nodes of the tree: what goes onto a stick for whom, and what comes off it. Stands on the whole node.

    export_bundle(node, to="H41.12", path=Path("/media/usb"))    what that unit has not acknowledged, sealed to it
    import_bundle(node, Path("/media/usb"))                      what is for this node, through the one door

- `exporting`, `content`: what a unit lacks, in order of weight, within the room there is;
- `importing`: frame by frame, resumable; `relay`: closed bundles for others;
- `ledger`, `acks`: what was written, taken and acknowledged; `keys`, `introduction`: to whom things are sealed;
- `trust`: signatures; `media`: sticks; `extras`: small signed notes that others register;
- `heads`: the head of our log, for the unit above to cosign.
"""

from __future__ import annotations

from server.bundles.exporting import Exported, Preview, export_bundle, preview_export
from server.bundles.heads import register_heads
from server.bundles.importing import Imported, import_bundle
from server.bundles.keys import ensure_published, own_key
from server.bundles.ledger import Ledger

__all__ = [
    "Exported",
    "Imported",
    "Ledger",
    "Preview",
    "ensure_published",
    "export_bundle",
    "import_bundle",
    "own_key",
    "preview_export",
]

register_heads()
