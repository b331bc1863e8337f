"""A million letters in simulated time: ten broadcasts of 100,000, two at a time, with kills between any two calls.

See :mod:`simulation`. Beside them one broadcast of 100,000 that is paused, resumed and given another audience, and one
that is cancelled in its middle.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import cpu_count

from simulation import Report, Simulation, interrupted

BROADCASTS = 10
PEOPLE = 100_000
RATE = 500.0


def run(*, broadcasts: int = BROADCASTS, people: int = PEOPLE) -> dict[str, float]:
    """``sim_…``: letters sent, beyond the first, lost, in doubt, the worst use of the quota, the worst throttling."""
    with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn")) as pool:
        halted = pool.submit(interrupted, people, seed=broadcasts)
        reports = list(pool.map(simulate, [(people, seed) for seed in range(broadcasts)]))
        differences = len(halted.result())
    return {
        "sim_messages": sum(one.sent for one in reports),
        "sim_duplicates": sum(one.duplicates for one in reports),
        "sim_lost": sum(one.lost + one.unsettled for one in reports),
        "sim_doubtful": sum(one.doubtful for one in reports),
        "sim_kills": sum(one.kills for one in reports),
        "sim_quota_used": min(one.used for one in reports),
        "sim_throttled": max(one.throttled for one in reports),
        "sim_interrupted_differences": differences,
    }


def simulate(what: tuple[int, int]) -> Report:
    """One broadcast."""
    people, seed = what
    return Simulation(people, rate=RATE, seed=seed).run()
