"""The attribute catalogue: coarser forms, retention, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from shop import SHOP
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import DAY, NEVER
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.consent import view
from tailor.rules.step import step

NOW = 1_795_510_800_000
AGE = {"type": "number", "purposes": ["service"], "generalise": {"as": "age_band", "bands": [18, 30, 45]}}
CITY = {
    "purposes": ["service"],
    "generalise": {"as": "region", "map": {"Lyon": "south", "Lille": "north"}, "other": "elsewhere"},
}


def program(attributes: dict[str, Any], **more: Any) -> Program:
    return Program.of([{**SHOP, "attributes": attributes, **more}])


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (17.9, "under 18"),
        (18, "18-29"),
        (29, "18-29"),
        (30, "30-44"),
        (45, "45 and over"),
        ("x", "other"),
        (True, "other"),
    ],
)
def test_an_age_serves_as_a_band_where_its_number_may_not(age: Any, band: str) -> None:
    known = program({"age": AGE})
    person = Person("p", attributes={"age": age})
    assert view(person, "personalization", known, now=NOW).attributes == {"age_band": band}
    assert view(person, "service", known, now=NOW).attributes == {"age": age}


@pytest.mark.parametrize(("city", "region"), [("Lyon", "south"), ("Nice", "elsewhere"), (["Lyon"], "elsewhere")])
def test_a_city_serves_as_its_region(city: Any, region: str) -> None:
    seen = view(Person("p", attributes={"city": city}), "personalization", program({"city": CITY}), now=NOW)
    assert seen.attributes == {"region": region}


def test_what_a_source_sends_under_the_name_of_a_coarser_form_is_not_it() -> None:
    person = Person("p", attributes={"age": 50, "age_band": "18-29"})
    seen = view(person, "personalization", program({"age": AGE}), now=NOW)
    assert seen.attributes == {"age_band": "45 and over"}
    del person.attributes["age"]
    assert view(person, "personalization", program({"age": AGE}), now=NOW).attributes == {}


def test_a_rule_may_read_the_coarser_form_and_is_decided_again_when_the_fine_one_changes() -> None:
    young = {"title": "Young", "rule": {"attribute": "age_band", "eq": "18-29"}}
    compiled = Compiled(program({"age": AGE}, segments={"young": young}, journeys={}))

    def turns(age: int, at: int) -> Event:
        who = (Identifier("user_id", "u"),)
        return Event(str(at), "identify", "Identify", at, at, "segment", who, traits={"age": age})

    person, _ = step(Person("p"), [turns(29, NOW)], compiled, now=NOW)
    assert "young" in person.memberships
    person, _ = step(person, [turns(30, NOW + 1)], compiled, now=NOW + 1)
    assert "young" not in person.memberships


def test_an_attribute_is_seen_and_kept_no_longer_than_its_retention() -> None:
    plan = {"title": "Gold", "rule": {"attribute": "plan", "eq": "gold"}}
    compiled = Compiled(program({"plan": {"retention": "30d"}}, segments={"gold": plan}, journeys={}))
    who = (Identifier("user_id", "u"),)
    told = Event("1", "identify", "Identify", NOW, NOW, "segment", who, traits={"plan": "gold"})
    person, _ = step(Person("p"), [told], compiled, now=NOW)
    assert "gold" in person.memberships
    assert person.due == NOW + 30 * DAY
    assert "plan" in view(person, "personalization", compiled.program, now=person.due - 1).attributes
    assert "plan" not in view(person, "personalization", compiled.program, now=person.due).attributes
    person, _ = step(person, [], compiled, now=person.due)
    assert (person.attributes, person.memberships, person.due) == ({}, {}, NEVER)
    # A late copy of the same word does not bring it back.
    late = Event("2", "identify", "Identify", NOW, NOW, "hubspot", who, traits={"plan": "gold"})
    person, _ = step(person, [late], compiled, now=NOW + 31 * DAY)
    assert person.attributes == {}


def test_a_class_has_a_retention_unless_the_attribute_says_otherwise() -> None:
    known = program({"a": {}, "b": {"class": "public"}, "c": {"retention": "1d"}}, retention={"personal": "365d"})
    assert {name: known.retained.get(name) for name in "abc"} == {"a": 365 * DAY, "b": None, "c": DAY}


@pytest.mark.parametrize(
    ("attribute", "pointer", "part"),
    [
        ({"class": "sensitive", "generalise": {"as": "y", "bands": [1]}}, "/generalise", "sensitive"),
        ({"generalise": {"as": "y"}}, "/generalise", "either"),
        ({"generalise": {"as": "y", "bands": [1], "map": {}}}, "/generalise", "either"),
        ({"generalise": {"as": "y", "bands": [3, 2]}}, "/generalise/bands", "larger"),
        ({"generalise": {"as": "y", "bands": ["1"]}}, "/generalise/bands", "numbers"),
        ({"generalise": {"as": "y", "map": {"a": 1}}}, "/generalise/map", "text"),
        ({"generalise": {"as": "first_name", "bands": [1]}}, "/generalise/as", "already"),
        ({"generalise": {"as": "y", "bands": [1], "purposes": ["nope"]}}, "/generalise/purposes", "nope"),
        ({"generalise": {"as": "y", "bands": [1], "band": 1}}, "/generalise/band", "bands"),
        ({"retention": "for ever"}, "/retention", "duration"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(attribute: dict[str, Any], pointer: str, part: str) -> None:
    with pytest.raises(Rejected, match=part) as caught:
        program({"x": attribute})
    assert caught.value.pointer == f"/attributes/x{pointer}"


@pytest.mark.parametrize("size", [0, "10", True, 1.5])
def test_a_minimum_group_is_a_number_of_people(size: Any) -> None:
    with pytest.raises(Rejected) as caught:
        program({}, minimum_group=size)
    assert caught.value.pointer == "/minimum_group"
    assert program({}, minimum_group=25).minimum_group == 25
