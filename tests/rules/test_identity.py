from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.event import ConsentChange, Identifier
from tailor.kernel.identification import Identification
from tailor.kernel.person import Person
from tailor.rules.consent import fold
from tailor.rules.identity import identifier, merge, ordered
from tailor.rules.stitching import together


@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        ("email", "  Ada@Example.COM ", "ada@example.com"),
        ("email", "not an address", None),
        ("email", "a@b", None),
        ("email", "x@y.com\r\nBcc: z@y.com", None),
        ("email", "Test@Test.com", None),
        ("email", "none@none.com", None),
        ("email", "ada@test.com", "ada@test.com"),
        ("phone", "+49 (170) 123-4567", "+491701234567"),
        ("phone", "0170 1234567", None),
        ("user_id", 9007199254740993, "9007199254740993"),
        ("user_id", "null", None),
        ("user_id", "", None),
        ("user_id", True, None),
        ("user_id", 1.5, None),
        ("anonymous_id", "undefined", None),
        ("anonymous_id", " a-1 ", "a-1"),
    ],
)
def test_normal_forms(kind: str, value: object, normal: str | None) -> None:
    one = identifier(kind, value)
    assert (one.value if one else None) == normal


def test_identifiers_are_ordered_by_strength_and_once_each() -> None:
    found = ordered(
        [
            Identifier("anonymous_id", "a"),
            None,
            Identifier("email", "e"),
            Identifier("user_id", "u"),
            Identifier("email", "e"),
        ]
    )
    assert [one.kind for one in found] == ["user_id", "email", "anonymous_id"]


def test_two_user_ids_are_two_people_and_two_addresses_are_not() -> None:
    person = Person("p", identifiers={"user_id": ["u-1"], "email": ["a@x.com"]})
    assert together(person.identifiers, {"user_id": ["u-2"]}, Identification()) == "user_id"
    assert together(person.identifiers, {"user_id": ["u-1"], "email": ["b@x.com"]}, Identification()) == ""


PEOPLE = st.builds(
    lambda id, facts, events, grant, at: _person(id, facts, events, grant, at),
    st.sampled_from(["p_1", "p_2"]),
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3),
    st.lists(st.tuples(st.sampled_from("XY"), st.integers(0, 50)), max_size=10),
    st.sampled_from(["granted", "withdrawn"]),
    st.integers(0, 3),
)


def _person(id: str, facts: dict[str, tuple[int, int]], events: list[tuple[str, int]], grant: str, at: int) -> Person:
    person = Person(id, attributes={n: v for n, (v, _) in facts.items()}, written={n: t for n, (_, t) in facts.items()})
    for name, when in events:
        person.count(name, when)
    fold(person, ConsentChange("marketing", grant), at=at, source="x")  # type: ignore[arg-type]
    return person


@given(PEOPLE, PEOPLE)
def test_a_merge_knows_what_both_knew_whoever_takes_in_whom(one: Person, other: Person) -> None:
    there, back = merge(one, other, {}), merge(other, one, {})
    assert there.history == back.history
    assert there.consent == back.consent
    assert there.written == back.written
    assert sum(count for count, _ in there.history.values()) == sum(
        count for person in (one, other) for count, _ in person.history.values()
    )


def test_a_merge_changes_neither_of_the_two() -> None:
    one, other = Person("p_1", identifiers={"email": ["a@x.com"]}), Person("p_2", identifiers={"email": ["b@x.com"]})
    merged = merge(one, other, {})
    assert merged.email() == "a@x.com"
    assert sorted(merged.identifiers["email"]) == ["a@x.com", "b@x.com"]
    assert (one.identifiers, other.identifiers) == ({"email": ["a@x.com"]}, {"email": ["b@x.com"]})
    assert merged.aliases == ["p_2"]
