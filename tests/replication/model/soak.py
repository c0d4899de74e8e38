"""`python -m tests.replication.model.soak --examples 2000`: many more histories than a test run has time for."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.replication.model.forgetful import ForgetfulStores
from tests.replication.model.machine import ThreeStores


def main(argv: Sequence[str] | None = None) -> None:
    """Run both machines; the first history that fails is shrunk, printed and raised."""
    parser = argparse.ArgumentParser(prog="python -m tests.replication.model.soak", description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, help="histories for each machine (default %(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="steps in each (default %(default)s)")
    options = parser.parse_args(argv)
    chosen = settings(
        max_examples=options.examples,
        stateful_step_count=options.steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    for machine in (ThreeStores, ForgetfulStores):
        began = time.monotonic()
        run_state_machine_as_test(machine, settings=chosen)
        print(f"{machine.__name__}: {options.examples} histories held in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
