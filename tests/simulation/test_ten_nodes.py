"""Ten nodes of one province live through anything and agree in the end. The seed of a failure is in its name."""

from __future__ import annotations

import os
import random

import pytest

from tests.simulation.run import run_seed
from tests.simulation.town import Town, found_town

CHOSEN = os.environ.get("TRAM_SEED", "")
SEEDS = [int(CHOSEN)] if CHOSEN else list(range(6))
if os.environ.get("TRAM_EXPLORE"):
    SEEDS.append(random.SystemRandom().randrange(1 << 32))
STEPS = 120


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found_town(tmp_path_factory.mktemp("town"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_after_healing_all_agree_and_nothing_acknowledged_is_lost(town: Town, seed: int) -> None:
    """Cuts, crashes, restores, wrong clocks and strangers: equal sets, equal stories, every signature good."""
    outcome = run_seed(town, seed, STEPS)

    print(f"TRAM_SEED={seed}")
    assert outcome.failure == ""
    assert outcome.acknowledged > 0
