"""Three nodes of one province on loopback, each a process of its own, with a weak link between the tiers.

    phone ──(a link that can be cut)── commune ──weak── district ──weak── province
                                                            ╰──────weak──── province pulls, too

Homes are made by the same `tram` commands that a real office uses, certificate requests and answers included.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import requests

from bench.link import Link, Profile
from deploy.scenario.processes import Child, DidNotStart, is_free, run_tram, start, wait_until_answering

PORT_BASE = int(os.environ.get("TRAM_PORT_BASE", "8801"))
WEAK = Profile(up_bps=64_000, down_bps=64_000, rtt_ms=600, cut_every_s=30, cut_for_s=3, cut_jitter=0.3, seed=8801)
LOOPBACK = "127.0.0.1"
PORTS_BESIDE = (1, 2, 10, 11, 12)  # what a province takes beside its first port: nodes, then links


@dataclass(frozen=True, slots=True)
class Tier:
    """One node: `folder` is the name of its home, `offset` its port above the base, `parent` the tier above."""

    folder: str
    unit: str
    name: str
    offset: int
    parent: str | None


PROVINCE = Tier("province", "H41", "Tỉnh Nghệ An (mẫu)", 2, None)
DISTRICT = Tier("district", "H41.12", "Huyện Mẫu Thượng (mẫu)", 1, "province")
COMMUNE = Tier("commune", "H41.12.03", "Xã Mẫu Sơn (mẫu)", 0, "district")
TIERS = (PROVINCE, DISTRICT, COMMUNE)


@dataclass(slots=True)
class Province:
    """The three nodes and their links. `root` holds the homes; nodes are stopped until `start_all`."""

    root: Path
    port_base: int = PORT_BASE
    profile: Profile = WEAK
    couchdb: str | None = None
    children: dict[str, Child] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)

    def home(self, tier: Tier) -> Path:
        """Return the home of a tier."""
        return self.root / tier.folder

    def port(self, tier: Tier) -> int:
        """Return the port a tier's node listens on."""
        return self.port_base + tier.offset

    def url(self, tier: Tier) -> str:
        """Return a tier's own address, without the weak link."""
        return f"http://{LOOPBACK}:{self.port(tier)}"

    def is_made(self) -> bool:
        """Whether the homes are there, complete: the last step of `make` left its mark."""
        return (self.root / "made").exists()

    def make(self) -> None:
        """Make homes, keys, certificates, links and the catalogue, from nothing."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        if self.couchdb:
            self._forget_databases(self.couchdb)
        for tier in TIERS:
            self._init(tier)
        run_tram("load-sample", self.home(PROVINCE))
        self.point_links()

    def point_links(self) -> None:
        """Tell the homes where the weak links are, if the ports have moved since they were told last."""
        mark = self.root / "made"
        if self.is_made() and mark.read_text() == str(self.port_base):
            return
        for tier in TIERS:
            if tier.parent:
                run_tram("link", "add", self.home(tier), "parent", self._link_url(f"{tier.folder}-{tier.parent}"))
        run_tram("link", "add", self.home(PROVINCE), "huyen", self._link_url("pull"), "--child")
        mark.write_text(str(self.port_base))

    def open_links(self) -> None:
        """Bring up the weak links; nodes reach each other only through them."""
        ends = {"commune-district": DISTRICT, "district-province": PROVINCE, "pull": DISTRICT}
        for number, (name, tier) in enumerate(ends.items()):
            if name not in self.links:
                port = self.port_base + 10 + number
                self.links[name] = Link((LOOPBACK, self.port(tier)), self.profile, port=port)

    def start_all(self) -> None:
        """Start links and all three nodes, side by side, and return once each answers. Raises `DidNotStart`."""
        taken = [port for port in (self.port_base + beside for beside in (0, *PORTS_BESIDE)) if not is_free(port)]
        if taken:  # whoever listens there could be taken for one of ours
            ports = ", ".join(map(str, taken))
            raise DidNotStart(f"another program has {ports}: end it, or move all ports, such as TRAM_PORT_BASE=9801")
        self.point_links()
        self.open_links()
        for tier in TIERS:
            self._launch(tier)
        for tier in TIERS:
            self._wait_for(tier)

    def start(self, tier: Tier) -> None:
        """Start one node and return once it answers."""
        self._launch(tier)
        self._wait_for(tier)

    def _launch(self, tier: Tier) -> None:
        command = (sys.executable, "-m", "server.cli", "serve", str(self.home(tier)), "--port", str(self.port(tier)))
        self.children[tier.folder] = start(tier.folder, command, self.root / f"{tier.folder}.log")

    def _wait_for(self, tier: Tier) -> None:
        wait_until_answering(self.children[tier.folder], f"{self.url(tier)}/api/node")

    def kill(self, tier: Tier) -> None:
        """End one node as a power cut would."""
        self.children.pop(tier.folder).kill()

    def stop_all(self) -> None:
        """Stop nodes, all at once, and links."""
        for child in self.children.values():
            child.ask_to_end()
        for child in self.children.values():
            child.stop()
        for link in self.links.values():
            link.close()
        self.children.clear()
        self.links.clear()

    def add_official(self, tier: Tier, name: str, role: str = "official") -> str:
        """Register an official at a tier; return the activation code they type once."""
        return _told(run_tram("user", "add", self.home(tier), "--name", name, "--role", role), "activation: ")

    def _init(self, tier: Tier) -> None:
        home = self.home(tier)
        options: list[str | Path] = ["--unit", tier.unit, "--name", tier.name]
        if tier.parent:
            options += ["--parent", self._link_url(f"{tier.folder}-{tier.parent}")]
        if self.couchdb:
            options += ["--couchdb", self.couchdb, "--prefix", self._prefix(tier)]
        run_tram("init", home, *options)
        if tier.parent:
            request, answer = self.root / f"{tier.folder}.request", self.root / f"{tier.folder}.answer"
            code = _told(run_tram("ca", "request", home, request), "code: ")
            run_tram("ca", "sign", self.root / tier.parent, request, answer, "--code", code)
            run_tram("ca", "install", home, answer)

    def _prefix(self, tier: Tier) -> str:
        """What a tier's databases begin with on a CouchDB that all three share: "tram-demo-commune-"."""
        return f"tram-{self.root.name.strip('.')}-{tier.folder}-"

    def _forget_databases(self, couchdb: str) -> None:
        """Remove what an earlier run left on the CouchDB; names beginning like ours are nobody else's."""
        ours = tuple(self._prefix(tier) for tier in TIERS)
        for name in requests.get(f"{couchdb}/_all_dbs", timeout=30).json():
            if name.startswith(ours):
                requests.delete(f"{couchdb}/{quote(name, safe='')}", timeout=30).raise_for_status()

    def _link_url(self, name: str) -> str:
        order = ("commune-district", "district-province", "pull")
        return f"http://{LOOPBACK}:{self.port_base + 10 + order.index(name)}"


def _told(output: str, label: str) -> str:
    """Return what a command printed behind `label`."""
    return next(line for line in output.splitlines() if label in line).partition(label)[2].strip()
