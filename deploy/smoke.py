"""The main job, unattended: `make smoke`. Exit status 0 only if every step was seen to happen.

A citizen without network fills in, photographs and signs; the network comes back and is cut once in the middle; the
official receives, decides and returns; district and province get everything over weak links, one of them killed on
the way; each home is verified; one flipped byte is found. The last line printed is one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.link import Link, Profile
from deploy.scenario.damage import flip_one_byte
from deploy.scenario.person import Outgoing, Refusal
from deploy.scenario.processes import DidNotStart, free_port
from deploy.scenario.scans import sample_scans
from deploy.scenario.story import APPLICANT, PROCEDURE, People, enrol_everybody, form_for, has_arrived, wait_until
from deploy.scenario.tiers import COMMUNE, DISTRICT, PORTS_BESIDE, PROVINCE, TIERS, Province
from server.verify import verify_path

ROOT = Path(".smoke")
PHONE_LINK = Profile(up_bps=2_000_000, down_bps=2_000_000, rtt_ms=40)
RELAY_LIMIT_S = 150.0
# submitted, receipt, accepted, forwarded, resolved, returned; then the district's comment
EVENTS_OF_COMMUNE, EVENTS_IN_ALL = 6, 7


@dataclass(slots=True)
class Run:
    """What the run has measured so far; `say` prints a line a person can follow."""

    steps: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step and print it when it is over."""
        began = time.monotonic()
        yield
        self.steps[name] = round(time.monotonic() - began, 2)
        self.say(f"{name} ({self.steps[name]:.1f} s)")

    def say(self, text: str) -> None:
        """Print one line with the seconds since the beginning."""
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", flush=True)


def main() -> int:
    """Run the job; 0 when all of it was seen to hold."""
    run = Run()
    base = int(os.environ.get("TRAM_PORT_BASE", "0")) or free_port(*PORTS_BESIDE)
    province = Province(ROOT, port_base=base, couchdb=(os.environ.get("TRAM_COUCHDB_URL") or "").rstrip("/") or None)
    try:
        result = _job(run, province)
    except (Refusal, DidNotStart) as exc:
        print(f"FAILED: {exc}", file=sys.stderr)
        _print_logs(province)
        return 1
    finally:
        province.stop_all()
    print(json.dumps(result))
    return 0


def _job(run: Run, province: Province) -> dict[str, Any]:
    with run.step("make homes, keys, certificates, catalogue"):
        province.make()
    with run.step("start three nodes"):
        province.start_all()
    with Link(("127.0.0.1", province.port(COMMUNE)), PHONE_LINK) as phone_link:
        with run.step("enrol officials and the citizen's phone"):
            people = enrol_everybody(province, f"http://127.0.0.1:{phone_link.port}")
        outgoing = _file(run, people, phone_link)
    stream = outgoing.stream
    with run.step("the commune works on it"):
        _work(people, stream)
    _relay(run, province, people, stream)
    links = {name: _bytes_of(link) for name, link in province.links.items()}
    province.stop_all()
    verified = _verify(run, province)
    return {"dossier": stream, "steps": run.steps, "links": links, "verified": verified}


def _file(run: Run, people: People, link: Link) -> Outgoing:
    """The citizen's part: without a network, then with one that ends in the middle."""
    citizen = people.citizen
    with run.step("the catalogue comes down from the province"):
        wait_until("no catalogue at the commune", lambda: citizen.find_procedure(PROCEDURE) is not None, RELAY_LIMIT_S)
    procedure = citizen.find_procedure(PROCEDURE) or {}
    link.cut()
    with run.step("fill in, photograph and sign without network"):
        outgoing = citizen.prepare(
            unit=COMMUNE.unit, procedure=PROCEDURE, applicant=APPLICANT, form=form_for(procedure), scans=sample_scans()
        )
    with run.step("send, cut in the middle, and get the receipt"):
        link.restore()
        cutter = threading.Thread(target=_cut_in_the_middle, args=(link, outgoing.size), daemon=True)
        cutter.start()
        receipt = citizen.send(outgoing, limit_s=RELAY_LIMIT_S)
        cutter.join(RELAY_LIMIT_S)
    named = {file["sha256"] for file in outgoing.document["event"]["files"]}
    if set(receipt["body"]["files"]) != named:
        raise Refusal(f"the receipt names {receipt['body']['files']}, the dossier {sorted(named)}")
    return outgoing


def _cut_in_the_middle(link: Link, size: int) -> None:
    deadline = time.monotonic() + 20
    while link.figures().up_bytes < size // 2 and time.monotonic() < deadline:
        time.sleep(0.01)  # watching a byte counter, bounded by the deadline
    link.cut()
    time.sleep(1.0)  # how long the cut lasts
    link.restore()


def _work(people: People, stream: str) -> None:
    official = people.official
    official.act(stream, "dossier.accepted", note="Đủ giấy tờ")
    official.act(stream, "dossier.forwarded", to="Công chức Tư pháp - Hộ tịch")
    official.act(
        stream, "dossier.resolved", outcome="granted", summary="Đã đăng ký khai sinh, cấp Giấy khai sinh bản chính"
    )
    official.act(stream, "dossier.returned", method="counter", receiver="Lò Thị Mẫu")


def _relay(run: Run, province: Province, people: People, stream: str) -> None:
    with run.step("district holds the events"):
        wait_until(
            "the district has not heard of the dossier",
            lambda: (people.district_official.find_dossier(stream) or {}).get("code", "") != "",
            RELAY_LIMIT_S,
        )
    with run.step("district killed with the files half way, started again"):
        province.kill(DISTRICT)
        province.start(DISTRICT)
    with run.step("district comments"):
        people.district_official.act(stream, "dossier.commented", text="Đã kiểm tra, hồ sơ hợp lệ")
    with run.step("district holds every file"):
        wait_until(
            "the district lacks files",
            lambda: has_arrived(people.district_official, stream, events=EVENTS_IN_ALL),
            RELAY_LIMIT_S,
        )
    with run.step("the comment came down to the commune"):
        wait_until(
            "no comment at the commune",
            lambda: has_arrived(people.official, stream, events=EVENTS_IN_ALL),
            RELAY_LIMIT_S,
        )
    with run.step("province holds every event and file"):
        wait_until(
            "the province lacks something",
            lambda: has_arrived(people.province_official, stream, events=EVENTS_IN_ALL),
            RELAY_LIMIT_S,
        )


def _verify(run: Run, province: Province) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with run.step("verify three homes"):
        for tier in TIERS:
            report = verify_path(province.home(tier))
            run.say(f"  {tier.folder}: " + ", ".join(f"{count} {kind}" for kind, count in report.checked.items()))
            if not report.holds or report.notes:
                raise Refusal(f"{tier.folder}: " + "; ".join(report.lines()))
            counts += report.checked
    with run.step("one flipped byte is found and named"):
        copy = ROOT / "damaged"
        shutil.copytree(province.home(PROVINCE), copy)
        document = flip_one_byte(copy)
        named = [problem for problem in verify_path(copy).problems if document in problem]
        shutil.rmtree(copy)
        if not named:
            raise Refusal(f"a byte of {document} was flipped and the verifier did not name it")
        run.say(f"  {named[0]}")
    files = counts.pop("whole files")
    counts.pop("database files", None)
    return {"documents": counts.total(), "files": files}


def _bytes_of(link: Link) -> dict[str, int]:
    figures = link.figures()
    return {"out": figures.up_bytes, "in": figures.down_bytes, "cuts": figures.cuts}


def _print_logs(province: Province) -> None:
    for tier in TIERS:
        log = province.root / f"{tier.folder}.log"
        if log.exists():
            print(f"--- {tier.folder}.log\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
