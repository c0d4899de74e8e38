"""kill -9 on any node at any moment of the main job: nothing acknowledged is lost, and the job completes."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bench.link import Profile
from deploy.scenario.person import LINK_LOST, Citizen, Refusal
from deploy.scenario.processes import free_port
from deploy.scenario.scans import sample_scans
from deploy.scenario.story import APPLICANT, PROCEDURE, enrol_everybody, form_for, has_arrived, wait_until
from deploy.scenario.tiers import COMMUNE, DISTRICT, PORTS_BESIDE, PROVINCE, TIERS, Province
from server.verify import verify_path

DOSSIERS, KILLS = 3, 6
LINK = Profile(up_bps=2_000_000, down_bps=2_000_000, rtt_ms=60)


@pytest.mark.slow
def test_nodes_killed_at_random_moments_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """Three dossiers with scans are filed and worked on while a node dies every few hundred milliseconds."""
    seed = int(os.environ.get("TRAM_SEED", "") or 9)  # who dies and when; what they are doing then is never the same
    print(f"TRAM_SEED={seed}")
    dice = random.Random(seed)
    province = Province(tmp_path / "province", port_base=free_port(*PORTS_BESIDE), profile=LINK)
    province.make()
    try:
        province.start_all()
        people = enrol_everybody(province, province.url(COMMUNE))
        wait_until("no catalogue", lambda: people.citizen.find_procedure(PROCEDURE) is not None, 180)
        form = form_for(people.citizen.find_procedure(PROCEDURE) or {})
        over = threading.Event()
        nemesis = threading.Thread(target=_kill_at_random, args=(province, dice, over))
        nemesis.start()
        try:
            streams = [_file(people.citizen, form, seed + i) for i in range(DOSSIERS)]
            for stream in streams:
                _insist(partial(people.official.act, stream, "dossier.accepted"))
        finally:
            over.set()
            nemesis.join()
        for stream in streams:
            arrived = partial(has_arrived, people.province_official, stream, events=3)  # submitted, receipt, accepted
            wait_until("the province lacks something", arrived, 180)
    finally:
        province.stop_all()

    for tier in TIERS:
        report = verify_path(province.home(tier))
        assert report.holds, list(report.lines())
        assert report.checked["whole files"] == 4 * DOSSIERS  # two papers each, and their previews
        assert report.notes == []


def _file(citizen: Citizen, form: dict[str, str], seed: int) -> str:
    outgoing = citizen.prepare(
        unit=COMMUNE.unit, procedure=PROCEDURE, applicant=APPLICANT, form=form, scans=sample_scans(seed % 1000)
    )
    receipt = citizen.send(outgoing, limit_s=180)
    assert receipt["stream"] == outgoing.stream
    return outgoing.stream


def _insist(action: Callable[[], object]) -> None:
    """Do something at the desk until the node has answered; an official whose page did not answer tries again."""

    def done() -> bool:
        try:
            action()
        except LINK_LOST:
            return False
        except Refusal as exc:
            if "was accepted as" not in str(exc):  # the answer was lost, the step was not
                raise
        return True

    wait_until("the desk never answered", done, 180)


def _kill_at_random(province: Province, dice: random.Random, over: threading.Event) -> None:
    for _ in range(KILLS):
        if over.wait(dice.uniform(0.2, 1.5)):
            return
        tier = dice.choice((COMMUNE, COMMUNE, DISTRICT, PROVINCE))
        province.kill(tier)
        province.start(tier)
