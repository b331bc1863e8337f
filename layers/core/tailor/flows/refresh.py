"""Refresh: the clock. Each minute the people whose ``due`` has come are decided again; nobody else is read.

The tick reads a sparse index and takes the longest waiting first, over all its shards, so that after an outage it
catches up in order. A person decided twice is the same person; a tick killed anywhere is finished by the next one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import batched
from typing import Any

from tailor.edges.store import ALL_DUE_SHARDS, Store, Write
from tailor.kernel.instants import DAY, HOUR, MINUTE, NEVER, SECOND, iso
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.step import step

PAGE = 100
KIND = "clock"
KEPT_DAYS = 7
LATENESS = (SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 90 * SECOND, 2 * MINUTE, 5 * MINUTE, HOUR, DAY)
"""Upper bounds in ms of the classes in which lateness is kept; one more class has no bound."""


@dataclass(slots=True)
class Ticked:
    """What a tick did: how late, in ms, each person was decided, and whether time ran out before all were done."""

    late: list[int] = field(default_factory=list)
    unfinished: bool = False

    @property
    def people(self) -> int:
        """People decided."""
        return len(self.late)

    def percentile(self, share: float) -> int:
        """The lateness that ``share`` of the people did not exceed, by nearest rank; 0 where there was nobody."""
        ordered = sorted(self.late)
        return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else 0


def tick(
    store: Store, compiled: Compiled, *, clock: Callable[[], int], enough: Callable[[], bool] = lambda: False
) -> Ticked:
    """Decide everybody whose clock has struck.

    Parameters
    ----------
    clock : the instant it is; each page is decided at the instant it is taken up.
    enough : answers true when the time left is too short for a page.
    """
    ticked = Ticked()
    struck = merge(*(store.due(shard, now=clock(), page=PAGE) for shard in ALL_DUE_SHARDS))
    for page in batched(struck, PAGE, strict=False):
        if enough():
            ticked.unfinished = True
            break
        now = clock()
        # What the index still shows may be done already, by another worker or by an event.
        found = store.people(id for _, id in page).people.values()
        people = sorted((person for person in found if person.due <= now), key=lambda person: person.due)
        lost = decide_again(people, store, compiled, now=now)
        ticked.late += [clock() - person.due for person in people if person.id not in lost]
    return ticked


def decide_again(people: Sequence[Person], store: Store, compiled: Compiled, *, now: int) -> set[str]:
    """Step people by the clock alone and write them; answers the ids of those whom another worker wrote first."""
    writes = []
    for person in people:
        after, effects = step(person, (), compiled, now=now)
        writes.append(Write(after, effects.pack(), consents=tuple(effects.consents), had_due=person.due < NEVER))
    return {write.person.id for write in store.write(writes, now=now)}


def record(ticked: Ticked, store: Store, *, now: int) -> None:
    """Keep how late the clock was: of the last tick, and a distribution for each of the last days."""
    kept = store.definition(KIND, "lateness") or {}
    today = iso(now)[:10]
    days: dict[str, list[int]] = dict(sorted(kept.get("days", {}).items())[-KEPT_DAYS:])
    classes = list(days.get(today, [0] * (len(LATENESS) + 1)))
    for late in ticked.late:
        classes[bisect_left(LATENESS, late)] += 1
    days[today] = classes
    last = {
        "at": now,
        "people": ticked.people,
        "p50": ticked.percentile(0.5),
        "p95": ticked.percentile(0.95),
        "max": max(ticked.late, default=0),
        "unfinished": ticked.unfinished,
    }
    busy = last if ticked.people else kept.get("busy")
    store.define(KIND, "lateness", {"last": last, "busy": busy, "days": dict(sorted(days.items())[-KEPT_DAYS:])})


def lateness(store: Store) -> dict[str, Any]:
    """``{"last", "busy", "days"}``: the last tick, the last one that decided anybody, and per day the ``people`` that
    were at most so many ms late (``null``: later than all)."""
    kept = store.definition(KIND, "lateness") or {}

    def told(tick: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if tick is None else {**tick, "at": iso(tick["at"])}

    days = [
        {"day": day, "people": [{"most_ms": m, "people": n} for m, n in zip((*LATENESS, None), counts, strict=True)]}
        for day, counts in sorted(kept.get("days", {}).items())
    ]
    return {"last": told(kept.get("last")), "busy": told(kept.get("busy")), "days": days}
