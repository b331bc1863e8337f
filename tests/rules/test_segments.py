from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.errors import Rejected
from tailor.kernel.instants import DAY, HOUR, NEVER
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules import segments as segments_module
from tailor.rules.consent import STRICTNESS, View, permits, view
from tailor.rules.segments import KEPT, SegmentSet, compile_rule, compile_segments

NOW = 1_750_000_000_000
EMPTY = View({}, {}, {})


def program(_segments: dict[str, Any] | None = None, **sections: Any) -> Program:
    segments = {key: {"rule": rule} for key, rule in (_segments or {}).items()}
    return Program.of([{"name": "shop", "segments": segments, **sections}])


def decided(segments: SegmentSet, seen: View, changed: set[str] | None = None) -> dict[str, tuple[bool, int]]:
    return {key: (member, until) for key, member, until in segments.decide(lambda _: seen, changed, now=NOW)}


def happened(*times: int) -> list[Any]:
    return [len(times), sorted(times, reverse=True)]


SHOP = program(
    {
        "french": {"attribute": "country", "eq": "FR"},
        "buyers": {"did": "Order Completed"},
        "warm": {"did": "Product Viewed", "within": "2d"},
        "lost-view": {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"},
        "tents": {"count": "Product Viewed", "at_least": 2, "where": {"category": "tents"}},
        "reachable": {"all": [{"consent": "marketing"}, {"segment": "french"}]},
    }
)


def test_all_segments_are_decided_with_the_instant_at_which_time_could_change_them() -> None:
    viewed = NOW - 47 * HOUR
    seen = View({"country": "FR"}, {"Product Viewed": happened(viewed)}, {"marketing": ["granted", 1, "x"]})
    assert decided(compile_segments(SHOP), seen) == {
        "french": (True, NEVER),
        "buyers": (False, NEVER),
        "warm": (True, viewed + 2 * DAY),
        "lost-view": (False, viewed + 2 * DAY),
        "tents": (False, NEVER),
        "reachable": (True, NEVER),
    }


@pytest.mark.parametrize(
    ("changed", "concerned"),
    [
        (set(), set()),
        ({"Page Viewed", "@city"}, set()),
        ({"Order Completed"}, {"buyers", "lost-view"}),
        ({"Product Viewed"}, {"warm", "lost-view", "tents"}),
        ({"@country"}, {"french", "reachable"}),
        ({"@country", "Order Completed", "@city"}, {"french", "reachable", "buyers", "lost-view"}),
        ({"~consent"}, {"french", "buyers", "warm", "lost-view", "tents", "reachable"}),
    ],
)
def test_only_segments_that_read_what_changed_are_decided(
    changed: set[str], concerned: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments_module, "COMPILING", 2)
    segments = compile_segments(SHOP)
    seen = View({"country": "FR"}, {"Product Viewed": happened(NOW - DAY)}, {})
    everything = decided(segments, seen)
    for _ in range(20):
        assert decided(segments, seen, changed) == {key: everything[key] for key in concerned}


def test_any_number_of_different_changes_is_decided_alike() -> None:
    names = [f"E{n}" for n in range(12)]
    segments = compile_segments(program({name: {"did": name} for name in names}))
    seen = View({}, {"E3": happened(NOW)}, {})
    for number in range(1, 2 * KEPT):
        changed = {name for bit, name in enumerate(names) if number >> bit & 1}
        assert decided(segments, seen, changed) == {name: (name == "E3", NEVER) for name in changed}


def test_a_segment_sees_only_what_its_purpose_may() -> None:
    shop = Program.of(
        [
            {
                "name": "shop",
                "segments": {
                    "letters": {"rule": {"did": "Order Completed"}, "purpose": "marketing"},
                    "cut": {"rule": {"attribute": "country", "eq": "FR"}},
                },
            }
        ]
    )
    person = Person("p", attributes={"country": "FR"}, history={"Order Completed": happened(NOW)})

    def members() -> set[str]:
        decisions = compile_segments(shop).decide(lambda purpose: view(person, purpose, shop, now=NOW), now=NOW)
        return {key for key, member, _ in decisions if member}

    assert members() == {"cut"}
    person.consent["marketing"] = ["granted", 1, "x"]
    assert members() == {"cut", "letters"}
    person.consent["personalization"] = ["denied", 1, "x"]
    assert members() == {"letters"}


def test_rules_say_which_counters_and_how_many_timestamps_they_need() -> None:
    segments = compile_segments(
        program(
            {
                "few": {"count": "A", "at_least": 16, "within": "1d"},
                "many": {"count": "A", "at_most": 30, "within": "1d"},
                "ever": {"count": "B", "at_least": 100},
                "tents": {"count": "C", "exactly": 20, "within": "1d", "where": {"category": "tents"}},
                "boots": {"any": [{"did": "C", "where": {"category": "boots"}}, {"segment": "tents"}]},
            }
        )
    )
    tents, boots = segments.tallies["C"]
    assert set(segments.tallies) == {"C"}
    assert segments.rings == {"A": 31, tents.key: 21}
    assert tents.matches({"category": "tents"})
    assert not boots.matches({"category": "tents"})


def test_a_rule_beside_the_segments_says_so_too() -> None:
    rule = compile_rule(
        {"all": [{"count": "A", "at_least": 40, "within": "1h"}, {"attribute": "city", "exists": True}]}, SHOP
    )
    assert rule.rings == {"A": 40}
    assert rule.reads == {"A", "@city"}


def test_filtered_leaves_count_only_what_fits() -> None:
    segments = compile_segments(SHOP)
    (tents,) = segments.tallies["Product Viewed"]
    many = {"Product Viewed": happened(1, 2, 3)}
    assert decided(segments, View({}, many, {}))["tents"] == (False, NEVER)
    assert decided(segments, View({}, {**many, tents.key: happened(1, 2)}, {}))["tents"] == (True, NEVER)


@pytest.mark.parametrize(
    ("viewed", "bought", "expected"),
    [
        (NOW - 2 * DAY, None, (True, NEVER)),
        (NOW - 2 * DAY + 1, None, (False, NOW + 1)),
        (NOW - 3 * DAY, NOW - 3 * DAY - 1, (True, NEVER)),
        (NOW - 3 * DAY, NOW - 3 * DAY, (False, NEVER)),
        (NOW - 3 * DAY, NOW - DAY, (False, NEVER)),
        (None, NOW - DAY, (False, NEVER)),
        (NOW + HOUR, None, (False, NOW + HOUR + 2 * DAY)),
    ],
)
def test_viewed_and_not_bought_flips_at_its_instant(
    viewed: int | None, bought: int | None, expected: tuple[bool, int]
) -> None:
    rule = compile_rule({"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"}, SHOP)
    history = {
        name: happened(at) for name, at in (("Product Viewed", viewed), ("Order Completed", bought)) if at is not None
    }
    assert rule.holds(View({}, history, {}), now=NOW) == expected


def test_a_window_is_left_at_its_very_end() -> None:
    rule = compile_rule({"did": "A", "within": "1h"}, SHOP)
    seen = View({}, {"A": happened(NOW)}, {})
    assert rule.holds(seen, now=NOW + HOUR - 1) == (True, NOW + HOUR)
    assert rule.holds(seen, now=NOW + HOUR) == (False, NEVER)


@pytest.mark.parametrize("together", ["all", "any"])
def test_a_list_promises_the_longest_time_that_is_certain(together: str) -> None:
    seen = View({}, {"A": happened(NOW), "B": happened(NOW)}, {})
    within = [{"did": "A", "within": "3h"}, {"did": "B", "within": "1h"}, {"did": "A", "within": "2h"}]
    alike, opposite = ("all", "any") if together == "all" else ("any", "all")
    first = {"all": NOW + HOUR, "any": NOW + 3 * HOUR}[together]
    assert compile_rule({alike: within}, SHOP).holds(seen, now=NOW) == (True, first)
    assert compile_rule({"not": {alike: within}}, SHOP).holds(seen, now=NOW) == (False, first)
    none = [{"not": one} for one in within]
    assert compile_rule({opposite: none}, SHOP).holds(seen, now=NOW) == (False, first)


def test_what_is_settled_for_ever_outlasts_what_is_not() -> None:
    seen = View({"country": "FR"}, {"A": happened(NOW)}, {})
    warm, french, viewed = {"did": "A", "within": "3h"}, {"attribute": "country", "eq": "FR"}, {"did": "B"}
    assert compile_rule({"any": [warm, french]}, SHOP).holds(seen, now=NOW) == (True, NEVER)
    assert compile_rule({"all": [{"not": warm}, viewed]}, SHOP).holds(seen, now=NOW) == (False, NEVER)
    assert compile_rule({"all": [{"not": warm}, {**viewed, "within": "1h"}]}, SHOP).holds(seen, now=NOW) == (
        False,
        NEVER,
    )


def test_segments_that_name_each_other_in_a_circle_are_refused_by_name() -> None:
    shop = program({"a": {"not": {"segment": "b"}}, "b": {"all": [{"segment": "c"}]}, "c": {"segment": "b"}})
    with pytest.raises(Rejected, match="b → c → b") as caught:
        compile_segments(shop)
    assert caught.value.code == "cycle"


def test_what_is_wrong_in_a_segment_is_found_at_its_place() -> None:
    with pytest.raises(Rejected) as caught:
        compile_segments(program({"a/b": {"all": [{"did": "A"}, {"did": "B", "within": "x"}]}}))
    assert caught.value.pointer == "/segments/a~1b/rule/all/1/within"


def test_a_segment_lends_no_attribute_to_a_purpose_that_may_not_read_it() -> None:
    shop = Program.of(
        [
            {
                "name": "shop",
                "segments": {
                    "outdoor": {"rule": {"attribute": "interests", "contains": "outdoor"}},
                    "letters": {"rule": {"not": {"segment": "outdoor"}}, "purpose": "marketing"},
                },
            }
        ]
    )
    with pytest.raises(Rejected, match="'outdoor' cannot be used here") as caught:
        compile_segments(shop)
    assert (caught.value.pointer, caught.value.code) == ("/segments/letters/rule/not/segment", "not-permitted")


def test_a_program_without_segments_decides_nothing() -> None:
    segments = compile_segments(program())
    assert decided(segments, EMPTY) == {}
    assert decided(segments, EMPTY, {"Order Completed"}) == {}


CHOICES = st.dictionaries(
    st.sampled_from(["marketing", "marketing:deals", "marketing:news", "service", "service:parcels"]),
    st.sampled_from(sorted(STRICTNESS)).map(lambda grant: [grant, 1, "form"]),
)


@given(CHOICES)
def test_consent_in_a_rule_means_what_the_gate_means(choices: dict[str, list[Any]]) -> None:
    shop = program(topics={"deals": {"title": "Deals"}, "parcels": {"title": "Parcels", "purpose": "service"}})
    person = Person("p", consent=choices)
    for purpose, topic in (("marketing", ""), ("marketing", "deals"), ("service", ""), ("service", "parcels")):
        rule = compile_rule({"consent": purpose, **({"topic": topic} if topic else {})}, shop)
        expected = permits(person, purpose, shop, topic=topic, now=NOW)
        assert rule.holds(View({}, {}, choices), now=NOW) == (expected, NEVER)


def test_an_explanation_names_the_first_rule_that_fails_and_what_it_saw() -> None:
    rule = compile_rule({"all": [{"did": "Product Viewed"}, {"segment": "buyers"}, {"segment": "french"}]}, SHOP)
    seen = View({"country": "DE"}, {"Product Viewed": happened(5, 7), "Order Completed": [1, [6]]}, {})
    reason = rule.explain(seen, now=NOW)
    failing = reason.first_failing()
    assert failing is not None
    assert (failing.sentence, failing.seen) == ('country is "FR"', {"country": "DE"})
    assert [part.holds for part in reason.parts] == [True, True, False]
    assert reason.parts[0].seen == {"Product Viewed": {"count": 2, "newest": [7]}}
    assert rule.explain(View({"country": "FR"}, seen.history, {}), now=NOW).first_failing() is None


def test_where_no_alternative_holds_all_of_them_are_to_blame() -> None:
    rule = compile_rule(
        {"all": [{"did": "A"}, {"any": [{"did": "B"}, {"did": "C"}]}, {"not": {"all": [{"did": "A"}]}}]}, SHOP
    )
    reason = rule.explain(View({}, {"A": happened(1)}, {}), now=NOW)
    failing = reason.first_failing()
    assert failing is not None
    assert failing.sentence == 'did "B" or did "C"'
    assert reason.parts[2].first_failing() is reason.parts[2]


def test_an_explanation_in_json_has_null_for_never() -> None:
    rule = compile_rule({"not": {"did": "A", "within": "1h"}}, SHOP)
    assert rule.explain(View({}, {"A": happened(NOW)}, {}), now=NOW).to_json() == {
        "operator": "not",
        "sentence": 'not: did "A" in the last 1h',
        "holds": False,
        "until": NOW + HOUR,
        "seen": {},
        "parts": [
            {
                "operator": "did",
                "sentence": 'did "A" in the last 1h',
                "holds": True,
                "until": NOW + HOUR,
                "seen": {"A": {"count": 1, "newest": [NOW]}},
                "parts": [],
            }
        ],
    }
    assert rule.explain(EMPTY, now=NOW).to_json()["until"] is None
