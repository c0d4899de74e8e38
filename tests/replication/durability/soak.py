"""`python -m tests.replication.durability.soak --seeds 1000`: many power cuts, and one line of figures at the end."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.replication.durability.powercut import Tally, run_seed
from tests.replication.durability.sqlitevfs import load_library
from tests.replication.durability.workplace import open_workplace


def run_one(seed: int) -> tuple[int, Tally, str]:
    """Return the seed, what it saw, and the traceback of its failure or an empty text."""
    library = load_library()
    if library is None:
        raise SystemExit("this Python's sqlite3 hides its SQLite library, so no VFS can be put under it")
    with open_workplace() as directory:
        try:
            return seed, run_seed(seed, directory, library), ""
        except Exception:
            return seed, Tally(), traceback.format_exc()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the seeds; 0 when none of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.replication.durability.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default %(default)s)")
    options = parser.parse_args(argv)
    began, total, failed = time.monotonic(), Tally(), []
    with ProcessPoolExecutor(options.jobs) as pool:
        for seed, tally, failure in pool.map(run_one, range(options.first, options.first + options.seeds)):
            total.add(tally)
            if failure:
                failed.append(seed)
                print(f"seed {seed}:\n{failure}", file=sys.stderr, flush=True)
    print(
        f"{options.seeds} seeds, {total.cuts} power cuts over {total.steps} recorded steps in "
        f"{time.monotonic() - began:.0f} s: {len(failed)} failed{failed or ''}; {total.renewed} needless new lives, "
        f"{total.swept} part files swept away"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
