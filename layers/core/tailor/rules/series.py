"""Questions about several occurrences at once: how many of an age, sums, spread over days, one after the other.

They look at the newest :data:`tailor.rules.tallies.KEEPING` occurrences, newest first. Every function answers
``(member, until)``; ``until`` is the exact instant at which the answer flips if nothing else happens, because what time
does to a list is to take its oldest elements away (or to let elements come of age), one instant after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, Literal

from tailor.kernel.instants import DAY, NEVER

Answer = tuple[bool, int]
Test = Callable[[Any], bool]
Aggregate = Literal["sum", "average", "minimum", "maximum", "distinct"]

MILLION = 1_000_000
"""Numbers are added as whole millionths, so that their order does not matter."""


def aged(times: Sequence[int], youngest: int, oldest: int, test: Test, *, now: int) -> Answer:
    """How many are at least ``youngest`` and less than ``oldest`` ms old."""
    number = sum(now - oldest < at <= now - youngest for at in times)
    comings = ((at + youngest, 1) for at in times if at > now - youngest)
    goings = ((at + oldest, -1) for at in times if at > now - oldest)
    return _flips(number, sorted([*comings, *goings]), test)


def _flips(number: int, changes: Iterable[tuple[int, int]], test: Test) -> Answer:
    member = test(number)
    for at, together in groupby(changes, key=lambda change: change[0]):
        number += sum(change for _, change in together)
        if test(number) != member:
            return member, at
    return member, NEVER


def spread(times: Sequence[int], within: int | None, test: Test, *, now: int) -> Answer:
    """On how many days, of UTC, something happened, ever or in the last ``within`` ms."""
    newest = {at // DAY: at for at in reversed(times)}
    found = sorted(newest.values(), reverse=True)
    counts = list(range(len(found) + 1))
    return _shrinking(found, counts, within, test, now=now)


def aggregated(
    aggregate: Aggregate,
    times: Sequence[int],
    values: Sequence[Any],
    within: int | None,
    test: Test,
    *,
    now: int,
) -> Answer:
    """An aggregate of the values, ever or of the last ``within`` ms; of none there is only a sum and a number, 0."""
    return _shrinking(times, _PREFIXES[aggregate](values), within, test, now=now)


def _shrinking(times: Sequence[int], results: Sequence[Any], within: int | None, test: Test, *, now: int) -> Answer:
    """``results[n]`` is the result of the newest n; a window that only shrinks passes through them."""
    number = len(times) if within is None else sum(at > now - within for at in times)
    member = _passes(test, results[number])
    if within is None:
        return member, NEVER
    for left in range(number - 1, -1, -1):
        # Elements of one instant leave together.
        if (left == 0 or times[left - 1] != times[left]) and _passes(test, results[left]) != member:
            return member, times[left] + within
    return member, NEVER


def _passes(test: Test, result: Any) -> bool:
    return result is not None and test(result)


def _sums(values: Sequence[Any]) -> list[Any]:
    whole = _running_sums(values)
    return [total / MILLION for total in whole]


def _averages(values: Sequence[Any]) -> list[Any]:
    whole = _running_sums(values)
    return [None, *(total / number / MILLION for number, total in enumerate(whole[1:], 1))]


def _running_sums(values: Sequence[Any]) -> list[int]:
    totals = [0]
    for value in values:
        totals.append(totals[-1] + round(value * MILLION))
    return totals


def _extremes(choose: Callable[[Any, Any], Any]) -> Callable[[Sequence[Any]], list[Any]]:
    def prefixes(values: Sequence[Any]) -> list[Any]:
        found: list[Any] = [None]
        for value in values:
            found.append(value if found[-1] is None else choose(found[-1], value))
        return found

    return prefixes


def _numbers_of_different(values: Sequence[Any]) -> list[Any]:
    seen: set[tuple[bool, Any]] = set()
    counts = [0]
    for value in values:
        seen.add((isinstance(value, bool), value))
        counts.append(len(seen))
    return counts


_PREFIXES: dict[Aggregate, Callable[[Sequence[Any]], list[Any]]] = {
    "sum": _sums,
    "average": _averages,
    "minimum": _extremes(min),
    "maximum": _extremes(max),
    "distinct": _numbers_of_different,
}


def followed(
    firsts: Sequence[int], seconds: Sequence[int], within: int, last: int | None, *, strictly: bool, now: int
) -> Answer:
    """Whether a second came at most ``within`` ms after a first, in the last ``last`` ms or ever.

    ``strictly``: not at the same instant, which two occurrences of one event may share.
    """
    for second in seconds:
        if any(second - within <= first < second + (not strictly) for first in firsts):
            if last is None:
                return True, NEVER
            return (True, second + last) if second > now - last else (False, NEVER)
    return False, NEVER
