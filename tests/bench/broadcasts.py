"""A million letters in simulated time: ten broadcasts of 100,000, two at a time, with kills between any two calls.

See :mod:`simulation`. Beside them one broadcast of 100,000 that is paused, resumed and given another audience, and one
that is cancelled in its middle.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from os import cpu_count

from simulation import Hazards, Report, Simulation, interrupted

BROADCASTS = 10
PEOPLE = 100_000
RATE = 500.0
SHOWN = 20
"""Differences that are printed."""
HAZARDS = Hazards(killed=1 / 50_000)
"""A worker is killed every half a minute or so; the tests kill twelve times as often, at the same rate."""


def run(*, broadcasts: int = BROADCASTS, people: int = PEOPLE) -> dict[str, float]:
    """``sim_…``: letters sent, beyond the first, lost, in doubt, the use of the quota, the worst throttling."""
    with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn")) as pool:
        halted = pool.submit(interrupted, people, seed=broadcasts)
        running = [pool.submit(simulate, people, seed) for seed in range(broadcasts)]
        for done, one in enumerate(as_completed(running), 1):
            report = one.result()
            print(
                f"broadcast {done} of {broadcasts}: {report.sent:,} letters, {report.kills} kills, "
                f"{report.duplicates} twice, {report.lost + report.unsettled} lost, {report.used:.1%} of the quota",
                file=sys.stderr,
                flush=True,
            )
        reports = [one.result() for one in running]
        differences = halted.result()
    for difference in differences[:SHOWN]:
        print(difference, file=sys.stderr)
    return {
        "sim_messages": sum(one.sent for one in reports),
        "sim_duplicates": sum(one.duplicates for one in reports),
        "sim_lost": sum(one.lost + one.unsettled for one in reports),
        "sim_doubtful": sum(one.doubtful for one in reports),
        "sim_kills": sum(one.kills for one in reports),
        "sim_quota_used": sum(one.busy for one in reports) / sum(one.allowed for one in reports),
        "sim_throttled": max(one.throttled for one in reports),
        "sim_interrupted_differences": len(differences),
    }


def simulate(people: int, seed: int) -> Report:
    """One broadcast."""
    return Simulation(people, rate=RATE, seed=seed, hazards=HAZARDS).run()
