"""200 segments over 1,000 people: all of them, those one event can change, and the tree walk for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

from bench import population
from bench.measure import medians
from bench.treewalk import Happened, holds
from tailor.kernel.event import Event
from tailor.kernel.person import Person
from tailor.rules import profile
from tailor.rules.compiled import Compiled
from tailor.rules.consent import View, view
from tailor.rules.step import step

PEOPLE = 1_000
ARRIVALS = 5_000
WALKED = 20
"""People a round of the tree walk covers; it is slow."""


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

    pairs, events, walked = medians([all_pairs, each_event, walk], rounds=rounds)
    keys = len(compiled.segments.keys)
    per_pair = pairs / len(crowd) / keys
    return {
        "segment_ns_per_pair": per_pair,
        "segment_us_per_event_200": events / len(changes) / 1e3,
        "segment_ratio_to_tree_walk": walked / WALKED / keys / per_pair,
    }


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
