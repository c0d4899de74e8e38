"""The main job for a person to try: `make demo`. Three nodes and weak links until Ctrl-C; resumes where it stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from deploy.scenario.processes import DidNotStart
from deploy.scenario.scans import sample_scans
from deploy.scenario.story import DISTRICT_OFFICIAL, OFFICIAL, PROVINCE_OFFICIAL
from deploy.scenario.tiers import COMMUNE, DISTRICT, PROVINCE, Province, Tier
from server.home import write_atomically

ROOT = Path(".demo")
OFFICIALS = {COMMUNE: OFFICIAL, DISTRICT: DISTRICT_OFFICIAL, PROVINCE: PROVINCE_OFFICIAL}


def main() -> int:
    """Run the demo until interrupted; 0 then, 1 if a node did not start."""
    province = Province(ROOT, couchdb=(os.environ.get("TRAM_COUCHDB_URL") or "").rstrip("/") or None)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        codes = _prepare(province)
        province.start_all()
        print(_welcome(province, codes), flush=True)
        stop.wait()
    except DidNotStart as exc:
        print(exc, file=sys.stderr)
        return 1
    finally:
        print("stopping; `make demo` goes on where it stops now")
        province.stop_all()
    return 0


def _prepare(province: Province) -> dict[str, str]:
    """Return activation codes by tier, making homes and sample papers on the first run."""
    kept = ROOT / "activation-codes"
    if province.is_made() and kept.exists():  # the last thing written: a first run that was cut short begins anew
        lines = kept.read_text(encoding="utf-8").splitlines()
        return dict(line.split(" ", 1) for line in lines)
    print("making keys, certificates and the sample catalogue (first run only)")
    province.make()
    for scan in sample_scans():
        folder = ROOT / "giay-to-mau"
        folder.mkdir(exist_ok=True)
        (folder / scan.name).write_bytes(scan.jpeg)
    codes = {tier.folder: province.add_official(tier, name) for tier, name in OFFICIALS.items()}
    write_atomically(kept, "".join(f"{folder} {code}\n" for folder, code in codes.items()).encode())
    return codes


def _welcome(province: Province, codes: dict[str, str]) -> str:
    def row(tier: Tier) -> str:
        return f"  {tier.folder:<9} {province.url(tier):<23} {OFFICIALS[tier]:<16} {codes[tier.folder]}"

    commune = province.url(COMMUNE)
    return "\n".join(
        [
            "",
            "  node      address                 official         activation code (works once)",
            *(row(tier) for tier in (COMMUNE, DISTRICT, PROVINCE)),
            "",
            f"  1. {commune}/desk: sign in as {OFFICIAL} with the code above; the browser makes the key.",
            f"  2. {commune}/ in another browser profile or a narrow window: register a phone, then approve its six",
            "     digits at the desk under «Đăng ký thiết bị».",
            "  3. On the phone: Nộp hồ sơ → Đăng ký khai sinh. Switch the network off in the developer tools, fill in,",
            f"     add the pictures in {ROOT / 'giay-to-mau'}, sign. Switch it on and watch it go out by itself.",
            "  4. At the desk: receive it (the official code is given here), pass it on, decide, return the result.",
            f"  5. {province.url(DISTRICT)}/desk and {province.url(PROVINCE)}/desk: the same dossier, minutes later;",
            f"     comment at the district and see it come down. Then: .venv/bin/tram verify {province.home(PROVINCE)}",
            "",
            "  Ctrl-C stops everything.",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
