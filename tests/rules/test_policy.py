"""Whose law asks for what: by the declared country, else the strictest; and who is heard where sources differ."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop import SHOP
from tailor.kernel.event import ConsentChange, Event, Grant, Identifier
from tailor.kernel.instants import DAY, NEVER
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules import policy
from tailor.rules.compiled import Compiled
from tailor.rules.consent import OWN_DOORS, STRICTNESS, fold, heard, permits, view
from tailor.rules.identity import merge
from tailor.rules.step import step

PROGRAM = Program.of([SHOP])
ASKED_BY_LAW = ("marketing", "analytics", "profiling", "sharing")
NOW = 1_795_510_800_000
Said = tuple[str, Grant, int]


def living_in(country: Any) -> Person:
    return Person("p", attributes={} if country is None else {"country": country})


def allowed(person: Person, *, now: int = NOW) -> set[str]:
    return {purpose for purpose in ASKED_BY_LAW if permits(person, purpose, PROGRAM, now=now)}


@pytest.mark.parametrize("country", ["DE", "fr", " IE ", "GB", "UK", "CH", "CA", "Canada", "BR", "Oz", "", None, 7])
def test_opt_in_countries_and_unknown_ones_take_a_consent(country: Any) -> None:
    assert allowed(living_in(country)) == set()


@pytest.mark.parametrize("country", ["US", "us", "USA", "United States"])
def test_in_the_united_states_everything_goes_until_somebody_objects(country: str) -> None:
    person = living_in(country)
    assert allowed(person) == set(ASKED_BY_LAW)
    fold(person, ConsentChange("sharing", "withdrawn"), at=1, source="segment")
    fold(person, ConsentChange("marketing", "withdrawn"), at=1, source="ses")
    assert allowed(person) == {"analytics", "profiling"}


def test_an_address_that_was_not_confirmed_is_not_written_to_anywhere() -> None:
    person = living_in("US")
    fold(person, ConsentChange("marketing", "pending"), at=1, source="form")
    assert not permits(person, "marketing", PROGRAM, topic="deals", now=NOW)


def test_a_purchase_in_canada_is_a_consent_for_two_years() -> None:
    person = living_in("CA")
    person.count("Order Completed", NOW)
    assert allowed(person) == {"marketing"}
    assert allowed(person, now=NOW + 730 * DAY - 1) == {"marketing"}
    assert allowed(person, now=NOW + 730 * DAY) == set()
    assert policy.lapses(person, now=NOW) == NOW + 730 * DAY
    assert policy.lapses(person, now=NOW + 730 * DAY) == NEVER
    fold(person, ConsentChange("marketing", "withdrawn"), at=NOW, source="preferences")
    assert allowed(person) == set()


def test_the_rules_know_when_an_implied_consent_ends() -> None:
    may = {"title": "May be written to", "rule": {"consent": "marketing"}}
    compiled = Compiled(Program.of([{**SHOP, "journeys": {}, "segments": {"may": may}}]))

    def happens(name: str, at: int, **parts: Any) -> Event:
        return Event(f"{name}{at}", "track", name, at, at, "segment", (Identifier("user_id", "u"),), **parts)

    person, _ = step(Person("p"), [happens("Order Completed", NOW)], compiled, now=NOW)
    assert "may" not in person.memberships
    person, _ = step(person, [happens("Identify", NOW + 1, traits={"country": "CA"})], compiled, now=NOW + 1)
    assert "may" in person.memberships
    assert person.due == NOW + 730 * DAY
    person, effects = step(person, [], compiled, now=person.due)
    assert "may" not in person.memberships
    assert [fact["name"] for fact in effects.facts] == ["segment.exited"]
    person, _ = step(person, [happens("Identify", NOW + 2, traits={"country": "US"})], compiled, now=person.decided + 1)
    assert "may" in person.memberships


@given(
    st.sampled_from([None, "DE", "US", "CA"]),
    st.sampled_from(["consent", "law", "legitimate-interest"]),
    st.sampled_from([None, *STRICTNESS]),
    st.sampled_from([None, *STRICTNESS]),
    st.booleans(),
)
def test_the_rule_about_consent_says_what_the_gate_says(
    country: Any, basis: str, whole: Any, part: Any, bought: bool
) -> None:
    segments = {
        "whole": {"title": "w", "rule": {"consent": "marketing"}, "purpose": "service"},
        "part": {"title": "p", "rule": {"consent": "marketing", "topic": "deals"}, "purpose": "service"},
    }
    document = {**SHOP, "segments": segments, "journeys": {}, "purposes": {"marketing": {"basis": basis}}}
    compiled = Compiled(Program.of([document]))
    person = living_in(country)
    if bought:
        person.count("Order Completed", NOW - DAY)
    for topic, grant in (("", whole), ("deals", part)):
        if grant:
            fold(person, ConsentChange("marketing", grant, topic), at=1, source="x")
    seen = view(person, "service", compiled.program, now=NOW)
    for key, topic in (("whole", ""), ("part", "deals")):
        holds, _ = compiled.segments.rules[key].holds(seen, now=NOW)
        assert holds is permits(person, "marketing", compiled.program, topic=topic, now=NOW)


def test_the_table_is_dated_and_names_its_sources() -> None:
    day = re.compile(r"20\d\d-\d\d-\d\d")
    assert day.fullmatch(policy.AS_OF)
    countries = [country for regime in policy.REGIMES for country in regime.countries]
    assert len(countries) == len(set(countries))
    for regime in policy.REGIMES:
        assert day.fullmatch(regime.since)
        assert regime.sources
        assert set(regime.needs) == set(ASKED_BY_LAW)


# ---- who is heard


def in_force(said: list[Said]) -> str:
    """The rule in other words: of each voice the last, none older than the person's own, of these the strictest."""
    last: dict[str, tuple[int, int]] = {}
    for source, grant, at in said:
        voice = "own" if source in OWN_DOORS else source
        last[voice] = max(last.get(voice, (-1, -1)), (at, STRICTNESS[grant]))
    since = last.get("own", (0, 0))[0]
    strictest = max(strictness for at, strictness in last.values() if at >= since)
    return next(grant for grant, strictness in STRICTNESS.items() if strictness == strictest)


SAID = st.tuples(
    st.sampled_from(["segment", "onetrust", "preferences", "form"]), st.sampled_from([*STRICTNESS]), st.integers(0, 3)
)


@given(st.lists(SAID, min_size=1, max_size=4))
def test_whatever_the_order_of_arrival_the_same_choice_is_in_force(said: list[Said]) -> None:
    for order in permutations(said):
        person = Person("p")
        for source, grant, at in order:
            fold(person, ConsentChange("marketing", grant), at=at, source=source)
        assert person.consent["marketing"][0] == in_force(said)


@given(st.lists(SAID, min_size=1, max_size=5), st.lists(SAID, min_size=1, max_size=5))
def test_a_merge_hears_both(mine: list[Said], theirs: list[Said]) -> None:
    people = []
    for id, said in (("p", mine), ("q", theirs)):
        person = Person(id)
        for source, grant, at in said:
            fold(person, ConsentChange("marketing", grant), at=at, source=source)
        people.append(person)
    merged = merge(*people, {})
    assert merged.consent["marketing"][0] == in_force([*mine, *theirs])
    assert heard(Person.unpack("p", 1, merged.pack()), "marketing") == heard(merged, "marketing")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([("segment", "denied", 1), ("segment", "granted", 2)], "granted"),
        ([("segment", "granted", 2), ("onetrust", "withdrawn", 1)], "withdrawn"),
        ([("segment", "granted", 2), ("segment", "withdrawn", 2)], "withdrawn"),
        ([("onetrust", "withdrawn", 1), ("form", "granted", 2)], "granted"),
        ([("onetrust", "withdrawn", 2), ("form", "granted", 2)], "withdrawn"),
        ([("form", "granted", 1), ("onetrust", "denied", 2)], "denied"),
        ([("form", "granted", 1), ("preferences", "withdrawn", 2)], "withdrawn"),
    ],
)
def test_later_within_a_source_stricter_across(said: list[Said], expected: str) -> None:
    person = Person("p")
    for source, grant, at in said:
        fold(person, ConsentChange("marketing", grant), at=at, source=source)
    assert person.consent["marketing"][0] == expected
