"""`python -m bench.train_dictionary`: make the dictionary our nodes compress with, and put it beside the others.

Samples are batches' worth of made-up events (`bench.dossiers`, half 0) as they are stored, and rows of a feed and of a
`_bulk_docs`. The result goes to `replication/dictionaries/<sha256>.zdict`; name it first in `SHIPPED` there. Training
is deterministic only up to the signatures in the samples, so a new run makes another file: that is a new version.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import zstandard

import replication.dictionaries
from bench.dossiers import Town
from replication.wire import render_document

DICTIONARY_BYTES = 32 * 1024  # 64 KiB win 0.4 % more, and take twice as long over the line to who lacks them
TOWNS = 24
EVENTS = 200
# Codes of other towns, so that no town's own name is learnt by heart.
UNITS = ("H41.12.03", "H41.07.11", "H14.03.02", "H22.05.09", "H38.10.01", "H60.02.14")


def main() -> None:
    """Train, write, and say the name."""
    samples: list[bytes] = []
    for number in range(TOWNS):
        town = Town(seed=9000 + number, half=0, unit=UNITS[number % len(UNITS)])
        samples += [render_document(doc) for doc in town.events(EVENTS)]
    # Rows come with what stands around them: ends of one, heads of the next.
    frames = [b'{"seq":"%d-0a1b2c3d","id":"' % number for number in range(100)]
    frames += [b'{"new_edits":false,"docs":[', b'"changes":[{"rev":"1-', b'"}],"doc":{"_id":"']
    trained = zstandard.train_dictionary(DICTIONARY_BYTES, [*samples, *frames], level=19)
    data = trained.as_bytes()
    name = hashlib.sha256(data).hexdigest()
    folder = Path(replication.dictionaries.__file__).parent
    (folder / f"{name}.zdict").write_bytes(data)
    print(name, len(data), "bytes from", len(samples), "events of", sum(map(len, samples)), "bytes")


if __name__ == "__main__":
    main()
