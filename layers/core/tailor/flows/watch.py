"""Watch: a journey as it is now: who is in which step, what is due next, how it ended, what became of its letters.

Nothing counts along: a count beside a write can be lost with its worker, or made twice. It is read off the people
themselves, who are what they are however often something ran: all of a small table, a fair sample of a large one with
its margin, and beside it the exact numbers of the last walk over everybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailor.edges.store import Store
from tailor.flows.audience import sample
from tailor.flows.conduct import journey as told
from tailor.flows.finding import HELD
from tailor.flows.why_not import enrolments, held
from tailor.kernel.instants import DAY, HOUR, MINUTE, NEVER, iso
from tailor.kernel.journey import Journey
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled

READERS = 200
"""People of a journey whose letters are looked up in the ledger, one query each."""
SOON = (("a minute", MINUTE), ("an hour", HOUR), ("a day", DAY), ("later", NEVER))
ENDED = {
    "goal": "reached its goal",
    "exit_when": "were to leave it",
    "end": "came to its end",
    "exit": "came to an exit",
    "refused": "refused every letter of it",
    "left": "were taken out by another journey",
    "parted": "turned out to be somebody else",
    "withdrawn": "were in what is in force no more",
}
"""How an enrolment ended → in words."""


@dataclass(slots=True)
class _Seen:
    """What the people of a sample show, each counted once a place; a place is a step, from 0 on, of the version in
    force."""

    inside: int = 0
    ever: int = 0
    earlier: int = 0
    waiting: Counter[int] = field(default_factory=Counter)
    held: Counter[tuple[int, str]] = field(default_factory=Counter)
    next: dict[int, int] = field(default_factory=dict)
    due: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)


def watch(key: str, store: Store, compiled: Compiled, *, now: int) -> dict[str, Any]:
    """:func:`tailor.flows.conduct.journey` as of ``now``.

    ``enrolled``, ``entered`` (whoever is in it or has been), ``earlier`` (in steps of earlier versions) and ``waiting``
    of each step are ``{"people", "low", "high"}``, with 95 % from ``low`` to ``high``. A step has the instant at which
    somebody goes on ``next``, and the letters ``held`` at it with ``why``; ``due`` says how many go on how soon,
    ``ended`` how enrolments ended last, ``letters`` what became of the letters of ``readers`` people, by ``state`` and
    ``why``. ``counted`` of a step is the exact number of the last walk over everybody, at ``counted`` of the whole.

    Raises
    ------
    Rejected : there is none (404).
    """
    known, journey = told(key, store, compiled), compiled.program.journeys[key]
    sampled = sample(store)
    touched = [one for one in sampled.people if _touches(one, key)]
    seen = _see(touched, journey, compiled, now)

    def about(matched: int) -> dict[str, int]:
        size, low, high = sampled.stands_for(matched)
        return {"people": size, "low": low, "high": high}

    return {
        **{name: known[name] for name in ("key", "title", "begins", "priority", "paused", "version", "counted")},
        "as_of": iso(now),
        "people": sampled.total,
        "sampled": len(sampled.people),
        "exact": sampled.exact,
        "enrolled": about(seen.inside),
        "entered": about(seen.ever),
        "earlier": about(seen.earlier),
        "steps": [_step(one, seen, about, known["counted"]) for one in known["steps"]],
        "due": [{"within": name, **about(seen.due[name])} for name, _ in SOON if seen.due[name]],
        "ended": [{"how": how, "says": ENDED.get(how, how), **about(n)} for how, n in seen.ended.most_common()],
        "letters": _letters(touched[:READERS], key, store),
        "readers": min(len(touched), READERS),
    }


def _touches(person: Person, key: str) -> bool:
    return any(one.partition("#")[0] == key for one in (*person.enrolments, *person.finished))


def _see(people: Iterable[Person], journey: Journey, compiled: Compiled, now: int) -> _Seen:
    seen = _Seen()
    for person in people:
        running = enrolments(person, journey.key)
        seen.ever += 1
        seen.inside += bool(running)
        seen.earlier += any(one["version"] != journey.course.version for one in running.values())
        here = [one for one in running.values() if one["version"] == journey.course.version]
        seen.waiting.update({one["step"] for one in here})
        seen.held.update({(one["step"], why) for one in here if (why := held(person, journey, one, compiled, now=now))})
        for one in here:
            seen.next[one["step"]] = min(one["wake"], seen.next.get(one["step"], NEVER))
        if running and not journey.paused:
            soonest = min(one["wake"] for one in running.values()) - now
            seen.due[next(name for name, span in SOON if soonest <= span)] += 1
        seen.ended.update({how for one, (_, _, how) in person.finished.items() if one.partition("#")[0] == journey.key})
    return seen


def _step(one: Mapping[str, Any], seen: _Seen, about: Callable[[int], Any], counted: str | None) -> dict[str, Any]:
    place = one["step"] - 1
    return {
        "step": one["step"],
        "says": one["says"],
        "waiting": about(seen.waiting[place]),
        "counted": one["waiting"] if counted else None,
        "next": iso(seen.next[place]) if place in seen.next else None,
        "held": [
            {"why": why, "says": HELD.get(why.partition(": ")[0], why), **about(n)}
            for (at, why), n in seen.held.most_common()
            if at == place
        ],
    }


def _letters(people: Iterable[Person], key: str, store: Store) -> list[dict[str, Any]]:
    """Letters by state and reason: those with a row in the ledger, and those that are owed and have none yet."""
    counted: Counter[tuple[str, str]] = Counter()
    for person in people:
        rows = {row["message"]: row for row in store.messages(person) if row["journey"] == key}
        counted.update((row["state"], row.get("why", "")) for row in rows.values())
        counted.update(
            ("QUEUED", one.get("off", ""))
            for message, one in person.owed.items()
            if one["journey"] == key and message not in rows
        )
    return [{"state": state, "why": why, "letters": n} for (state, why), n in sorted(counted.items())]
