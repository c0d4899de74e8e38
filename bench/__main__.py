"""`python -m bench [--only NAME]`: run the benchmarks whose name begins with NAME, or all."""

from __future__ import annotations

import argparse
import importlib
import pkgutil

import bench
from bench.harness import REGISTRY, Sink


def main() -> int:
    """Run what was asked for; 1 when nothing of that name exists."""
    parser = argparse.ArgumentParser(prog="bench", description="Benchmarks with peers in the same run.")
    parser.add_argument("--only", default="", metavar="NAME", help="names beginning with NAME")
    parser.add_argument("--list", action="store_true", help="list the names")
    options = parser.parse_args()
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name.startswith("bench_"):
            importlib.import_module(f"bench.{module.name}")
    chosen = [name for name in REGISTRY if name.startswith(options.only)]
    if options.list or not chosen:
        print("\n".join(REGISTRY))
        return 0 if options.list else 1
    sink = Sink()
    for name in chosen:
        REGISTRY[name](sink)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
