"""One seed from beginning to end."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from tests.replication.durability.workplace import open_workplace
from tests.simulation.town import Town, seeded
from tests.simulation.world import World


@dataclass(frozen=True)
class Outcome:
    """`failure` is "" or what did not hold, with the last things that happened."""

    seed: int
    acknowledged: int
    forgeries: int
    failure: str = ""


def run_seed(town: Town, seed: int, steps: int) -> Outcome:
    """Let `steps` things happen, heal, and say whether everything holds."""
    with open_workplace() as folder, seeded(seed) as dice:
        world = World(town, folder, dice)
        failure = ""
        try:
            for _ in range(steps):
                world.step()
            world.heal()
            world.check()
        except Exception:
            failure = "\n".join([*world.log[-400:], traceback.format_exc()])
        finally:
            for office in world.offices.values():
                office.close()
        return Outcome(seed, len(world.acknowledged), world.forgeries, failure)
