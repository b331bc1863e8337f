from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import NEVER
from tailor.kernel.program import Program
from tailor.rules.comparisons import COMPARISONS, WHERE_COMPARISONS
from tailor.rules.consent import View
from tailor.rules.node import COUNT, Operator
from tailor.rules.operators import OPERATORS
from tailor.rules.reading import DEPTH, SIZE
from tailor.rules.segments import compile_rule

NOW = 1_750_000_000_000
PROGRAM = Program.of(
    [
        {
            "name": "shop",
            "topics": {"deals": {"title": "Deals"}, "parcels": {"title": "Parcels", "purpose": "service"}},
            "attributes": {
                "anything": {"type": "map"},
                "religion": {"class": "sensitive"},
                "shoe_size": {"purposes": ["service"]},
            },
            "segments": {"buyers": {"rule": {"did": "Order Completed"}}},
        }
    ]
)
NOBODY = View({}, {}, {})


def holds(rule: Any, **attributes: Any) -> bool:
    member, until = compile_rule(rule, PROGRAM).holds(View(attributes, {}, {}), now=NOW)
    assert until == NEVER
    return member


def refused(rule: Any, pointer: str, *, below: str = "") -> str:
    with pytest.raises(Rejected) as caught:
        compile_rule(rule, PROGRAM, pointer=below)
    assert caught.value.pointer == below + pointer
    return caught.value.detail


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_every_operator_has_examples_that_compile_answer_and_read_as_english(operator: Operator) -> None:
    assert operator.examples
    assert operator.says.endswith(".")
    for example in operator.examples:
        assert operator.key in example
        rule = compile_rule(example, PROGRAM)
        assert rule.holds(NOBODY, now=NOW)[0] in (True, False)
        reason = rule.explain(NOBODY, now=NOW)
        assert (reason.holds, reason.until) == rule.holds(NOBODY, now=NOW)
        assert reason.operator == operator.key
        assert " " in rule.sentence
        assert not set(rule.sentence) & set("{}_") - set(json.dumps(example))
        json.dumps(reason.to_json())


def test_no_argument_is_called_as_another_operator_is() -> None:
    for operator in OPERATORS.values():
        assert {*operator.keys} & OPERATORS.keys() == {operator.key}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_every_operator_refuses_an_argument_it_does_not_have_and_names_the_nearest(operator: Operator) -> None:
    assert "did you mean" in refused({**operator.examples[0], f"{operator.key}s": 1}, f"/{operator.key}s")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"attribute": "country", "in": ["FR", "BE"]}, 'country is one of "FR", "BE"'),
        ({"attribute": "city", "exists": False}, "city is not known"),
        ({"did": "Product Viewed", "within": "48h"}, 'did "Product Viewed" in the last 48h'),
        ({"did_not": "Email Opened"}, 'did not do "Email Opened"'),
        (
            {"count": "Order Completed", "at_least": 2, "where": {"total": {"gt": 50}}, "within": "30d"},
            'did "Order Completed" where total is more than 50 at least 2 times in the last 30d',
        ),
        (
            {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"},
            'did "Product Viewed" and then for 48h or more not "Order Completed"',
        ),
        ({"consent": "marketing", "topic": "deals"}, 'may be served "marketing" on the topic "deals"'),
        (
            {"all": [{"segment": "buyers"}, {"any": [{"did": "A"}, {"not": {"did": "B"}}]}]},
            'is in the segment "buyers" and (did "A" or not: did "B")',
        ),
    ],
)
def test_a_rule_reads_as_an_english_sentence(rule: Any, sentence: str) -> None:
    assert compile_rule(rule, PROGRAM).sentence == sentence


@pytest.mark.parametrize(
    ("comparison", "wanted", "fits", "differs"),
    [
        ("eq", "FR", ["FR"], ["fr", "", 1, True, None, ["FR"], {"FR": 1}]),
        ("eq", 1, [1, 1.0], [True, "1", 2, None, [1]]),
        ("eq", 0, [0, 0.0, -0.0], [False, "", None, []]),
        ("eq", True, [True], [1, "true", False, None]),
        ("ne", "FR", ["DE", 1, True, []], ["FR", None]),
        ("ne", 1, [True, 2, "1"], [1, 1.0, None]),
        ("in", ["FR", "BE"], ["BE"], ["B", 1, None, ["FR"], {}]),
        ("in", [1, "x", False], [1.0, "x", False], [True, 0, "1", None, [1], {}]),
        ("contains", "out", [["out", 1], "outdoor"], ["ou", ["outdoor"], None, 1, {"out": 1}]),
        ("contains", 1, [[1], ["x", 1.0]], [[True], "1", 1, None]),
        ("contains", True, [[True]], [[1], True, "True"]),
        ("lt", 5, [4, 4.9, -1], [5, "4", True, None, []]),
        ("le", 5, [5, 5.0], [5.1, False, "5"]),
        ("gt", 0.5, [1, 0.6], [0.5, True, "1"]),
        ("ge", "2024-01-01", ["2024-01-01", "2024-05"], ["2023-12-31", 2025, None]),
        ("starts", "out", ["out", "outdoor"], ["ou", "about", ["outdoor"], None, 1]),
        ("ends", "door", ["door", "outdoor"], ["doors", ["door"], None, True]),
        ("between", [1, 5], [1, 5, 2.5], [0.9, 5.1, True, "3", None, [3]]),
        ("between", ["a", "c"], ["a", "bz", "c"], ["ca", "A", 1, None]),
        ("exists", True, [0, "", False, []], [None]),
        ("exists", False, [None], [0, "", False, []]),
    ],
)
def test_comparisons_are_typed(comparison: str, wanted: Any, fits: list[Any], differs: list[Any]) -> None:
    rule = {"attribute": "anything", comparison: wanted}
    assert [value for value in fits if not holds(rule, anything=value)] == []
    assert [value for value in differs if holds(rule, anything=value)] == []


def test_every_comparison_says_no_to_an_attribute_that_is_missing_but_exists_false() -> None:
    wanted = {"scalar": "x", "scalars": ["x"], "ordered": 0, "boolean": True, "text": "x", "pair": [0, 1]}
    rules = [{"attribute": "anything", one.key: wanted[one.wanted]} for one in COMPARISONS.values()]
    assert [rule for rule in rules if holds(rule)] == []
    assert holds({"attribute": "anything", "exists": False})


SCALARS = st.one_of(st.booleans(), st.integers(-2, 2), st.floats(-2, 2), st.sampled_from(["", "a", "ab", "é\ud800"]))
VALUES = st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(max_size=1), SCALARS))


@given(st.sampled_from(WHERE_COMPARISONS), SCALARS, VALUES)
def test_properties_of_events_compare_as_attributes_do(key: str, scalar: Any, value: Any) -> None:
    wanted = [scalar] if key == "in" else [scalar, scalar] if key == "between" else scalar
    if key in ("lt", "le", "gt", "ge", "between") and isinstance(scalar, bool):
        return
    if key in ("starts", "ends") and (not isinstance(scalar, str) or not scalar):
        return
    (one,) = compile_rule({"did": "E", "where": {"p": {key: wanted}}}, PROGRAM).tallies
    assert one.matches({"p": value}) == holds({"attribute": "anything", key: wanted}, anything=value)


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({"category": "tents"}, True),
        ({"category": "boots"}, False),
        ({"category": "tents", "price": {"ge": 100, "lt": 200}}, True),
        ({"category": "tents", "price": {"ge": 100, "lt": 150}}, False),
        ({"products.category": "boots"}, True),
        ({"products.category": {"ne": "boots"}}, True),
        ({"products.category": "shoes"}, False),
        ({"products.tags": {"contains": "new"}}, True),
        ({"products.tags": "new"}, False),
        ({"products": "boots"}, False),
        ({"utm.source": "mail"}, True),
        ({"category.name": "tents"}, False),
        ({"missing": {"ne": 1}}, False),
        ({"nothing": {"ne": 1}}, False),
    ],
)
def test_where_looks_into_lists_and_objects(where: dict[str, Any], matches: bool) -> None:
    (one,) = compile_rule({"did": "Order Completed", "where": where}, PROGRAM).tallies
    assert one.event == "Order Completed"
    properties = {
        "category": "tents",
        "price": 150.0,
        "products": [{"category": "poles"}, {"category": "boots", "tags": ["new", "red"]}, "junk", None],
        "utm.source": "mail",
        "nothing": None,
    }
    assert one.matches(properties) is matches
    assert not one.matches({})


def test_the_same_filter_has_the_same_key_in_whatever_order_it_is_written() -> None:
    one = compile_rule({"did": "E", "where": {"a": 1, "b": {"gt": 1, "lt": 2}}}, PROGRAM)
    two = compile_rule({"did_not": "E", "where": {"b": {"lt": 2, "gt": 1}, "a": 1}}, PROGRAM)
    other = compile_rule({"did": "E", "where": {"a": True, "b": {"gt": 1, "lt": 2}}}, PROGRAM)
    assert one.tallies == two.tallies != other.tallies
    assert one.tallies[0].key.startswith("E?")


@pytest.mark.parametrize(
    ("rule", "pointer", "says"),
    [
        (None, "", "a rule is text, or an object"),
        ([], "", "a rule is text, or an object"),
        ({}, "", "a rule has one of these keys"),
        ({"did_nt": "A"}, "", "did you mean 'did_not'"),
        ({"did": "A", "count": "B"}, "", "several operators"),
        ({"did": "A", "withn": "1h"}, "/withn", "did you mean 'within'"),
        ({"did": " "}, "/did", "the name of an event"),
        ({"did": "A", "within": "soon"}, "/within", "'48h'"),
        ({"did": "A", "within": 3600}, "/within", "'48h'"),
        ({"did": "A", "within": "0h"}, "/within", "more than nothing"),
        ({"did": "A", "within": "999999w"}, "/within", "at most 36500d"),
        ({"attribute": "country"}, "", "exactly one of eq, ne"),
        ({"attribute": "country", "eq": "FR", "ne": "DE"}, "", "exactly one of eq, ne"),
        ({"attribute": "contry", "eq": "FR"}, "/attribute", "did you mean 'country'"),
        ({"attribute": "religion", "eq": "x"}, "/attribute", "sensitive"),
        ({"attribute": "shoe_size", "eq": 40}, "/attribute", "add that to its 'purposes'"),
        ({"attribute": "country", "eq": None}, "/eq", "'exists': false"),
        ({"attribute": "country", "eq": 10**400}, "/eq", "sane size"),
        ({"attribute": "country", "eq": float("nan")}, "/eq", "sane size"),
        ({"attribute": "country", "in": []}, "/in", "1 to 1000 values"),
        ({"attribute": "country", "in": ["FR", ["BE"]]}, "/in/1", "write text"),
        ({"attribute": "country", "lt": True}, "/lt", "write text or a number"),
        ({"attribute": "country", "exists": 1}, "/exists", "true or false"),
        ({"count": "A"}, "", "exactly one of at_least, at_most, exactly"),
        ({"count": "A", "at_least": 0}, "", "begin at 1"),
        ({"count": "A", "at_least": True}, "/at_least", "whole number"),
        ({"count": "A", "at_most": COUNT + 1}, "/at_most", f"from 0 to {COUNT}"),
        ({"did_then_not": ["A"], "within": "1h"}, "/did_then_not", "two names"),
        ({"did_then_not": ["A", 1], "within": "1h"}, "/did_then_not/1", "the name of an event"),
        ({"did_then_not": ["A", "B"]}, "", "needs 'within'"),
        ({"did": "A", "where": {}}, "/where", "1 to 20 properties"),
        ({"did": "A", "where": {"a/b": {"like": 1}}}, "/where/a~1b/like", "is none of eq, ne"),
        ({"did": "A", "where": {"p": {"exists": True}}}, "/where/p/exists", "is none of eq, ne"),
        ({"did": "A", "where": {"p": [1]}}, "/where/p", "write text"),
        ({"did": "A", "where": {"p": {}}}, "/where/p", "one or more of"),
        ({"consent": "marketting"}, "/consent", "did you mean 'marketing'"),
        ({"consent": "marketing", "topic": "deal"}, "/topic", "did you mean 'deals'"),
        ({"consent": "marketing", "topic": "parcels"}, "", "belongs to the purpose 'service'"),
        ({"segment": "buyer"}, "/segment", "did you mean 'buyers'"),
        ({"all": []}, "/all", "one or more rules"),
        ({"any": {"did": "A"}}, "/any", "one or more rules"),
        ({"not": [{"did": "A"}]}, "/not", "a rule is text, or an object"),
        ({"all": [{"did": "A"}, {"any": [{"not": {"did": ""}}]}]}, "/all/1/any/0/not/did", "the name of an event"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place_and_how_to_mend_it(rule: Any, pointer: str, says: str) -> None:
    assert says in refused(rule, pointer)


def test_an_attribute_may_be_read_only_for_a_purpose_it_serves() -> None:
    rule = {"attribute": "shoe_size", "eq": 40}
    assert compile_rule(rule, PROGRAM, purpose="service").holds(View({"shoe_size": 40}, {}, {}), now=NOW)[0]
    assert "'personalization'" in refused(rule, "/attribute")


def test_pointers_begin_where_the_caller_says() -> None:
    assert "an event" in refused({"not": {"did": 1}}, "/not/did", below="/journeys/j/exit_when")


def test_rules_may_be_nested_as_deep_as_said_and_no_deeper() -> None:
    rule: dict[str, Any] = {"did": "A"}
    for _ in range(DEPTH - 1):
        rule = {"not": rule}
    assert holds(rule) is True
    assert "deep" in refused({"not": rule}, "/not" * DEPTH)


def test_rules_may_be_as_long_as_said_and_no_longer() -> None:
    parts = [{"attribute": "country", "eq": f"C{n}"} for n in range(SIZE - 1)]
    assert holds({"any": parts}, country="C400")
    assert "parts" in refused({"any": [*parts, {"did": "A"}]}, f"/any/{SIZE - 1}")


def test_segments_that_double_each_other_are_refused_before_they_grow() -> None:
    leaf = {"did": "A"}
    segments = {"s0": {"rule": leaf}} | {
        f"s{n}": {"rule": {"all": [{"segment": f"s{n - 1}"}] * 20}} for n in range(1, 6)
    }
    program = Program.of([{"name": "x", "segments": segments}])
    with pytest.raises(Rejected, match="with the segments it names"):
        compile_rule({"segment": "s5"}, program)


NAMES = ["'", '"); raise SystemExit #', "a\nb", "\\", "é\ud800", "now", "{x}", "__import__", "E?x"]


@pytest.mark.parametrize("text", NAMES)
def test_text_of_users_is_never_code(text: str) -> None:
    program = Program.of([{"name": "x", "attributes": {text: {}}}])
    rule = {
        "all": [
            {"attribute": text, "eq": text},
            {"attribute": text, "in": [text, 1]},
            {"did": text, "within": "1h", "where": {text: text}},
            {"did_then_not": [text, f"{text}!"], "within": "1h"},
        ]
    }
    compiled = compile_rule(rule, program)
    (one,) = compiled.tallies
    assert one.matches({text: text})
    view = View({text: text}, {text: [1, [NOW - 3_600_000]], one.key: [1, [NOW - 1_000]]}, {})
    assert compiled.holds(view, now=NOW) == (True, NOW - 1_000 + 3_600_000)


KEYS = [*OPERATORS, *(key for operator in OPERATORS.values() for key in operator.keys), *COMPARISONS, "x"]
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.sampled_from(["country", "A", "48h", "marketing", "deals", "buyers", "/"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON)
def test_garbage_is_refused_with_a_pointer_into_it_or_compiles(raw: Any) -> None:
    try:
        rule = compile_rule(raw, PROGRAM)
    except Rejected as error:
        place = raw
        for step in error.pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            place = place[int(key)] if isinstance(place, list) else place[key]
    else:
        rule.explain(NOBODY, now=NOW)
