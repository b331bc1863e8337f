"""Rules over every operator against brute force, while events come late, twice and out of order and the clock goes on.

Each person is decided as in production: by a step for what arrives, and by the clock at ``due`` and never else. What
they are a member of must then be true at every instant that is looked at, up to the last millisecond before a flip.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from bruteforce import Judge, Known
from lives import END, LEAVES, START, Arrival, happening, leaf, program, rule, story
from tailor.kernel.history import RING
from tailor.kernel.instants import HOUR, MINUTE, NEVER
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.step import step
from tailor.rules.tallies import KEEPING

RULES, PEOPLE, PROBES = 125, 50, 8
"""Segments of a programme, people who meet it, and instants of each at which all of them are looked at."""


def sweep(compiled: Compiled, arrivals: Sequence[Arrival], random: Random, id: str) -> None:
    """Live through a story; raises AssertionError where the state and brute force disagree."""
    rules = {key: segment.rule for key, segment in compiled.program.segments.items()}
    known, waiting = Known(id, rules), list(arrivals)
    person, _ = step(Person(id), (), compiled, now=START)
    probes = sorted({START, *(random.randint(START, END) // MINUTE * MINUTE for _ in range(PROBES)), END - 1})
    while True:
        now = min((waiting[0].at if waiting else NEVER), person.due, (probes[0] if probes else NEVER))
        if now >= END:
            return
        arrived = [one for one in waiting if one.at <= now]
        if not arrived and person.due > now:
            probes.pop(0)
            check(person, known, rules, now)
            continue
        waiting = [one for one in waiting if one.at > now]
        before = dict(person.memberships)
        for one in arrived:
            if one.event is None:
                person.identifiers[one.identifier] = ["someone"]
                known.identifiers.add(one.identifier)
                person.program = ""
            else:
                known.take(one.event)
        events = [one.event for one in arrived if one.event is not None]
        person, effects = step(person, events, compiled, now=now)
        flipped = before.keys() ^ person.memberships.keys()
        check(person, known, {key: rules[key] for key in flipped}, now)
        if not arrived:
            just_before = Judge(known, now - 1)
            late = [rules[key] for key in flipped if just_before.holds(rules[key]) != (key in before)]
            assert late == [], f"flipped too late, at {now}"
        assert person.due > now
        assert bool(effects.facts) == (before.keys() != person.memberships.keys())


def check(person: Person, known: Known, rules: dict[str, Any], now: int) -> None:
    """Raises AssertionError where a membership is not true."""
    judge = Judge(known, now)
    wrong = [one for key, one in rules.items() if judge.holds(one) != (key in person.memberships)]
    assert wrong == [], now


@pytest.mark.parametrize("seed", range(16))
def test_what_is_decided_live_is_true_at_every_instant(seed: int) -> None:
    """125 segments × 50 people × 16: 100,000 pairs of a person and a segment, each from the first day to the last."""
    random = Random(seed)
    rules = [leaf(random, key) for key in LEAVES]
    rules += [rule(random) for _ in range(RULES - len(rules) - 1)]
    compiled = program([*rules, {"any": [{"segment": "s0"}, {"segment": "s7"}]}])
    for number in range(PEOPLE):
        sweep(compiled, story(random), random, f"p_{seed}_{number}")


def test_every_operator_is_tried() -> None:
    for key in LEAVES:
        assert key in leaf(Random(1), key)


@pytest.mark.parametrize("seed", range(3))
def test_who_does_more_than_is_kept_is_decided_by_what_is(seed: int) -> None:
    """More occurrences than a ring holds: counts see as many as they need, the others the newest 200."""
    random = Random(seed)
    rules: list[dict[str, Any]] = [
        {"count": "A", kind: number, "within": "3d"}
        for number in (RING, RING + 1, 45)
        for kind in ("at_least", "at_most", "exactly")
    ]
    rules += [
        {"first": "A", "older_than": "5d"},
        {"first": "A", "where": {"colour": "red"}, "after": "2026-03-28"},
        {"sum": "price", "of": "A", "within": "3d", "ge": 150},
        {"distinct": "colour", "of": "A", "within": "6h", "lt": 3},
        {"count": "A", "at_least": 20, "ago": ["1d", "3d"]},
        {"days": "A", "at_least": 4, "within": "5d"},
        {"did_then": ["A", "B"], "within": "1d", "in_last": "5d"},
    ]
    arrivals = []
    for index in range(KEEPING - 20):
        at = START + random.randint(0, 12 * 24 * 60) * MINUTE
        name = "B" if index % 40 == 0 else "A"
        arrivals.append(Arrival(at + random.choice((0, 0, 7 * HOUR)), happening(random, name, f"e{index}", at)))
    sweep(program(rules), sorted(arrivals, key=lambda one: one.at), random, "p_many")
