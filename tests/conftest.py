"""What holds for every test: Hypothesis draws the same examples on every machine, however busy it is.

What decides whether something lands must not be luck: a red run is red again, and a green one stays green elsewhere
(docs/decisions/0194). To look for new cases, with fresh examples and seeds: `TRAM_EXPLORE=1 make test`, `make fuzz`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    derandomize=not os.environ.get("TRAM_EXPLORE"),
    deadline=None,  # a time limit for one example would fail on whoever shares the machine
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("suite")
