"""What a benchmark is here: a named function that measures our figure and its peers' in the same run.

    @bench("bulk_docs_100")
    def bulk_docs(sink: Sink) -> None:
        sink.add(Figure("bulk_docs_100", 41_000, "docs/s", 100, {"couchdb": 9_800}))

Machines are noisy, so what counts is the ratio inside one run; absolute figures are printed for orientation. Peers that
are not there are named as not measured, never guessed.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Bench = Callable[["Sink"], None]
REGISTRY: dict[str, Bench] = {}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `n` is the size it was measured at; `peers` the same thing done by others in this run."""

    bench: str
    value: float
    unit: str
    n: int
    peers: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the figure as one line of JSON, the form INTERFACES names."""
        fields = {"bench": self.bench, "value": _rounded(self.value), "unit": self.unit, "n": self.n}
        return json.dumps({**fields, "peers": {name: _rounded(value) for name, value in self.peers.items()}})


@dataclass(slots=True)
class Sink:
    """Takes figures and prints each at once: a long run shows what it has."""

    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Keep a figure and print its row and its JSON line."""
        self.figures.append(figure)
        peers = "  ".join(
            f"{name} {_rounded(value):,} (×{figure.value / value:.2f})" if value else f"{name} 0"
            for name, value in figure.peers.items()
        )
        print(f"{figure.bench:<34} n={figure.n:<9,} {_rounded(figure.value):>12,} {figure.unit:<10} {peers}")
        print(figure.to_json(), flush=True)

    def note(self, text: str) -> None:
        """Print something a reader must know, such as a peer that is not here."""
        print(f"-- {text}", file=sys.stderr, flush=True)


def bench(name: str) -> Callable[[Bench], Bench]:
    """Register a function as the benchmark `name`."""

    def register(function: Bench) -> Bench:
        if name in REGISTRY:
            raise ValueError(f"two benchmarks are called {name}")
        REGISTRY[name] = function
        return function

    return register


def rate(action: Callable[[], int], *, seconds: float = 2.0, rounds: int = 3) -> float:
    """Return things per second: the median of `rounds`, each repeating `action` (which returns how many it did) for
    `seconds / rounds`."""
    rates = []
    for _ in range(rounds):
        done, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds / rounds or not done:
            done += action()
        rates.append(done / elapsed if elapsed else float(done))
    return statistics.median(rates)


def milliseconds(action: Callable[[], object], *, rounds: int = 30) -> float:
    """Return the median duration of `action` in milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _rounded(value: float) -> float:
    return round(value, 3) if abs(value) < 100 else round(value)
