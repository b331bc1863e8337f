"""Brute force: what a person's counters and memberships must be, from the event rows alone.

The live path counts each event once, as it comes. This looks at all rows again and says where the two differ. It serves
the backfill, which fills in counters that a new rule needs, and the nightly audit, which trusts nothing.

Three stretches of time are judged differently:

==================  ==========================================================================================
before `forgotten`  rows have expired: what the person still holds is believed
in between          the rows are right, and nothing else
after `settled`     a worker may be between writing the person and writing the row: what either holds happened;
                    all of the time, where the person was written just now
==================  ==========================================================================================

A count of all time may so exceed the rows. An excess that the timestamps kept do not contradict is taken for events
whose rows have expired; a count below what the rows show is always wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from tailor.kernel.event import Event
from tailor.kernel.history import NAMES, RING, History, keeps_oldest, newest_first
from tailor.kernel.instants import MINUTE
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.consent import View, view

SETTLING = 30 * MINUTE
"""How long a row may lag behind its person: five deliveries of a batch whose worker was killed each time."""

AGAIN = "-"
"""Stands for the program of a person that must be decided again as a whole, by nobody's news."""

_MARK = re.compile(r"[a-z2-7]{10}<?")

Noted = tuple[int, Any]
"""An occurrence: its instant, and its value where one is noted."""


@dataclass(frozen=True, slots=True)
class Recount:
    """``history`` as it must be; ``wrong``: names whose live count or timestamps cannot be right; ``added``: names of
    which more is kept now than before, or nothing any more, because the rules need it so."""

    history: History
    wrong: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.wrong or self.added)


@dataclass(slots=True)
class Verdict:
    """What brute force says of one person.

    ``counters``: names that were wrong; ``missing`` and ``extra``: segments the person should be in, or should not;
    ``clock``: whether time would have changed something that ``due`` would have slept through.
    """

    counters: tuple[str, ...] = ()
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    clock: bool = False

    @property
    def disagrees(self) -> bool:
        """Whether the live state was wrong in any way."""
        return bool(self.counters or self.missing or self.extra or self.clock)

    def fact(self, person: Person, *, now: int) -> dict[str, Any]:
        """``audit.disagreed``, for the outbox of the write that repairs."""
        return {
            "name": "audit.disagreed",
            "at": now,
            "person": person.id,
            "counters": sorted(self.counters),
            "missing": self.missing,
            "extra": self.extra,
            "clock": self.clock,
        }


def recount(person: Person, events: Iterable[Event], compiled: Compiled, *, now: int, life: int) -> Recount:
    """The history of ``person`` by ``events``, which are all rows there are, each once, in any order.

    Parameters
    ----------
    life : how long event rows live, in ms.
    """
    forgotten, settled = now - life, now - SETTLING
    if person.decided >= settled:
        # What came late for its time may have been counted just now.
        settled = forgotten
    rows: dict[str, list[Noted]] = {}
    for event in events:
        if event.at >= forgotten:
            rows.setdefault(event.name, []).append((event.at, None))
            for one in compiled.tallies(event.name):
                if noted := one.noted(event):
                    rows.setdefault(one.key, []).extend((event.at, value) for value in noted)
    history: History = {}
    wrong: list[str] = []
    added: list[str] = []
    for name in dict.fromkeys([*person.history, *rows]):
        known = person.history.get(name, [0, []])
        if name not in rows and _of_a_tally_gone(name, person, compiled):
            added.append(name)
            continue
        ring = compiled.ring(name)
        right = _first if keeps_oldest(name) else _entry
        entry = right(known, rows.get(name, []), forgotten, settled)
        shown = _cut(entry, ring)
        if shown[1]:
            history[name] = shown
        kept = _cut(known, ring)
        if kept == shown:
            continue
        held = len(kept[1])
        longer = kept[0] == shown[0] and kept[1:] == [column[:held] for column in shown[1 : len(kept)]]
        (added if longer else wrong).append(name)
    if len(history) > NAMES:
        # The live path has dropped and begun again some of them: nothing certain can be said of any.
        newest = sorted(history, key=lambda name: (not keeps_oldest(name), -history[name][1][0]))[:NAMES]
        return Recount({name: history[name] for name in history if name in set(newest)}, (), tuple(added))
    return Recount(history, tuple(wrong), tuple(added))


def _of_a_tally_gone(name: str, person: Person, compiled: Compiled) -> bool:
    """Whether this is of a tally that no rule has any more; who has one has the entry of the event itself."""
    event, _, mark = name.rpartition("?")
    if event not in person.history or _MARK.fullmatch(mark) is None:
        return False
    return all(one.key != name for one in compiled.tallies(event))


def _cut(entry: Sequence[Any], ring: int) -> list[Any]:
    count, *columns = entry
    return [count, *(list(column[:ring]) for column in columns)]


def _first(known: Sequence[Any], rows: Sequence[Noted], forgotten: int, settled: int) -> list[Any]:
    """The entry that keeps the first occurrence: of the rows, and of what was kept where no row could say better."""
    times = [at for at, _ in rows] + [at for at in known[1] if at < forgotten or at >= settled]
    return [1, [min(times)]] if times else [0, []]


def _entry(known: Sequence[Any], rows: Sequence[Noted], forgotten: int, settled: int) -> list[Any]:
    """``[count of all time, all timestamps known, newest first]`` of one name, with their values if it notes them."""
    count, kept = known[0], list(zip(known[1], known[2] if len(known) > 2 else repeat(None), strict=False))
    sure = [one for one in rows if one[0] < settled]
    held, written = (Counter(one for one in some if one[0] >= settled) for some in (kept, rows))
    recent = held | written
    old = [one for one in kept if one[0] < forgotten]
    young = sorted([*sure, *recent.elements()], key=newest_first)
    if len(kept) == count or len(kept) < RING:
        older = len(old)
    elif kept[-1][0] < forgotten:
        older = count - (len(kept) - len(old))
    else:
        # The timestamps do not reach back to what has expired; they still show what was counted and has no row.
        invented = Counter(one for one in kept if one[0] < settled) - Counter(sure)
        older = count - invented.total() - len(young)
    found = [*young, *old]
    # Fewer timestamps than a ring holds are all there are.
    total = len(found) if len(found) < RING else max(older, len(old)) + len(young)
    times, values = [at for at, _ in found], [value for _, value in found]
    return [total, times] if values.count(None) == len(values) else [total, times, values]


def rebuilt(person: Person, history: History) -> Person:
    """``person`` with another history, as one whom the next step decides as a whole.

    What that history would already have made of them when they were last decided starts no journey.
    """
    again = person.copy()
    again.history = history
    again.program = AGAIN
    return again


def judge(person: Person, found: Recount, compiled: Compiled, *, now: int) -> Verdict:
    """Compare a person with what brute force says; for one decided by ``compiled`` before.

    Somebody whose clock has struck and not been heard yet is late, not wrong.
    """
    verdict = Verdict(found.wrong)
    true = rebuilt(person, found.history)
    if person.due > now:
        members, until = _decide(true, compiled, now)
        verdict.missing = sorted(members - person.memberships.keys())
        verdict.extra = sorted((person.memberships.keys() & compiled.program.segments.keys()) - members)
        if until < person.due and not verdict.disagrees:
            # An ``until`` may come early; only a flip proves that the clock is set too late.
            verdict.clock = _decide(true, compiled, until)[0] != members
    return verdict


def _decide(person: Person, compiled: Compiled, now: int) -> tuple[set[str], int]:
    def see(purpose: str) -> View:
        return view(person, purpose, compiled.program, now=now)

    decisions = compiled.segments.decide(see, now=now)
    return {key for key, member, _ in decisions if member}, decisions.due
