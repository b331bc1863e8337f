"""Rules as text: the equal of the JSON form, both ways, and errors that point at the character."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program
from tailor.rules.operators import OPERATORS
from tailor.rules.segments import compile_rule, compile_segments
from tailor.rules.wording import LONGEST, parse, write

PROGRAM = Program.of(
    [
        {
            "name": "shop",
            "topics": {"deals": {"title": "Deals"}},
            "attributes": {
                "age": {"type": "number"},
                "city.kind": {},
                "address": {"type": "map"},
                "values": {"type": "list"},
                "did": {},
                "weird name": {},
            },
            "segments": {"buyers": {"rule": 'did "Order Completed"'}},
        }
    ]
)
EXAMPLES = [example for operator in OPERATORS.values() for example in operator.examples]


def refused(text: str) -> str:
    with pytest.raises(Rejected) as caught:
        compile_rule(text, PROGRAM, pointer="/here")
    assert caught.value.pointer == "/here"
    return caught.value.detail


@pytest.mark.parametrize("rule", EXAMPLES, ids=json.dumps)
def test_every_example_of_every_operator_is_the_same_as_text(rule: Any) -> None:
    text = write(rule)
    assert parse(text)[0] == rule
    assert compile_rule(text, PROGRAM).node.formula == compile_rule(rule, PROGRAM).node.formula


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            'did "Product Viewed" within 48h and not did "Order Completed" within 48h',
            {
                "all": [
                    {"did": "Product Viewed", "within": "48h"},
                    {"not": {"did": "Order Completed", "within": "48h"}},
                ]
            },
        ),
        (
            (
                'age between 25 and 35 and city.kind = "urban" and interests contains "sustainable fashion" '
                'and values contains "eco"'
            ),
            {
                "all": [
                    {"attribute": "age", "between": [25, 35]},
                    {"attribute": "city.kind", "eq": "urban"},
                    {"attribute": "interests", "contains": "sustainable fashion"},
                    {"attribute": "values", "contains": "eco"},
                ]
            },
        ),
        (
            'did "A" or did "B" and not did "C"',
            {"any": [{"did": "A"}, {"all": [{"did": "B"}, {"not": {"did": "C"}}]}]},
        ),
        ('(did "A" or did "B") and did "C"', {"all": [{"any": [{"did": "A"}, {"did": "B"}]}, {"did": "C"}]}),
        ('DID "A" AND Not did "B"', {"all": [{"did": "A"}, {"not": {"did": "B"}}]}),
        ('all (did "A")', {"all": [{"did": "A"}]}),
        ('attribute did = "yes"', {"attribute": "did", "eq": "yes"}),
        ('attribute "weird name" exists', {"attribute": "weird name", "exists": True}),
        ('address.street starts with "High"', {"attribute": "address.street", "starts": "High"}),
        ("order_count ≥ 3", {"attribute": "order_count", "ge": 3}),
        ('did "A" exactly 1 time within 1d12h', {"count": "A", "exactly": 1, "within": "1d12h"}),
        (
            'did "A" within 7d where (price > 5 and price <= 10 and "odd/name" = true)',
            {"did": "A", "within": "7d", "where": {"price": {"gt": 5, "le": 10}, "odd/name": True}},
        ),
        ('did "A" where category = "x" and did "B"', {"all": [{"did": "A", "where": {"category": "x"}}, {"did": "B"}]}),
    ],
)
def test_text_means_what_it_says(text: str, rule: Any) -> None:
    assert parse(text)[0] == rule
    assert parse(write(rule))[0] == rule
    compile_rule(text, PROGRAM)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "character 1: expected"),
        ('didd "A"', "character 1: 'didd' begins no rule; did you mean 'did'?"),
        ("did A", 'character 5: write text in quotes: "A"'),
        ("country = FR", 'character 11: write text in quotes: "FR"'),
        ('contry = "FR"', "character 1: there is no attribute 'contry'"),
        ('did "A" and contry = "FR"', "character 13: there is no attribute 'contry': declare it under 'attributes'; "),
        ('did "A" withn 3d', "character 9: expected"),
        ('did "A" withn 3d', "did you mean 'within'?"),
        ('did "A" within 3', "character 16: expected a duration such as 48h or 30d"),
        ('did "A" within 0h', "character 16: write a duration of more than nothing"),
        ('did "A" annd did "B"', "did you mean 'and'?"),
        ('did "A" and', "character 12: expected"),
        ('(did "A"', "character 9: expected"),
        ('did "A")', "character 8: expected"),
        ("did 'A'", 'character 5: write text as "…"'),
        ('did "A', 'character 5: write text as "…"'),
        ('did "\\x"', "character 6: text is written as in JSON"),
        ('did "A" at least 0 times', "character 1: 'at_least' 0 always holds"),
        ('did "A" at least 900 times', "character 18: write a whole number from 0 to 200"),
        ('did "A" where (p > 1 and p > 2)', "character 30: 'p' is compared twice by '>'"),
        ('not did "A" and in segment buyer', "character 28: there is no segment 'buyer'; did you mean 'buyers'?"),
        ('did "A" where (utm.source in ("a", 1.5e40))', "character 16: write text, a number of sane size"),
        ("country = 5 $", "character 13: '$' has no meaning here"),
        ("within 50 km of (91, 2)", "character 18: write a latitude"),
        ("consent marketing on deal", "character 22: there is no topic 'deal'; did you mean 'deals'?"),
        ('did "A" then nott "B" within 2h', 'character 14: write text in quotes: "nott"'),
        ("rfm recncy >= 4", "character 5: 'recncy' is none of recency, frequency, monetary; did you mean 'recency'?"),
        ("country = " + "(" * 500, "character 11: expected text in quotes"),
        ("(" * 500, "character 42: rules may not be nested more than 40 deep"),
        ("not " * 500, "character 165: rules may not be nested more than 40 deep"),
        ("x" * (LONGEST + 1), f"a rule has at most {LONGEST} characters"),
    ],
)
def test_an_error_points_at_the_character_and_names_what_is_nearest(text: str, says: str) -> None:
    assert says in refused(text)


def test_text_may_stand_wherever_a_rule_may() -> None:
    program = Program.of(
        [
            {
                "name": "x",
                "segments": {
                    "a": {"rule": 'did "A"'},
                    "b": {"rule": {"all": ["in segment a", {"not": 'country = "FR"'}]}},
                },
            }
        ]
    )
    assert compile_segments(program).rules["b"].sentence == 'is in the segment "a" and not: country is "FR"'
    broken = Program.of([{"name": "x", "segments": {"b": {"rule": {"all": ['did "A"', "did A"]}}}}])
    with pytest.raises(Rejected) as caught:
        compile_segments(broken)
    assert caught.value.pointer == "/segments/b/rule/all/1"
    assert caught.value.detail.startswith("character 5: ")


LEAVES = st.sampled_from(EXAMPLES)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_what_is_written_is_read_back(rule: Any) -> None:
    text = write(rule)
    assert parse(text)[0] == rule
    assert write(parse(text)[0]) == text


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.floats(-1e9, 1e9))
def test_names_and_values_of_any_characters_survive(name: str, value: str, number: float) -> None:
    rule = {
        "all": [
            {"attribute": name, "eq": value},
            {"did": name, "where": {name: {"in": [value, number, True]}, f"{name}!": value}},
            {"segment": name},
            {"sum": name, "of": value, "ge": number},
        ]
    }
    assert parse(write(rule))[0] == rule


WORDS = str.split('did "A" B 48h within not and or ( ) , country = 3 between where at least')


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_words_are_a_rule_or_an_error_with_a_character(words: list[str]) -> None:
    text = " ".join(words)
    detail = ""
    try:
        compile_rule(text, PROGRAM)
    except Rejected as error:
        detail = error.detail
    if detail:
        told, _, _ = detail.removeprefix("character ").partition(":")
        assert 1 <= int(told) <= len(text) + 1
