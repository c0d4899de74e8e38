"""Replication where there is no link: `.tram` bundles on a stick that somebody carries. Format: docs/formats/bundle.md.

- `envelope`, `manifest`, `acknowledgement`: what is said about a bundle, as values and as JSON;
- `frames`, `records`: documents packed into sealed frames that stand alone, and unpacked within bounds;
- `age`: sealing to recipients (C2SP age, X25519);
- `writer`, `reader`: parts on a medium, one frame in memory at a time;
- `feed`: which documents of a database go in, in which order.

Who signs, whom to believe and what may go where is not known here: `Signer` and `Verifier` are handed in. Documents
prove themselves wherever they are stored; the manifest's signature vouches for completeness and for acknowledgements.
"""

from __future__ import annotations

from replication.bundle.acknowledgement import Acknowledgement, parse_acknowledgement
from replication.bundle.age import AgeKey, Opener, Sealer, check_recipient
from replication.bundle.envelope import SUFFIX, Envelope, Signed, Signer, Verifier
from replication.bundle.errors import BadBundle, BundleError, Damaged, MediumError, Sealed
from replication.bundle.feed import Stretch, read_again, read_ids, read_stretches
from replication.bundle.frames import FrameContent
from replication.bundle.manifest import FrameEntry, Manifest
from replication.bundle.reader import PartReader, read_envelope
from replication.bundle.writer import BundleWriter, PartFile

__all__ = [
    "SUFFIX",
    "Acknowledgement",
    "AgeKey",
    "BadBundle",
    "BundleError",
    "BundleWriter",
    "Damaged",
    "Envelope",
    "FrameContent",
    "FrameEntry",
    "Manifest",
    "MediumError",
    "Opener",
    "PartFile",
    "PartReader",
    "Sealed",
    "Sealer",
    "Signed",
    "Signer",
    "Stretch",
    "Verifier",
    "check_recipient",
    "parse_acknowledgement",
    "read_again",
    "read_envelope",
    "read_ids",
    "read_stretches",
]
