from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop import SHOP
from tailor.kernel.event import ConsentChange, Grant
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.consent import fold, permits, view

PROGRAM = Program.of(
    [
        SHOP
        | {
            "attributes": {
                "health": {"class": "sensitive", "purposes": ["personalization"]},
                "plan": {"class": "public", "purposes": ["service"]},
            }
        }
    ]
)
GRANTS: tuple[Grant, ...] = ("granted", "pending", "denied", "withdrawn")


def test_undeclared_sensitive_and_out_of_purpose_attributes_are_absent() -> None:
    person = Person("p", attributes={"first_name": "Ada", "health": "asthma", "plan": "gold", "shoe_size": 38})
    assert view(person, "personalization", PROGRAM, now=0).attributes == {"first_name": "Ada"}
    assert view(person, "service", PROGRAM, now=0).attributes == {"first_name": "Ada", "plan": "gold"}


def test_where_the_purpose_is_refused_nothing_is_seen() -> None:
    person = Person("p", attributes={"first_name": "Ada"})
    person.count("Page Viewed", 1)
    fold(person, ConsentChange("personalization", "denied"), at=1, source="x")
    seen = view(person, "personalization", PROGRAM, now=2)
    assert (seen.attributes, seen.history) == ({}, {})
    assert view(person, "nonsense", PROGRAM, now=2).attributes == {}


@pytest.mark.parametrize(
    ("whole", "part", "allowed"),
    [
        (None, None, False),
        ("granted", None, True),
        (None, "granted", True),
        ("granted", "withdrawn", False),
        ("withdrawn", "granted", False),
        ("pending", None, False),
        ("pending", "granted", True),
        ("denied", None, False),
    ],
)
def test_marketing_needs_a_grant_of_the_whole_or_of_the_topic(
    whole: Grant | None, part: Grant | None, allowed: bool
) -> None:
    person = Person("p")
    if whole:
        fold(person, ConsentChange("marketing", whole), at=1, source="x")
    if part:
        fold(person, ConsentChange("marketing", part, "deals"), at=1, source="x")
    assert permits(person, "marketing", PROGRAM, topic="deals", now=2) is allowed


@given(st.lists(st.tuples(st.sampled_from(GRANTS), st.integers(0, 3)), min_size=1, max_size=4))
def test_the_order_of_arrival_does_not_matter_and_withdrawal_wins_at_equal_times(
    changes: list[tuple[Grant, int]],
) -> None:
    ends = set()
    for order in permutations(changes):
        person = Person("p")
        for grant, at in order:
            fold(person, ConsentChange("marketing", grant), at=at, source="x")
        ends.add(tuple(person.consent["marketing"][:2]))
    assert len(ends) == 1
    newest = max(at for _, at in changes)
    if ("withdrawn", newest) in changes:
        assert ends == {("withdrawn", newest)}
