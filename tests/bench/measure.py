"""CPU, not time: other processes of the machine take our time, but not our CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time_ns


def medians(contestants: Sequence[Callable[[int], object]], *, rounds: int) -> list[float]:
    """Median CPU of each in ns; they take turns, so that a slow spell of the machine hits all. The argument is the
    round; round 0 is for warming up and is not counted."""
    taken: list[list[int]] = [[] for _ in contestants]
    for round in range(rounds + 1):
        for times, contestant in zip(taken, contestants, strict=True):
            begun = process_time_ns()
            contestant(round)
            times.append(process_time_ns() - begun)
    return [median(times[1:]) for times in taken]
