"""`python -m tests.simulation.soak --seeds 1000`: many more histories than a test run has time for."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.run import Outcome, run_seed
from tests.simulation.town import Town, found_town

TOLD_EVERY = 25

_towns: list[Town] = []


def main(argv: Sequence[str] | None = None) -> int:
    """Run seeds in several processes; print every failure with its seed and the totals. Returns 1 if any failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.soak", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="first seed (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default %(default)s)")
    parser.add_argument("--steps", type=int, default=120, help="happenings in each (default %(default)s)")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(argv)
    began = time.monotonic()
    tasks = [(seed, options.steps) for seed in range(options.first, options.first + options.seeds)]
    with tempfile.TemporaryDirectory(prefix="tram-town-") as folder:
        _towns.append(found_town(Path(folder)))
        with get_context("fork").Pool(options.processes) as pool:  # keys cannot be sent, so they are inherited
            outcomes: list[Outcome] = []
            for outcome in pool.imap_unordered(_run, tasks):
                outcomes.append(_told(outcome))
                if len(outcomes) % TOLD_EVERY == 0:
                    print(f"{len(outcomes)} of {len(tasks)}, {time.monotonic() - began:.0f} s", flush=True)
    failed = [outcome for outcome in outcomes if outcome.failure]
    print(
        f"{len(outcomes)} seeds, {sum(each.acknowledged for each in outcomes)} documents acknowledged,"
        f" {sum(each.forgeries for each in outcomes)} forgeries refused, {len(failed)} failed,"
        f" {time.monotonic() - began:.0f} s"
    )
    return 1 if failed else 0


def _run(task: tuple[int, int]) -> Outcome:
    return run_seed(_towns[0], *task)


def _told(outcome: Outcome) -> Outcome:
    if outcome.failure:
        print(f"seed {outcome.seed}: {outcome.failure}", flush=True)
    return outcome


if __name__ == "__main__":
    raise SystemExit(main())
