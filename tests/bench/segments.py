"""200 segments over 1,000 people: all of them, those one event can change, and the tree walk for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, pairwise

from bench import population, rule_library
from bench.measure import medians
from bench.treewalk import Happened, holds
from tailor.kernel.event import Event
from tailor.kernel.person import Person
from tailor.rules import profile
from tailor.rules.compiled import Compiled
from tailor.rules.consent import View, view
from tailor.rules.crowd import Crowd
from tailor.rules.step import step

PEOPLE = 1_000
ARRIVALS = 5_000
WALKED = 20
"""People a round of the tree walk covers; it is slow."""
SETTLING = 10
"""Rounds until what is compiled stays as it is."""
EVERYBODY = 100_000
TIMED = 60
"""People whose clocks are counted."""


def run(*, rounds: int = 7) -> dict[str, float]:
    """Measure; all answers of the compiled segments are compared with the tree walk's first."""
    compiled = Compiled(population.program())
    crowd, raw = people(compiled, PEOPLE)
    assert_same(compiled, crowd, raw)
    changes = _changes(crowd, ARRIVALS)

    def all_pairs(_: int) -> None:
        for person in crowd:
            compiled.segments.decide(_seer(person, compiled), None, now=population.NOW)

    def each_event(_: int) -> None:
        for person, changed in changes:
            compiled.segments.decide(_seer(person, compiled), changed, now=population.NOW)

    def walk(round: int) -> None:
        for person, events in zip(crowd[:WALKED], raw[:WALKED], strict=True):
            _walk(compiled, person, events)

    # A worker's first minutes, in which frequent sets of names earn functions of their own.
    for _ in range(SETTLING):
        each_event(0)
    library = rule_library.compiled([segment.rule for segment in compiled.program.segments.values()])
    views = [_seer(person, compiled)("personalization") for person in crowd]

    def by_library(_: int) -> None:
        for seen in views[:WALKED]:
            assert library is not None
            library(seen, population.NOW)

    contestants = [all_pairs, each_event, walk]
    if library is not None:
        assert_library_agrees(compiled, views, library)
        contestants.append(by_library)
    pairs, events, walked, *by_others = medians(contestants, rounds=rounds)
    keys = len(compiled.segments.keys)
    per_pair = pairs / len(crowd) / keys
    measured = {
        "segment_ns_per_pair": per_pair,
        "segment_us_per_event_200": events / len(changes) / 1e3,
        "segment_ratio_to_tree_walk": walked / WALKED / keys / per_pair,
        **refresh(compiled, views),
        "due_writes_per_event_50": due_writes(Compiled(population.program(50)), TIMED),
    }
    if by_others:
        measured["segment_best_library_ns"] = by_others[0] / WALKED / keys
        measured["segment_ratio_to_library"] = measured["segment_best_library_ns"] / per_pair
    return measured


def refresh(compiled: Compiled, views: Sequence[View]) -> dict[str, float]:
    """Seconds of CPU to decide 200 segments of 100,000 people at once, and to make the columns that this works on.

    The people are those of the bench, many times over: nothing is shared between the repetitions.
    """
    everybody = [seen for _ in range(EVERYBODY // len(views)) for seen in views]
    formulas = [rule.node.formula for rule in compiled.segments.rules.values()]

    kept = Crowd(everybody)

    def evaluated(_: int) -> None:
        kept.decide(formulas, now=population.NOW)

    def whole(_: int) -> None:
        Crowd(everybody).decide(formulas, now=population.NOW)

    evaluation, everything = medians([evaluated, whole], rounds=3)
    return {"refresh_100k_200_s": evaluation / 1e9, "refresh_100k_200_columns_s": (everything - evaluation) / 1e9}


def due_writes(compiled: Compiled, number: int) -> float:
    """Writes of the clock's index an event: live through people's pasts, event by event and tick by tick.

    The index is written whenever the instant changes at which a person is due.
    """
    writes = events = 0
    for who in range(number):
        person = Person(f"p_{who}")
        past = population.history(who)
        for event, following in pairwise([*past, None]):
            assert event is not None
            until = following.at if following else population.NOW
            before, now = person.due, event.at
            person, _ = step(person, [event], compiled, now=now)
            events += 1
            while True:
                writes += person.due != before
                if person.due >= until:
                    break
                before = person.due
                person, _ = step(person, (), compiled, now=max(now, before))
    return writes / events


def people(compiled: Compiled, count: int) -> tuple[list[Person], list[list[Happened]]]:
    """People as the step makes them of their history, and the histories."""
    pasts = [population.history(number) for number in range(count)]
    crowd = [step(Person(f"p_{n}"), past, compiled, now=population.NOW)[0] for n, past in enumerate(pasts)]
    return crowd, [[Happened(event.name, event.at, event.properties) for event in past] for past in pasts]


def assert_same(compiled: Compiled, crowd: Sequence[Person], raw: Sequence[Sequence[Happened]]) -> None:
    """Raises AssertionError where a compiled segment and the tree walk differ."""
    for person, events in zip(crowd, raw, strict=True):
        decisions = compiled.segments.decide(_seer(person, compiled), None, now=population.NOW)
        answers = {key: member for key, member, _ in decisions}
        assert answers == _walk(compiled, person, events), person.id


def assert_library_agrees(compiled: Compiled, views: Sequence[View], library: rule_library.Evaluate) -> None:
    """Raises AssertionError where the library says something else of any of 100 people."""
    for seen in views[:100]:
        decisions = compiled.segments.decide(lambda _, seen=seen: seen, None, now=population.NOW)
        assert list(decisions.members) == library(seen, population.NOW), seen.id


def _walk(compiled: Compiled, person: Person, events: Sequence[Happened]) -> dict[str, bool]:
    return {
        key: holds(segment.rule, person.attributes, events, now=population.NOW)
        for key, segment in compiled.program.segments.items()
    }


def _seer(person: Person, compiled: Compiled) -> Callable[[str], View]:
    return lambda purpose: view(person, purpose, compiled.program, now=population.NOW)


def _changes(crowd: Sequence[Person], count: int) -> list[tuple[Person, set[str]]]:
    """(person with one more event, what it changed), as the step works it out."""
    arrivals = population.arrivals(count, round=0, people=len(crowd))
    return [_change(person, event) for person, event in zip(cycle(crowd), arrivals, strict=False)]


def _change(person: Person, event: Event) -> tuple[Person, set[str]]:
    after = person.copy()
    changed = {f"@{name}" for name in profile.apply(after, event)}
    after.count(event.name, event.at)
    return after, changed | {event.name}
