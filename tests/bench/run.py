"""Measure against the bars: ``python tests/bench/run.py [PART ...]``; the parts are in :data:`PARTS`.

Prints a table and merges the figures into ``bench.json`` at the root, one flat object of metric → number. Times are
medians of CPU, of this process or of its children; they still differ by a third between machines, the ratios do not.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "bench.json"
sys.path[:0] = [str(ROOT / folder) for folder in ("layers/core", "local", "tests")]
# The program's own folder would stand before the modules of the same names elsewhere. A process that this one starts
# runs these lines too, and has it no more.
sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).resolve().parent)]
# sam's tools bring it and botocore would sign with it; the functions do not carry it.
sys.modules["awscrt"] = None  # type: ignore[assignment]

# What is compared with lives in an environment of its own; what both hold is this one's.
sys.path.append(str(ROOT / ".local/bench/lib/python3.13/site-packages"))

from bench import (  # noqa: E402
    absorb,
    bars,
    broadcasts,
    dedup,
    doors,
    fuzz,
    imports,
    letters,
    load,
    segments,
    send,
    startup,
)
from bench.deployment import FUNCTIONS, deploy  # noqa: E402


def measure_startup() -> dict[str, float]:
    """Cold starts; also shows which imports weigh most."""
    with tempfile.TemporaryDirectory() as folder:
        deployment = deploy(Path(folder))
        measured = startup.run(deployment)
        for function in FUNCTIONS:
            heavy = ", ".join(f"{module} {ms:.0f}" for module, ms in startup.heaviest(deployment, function))
            print(f"{function:8} {' + '.join(startup.clients(function))}; heaviest imports in ms: {heavy}")
        return measured


def measure_package() -> dict[str, float]:
    """Megabytes of each function with its layers, unzipped."""
    with tempfile.TemporaryDirectory() as folder:
        deployment = deploy(Path(folder))
        return {f"package_mb_{function}": deployment.weight(function) / 1e6 for function in FUNCTIONS}


PARTS: dict[str, Callable[[], dict[str, float]]] = {
    "segments": segments.run,
    "absorb": absorb.run,
    "dedup": dedup.run,
    "imports": imports.run,
    "letters": letters.run,
    "doors": doors.run,
    "fuzz": fuzz.run,
    "load": load.run,
    "send": send.run,
    "simulation": broadcasts.run,
    "startup": measure_startup,
    "package": measure_package,
}
LONG = ("fuzz", "load", "simulation")
"""Parts that take many minutes, and are measured only where they are named."""


def main() -> None:
    """Measure some parts, or all that are not long."""
    chosen = sys.argv[1:] or [name for name in PARTS if name not in LONG]
    if unknown := [name for name in chosen if name not in PARTS]:
        raise SystemExit(f"there is no {unknown[0]!r}; choose from {', '.join(PARTS)}")
    if (load := os.getloadavg()[0]) > (cores := os.cpu_count() or 1) / 2:
        print(f"The machine is busy (load {load:.1f}, {cores} cores): CPU comes out too high by up to half.")
    measured: dict[str, float] = {}
    for name in chosen:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        measured |= {metric: float(f"{value:.4g}") for metric, value in PARTS[name]().items()}
    known = json.loads(OUT.read_text()) if OUT.exists() else {}
    OUT.write_text(json.dumps(known | measured, indent=2, sort_keys=True) + "\n")
    print("\n".join(bars.table(measured)))
    missed = [metric for metric, value in measured.items() if not bars.bar_of(metric).holds(value)]
    print(f"{len(missed)} of {len(measured)} missed" if missed else "every bar is reached")


if __name__ == "__main__":
    main()
