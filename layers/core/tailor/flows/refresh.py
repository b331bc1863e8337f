"""Refresh: the clock. Each minute the people whose ``due`` has come are decided again; nobody else is read.

The tick reads a sparse index, a shard at a time, the longest waiting first, so that after an outage it catches up in
order. A person decided twice is the same person; a tick killed anywhere is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailor.edges.store import ALL_DUE_SHARDS, Store, Write
from tailor.kernel.instants import NEVER
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.step import step

PAGE = 100


@dataclass(slots=True)
class Ticked:
    """What a tick did: people decided, the worst lateness in ms, and whether time ran out before all were done."""

    people: int = 0
    late: int = 0
    unfinished: bool = False


def tick(store: Store, compiled: Compiled, *, now: int, enough: Callable[[], bool] = lambda: False) -> Ticked:
    """Decide everybody whose clock has struck. ``enough`` answers true when the time left is too short for a page."""
    ticked = Ticked()
    for shard in ALL_DUE_SHARDS:
        while ids := store.due(shard, now=now, limit=PAGE):
            if enough():
                ticked.unfinished = True
                return ticked
            people = list(store.people(ids).people.values())
            struck = [person for person in people if person.due <= now]
            ticked.late = max(ticked.late, max((now - person.due for person in struck), default=0))
            ticked.people += decide_again(struck, store, compiled, now=now)
            if not struck or len(ids) < PAGE:
                # What the index still shows is either done already or lost to another worker, who decides it too.
                break
    return ticked


def decide_again(people: Sequence[Person], store: Store, compiled: Compiled, *, now: int) -> int:
    """Step people by the clock alone and write them; answers how many writes held."""
    writes = []
    for person in people:
        after, effects = step(person, (), compiled, now=now)
        writes.append(Write(after, effects.pack(), consents=tuple(effects.consents), had_due=person.due < NEVER))
    return len(writes) - len(store.write(writes, now=now))


def nightly(store: Store, compiled: Compiled, *, now: int, enough: Callable[[], bool] = lambda: False) -> Ticked:
    """Decide everybody who was last decided under another program, so that a new definition reaches the quiet ones."""
    ticked = Ticked()
    page: list[Person] = []
    for person in store.everybody():
        if person.program != compiled.version:
            page.append(person)
        if len(page) == PAGE:
            ticked.people += decide_again(page, store, compiled, now=now)
            page = []
            if enough():
                ticked.unfinished = True
                return ticked
    ticked.people += decide_again(page, store, compiled, now=now)
    return ticked
