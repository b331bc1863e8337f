"""The bench of segments counts what it says it counts."""

from __future__ import annotations

from bench import bars, population, rule_library, segments
from tailor.rules.compiled import Compiled


def test_the_clock_is_written_seldom_and_the_same_in_every_run() -> None:
    compiled = Compiled(population.program(50))
    counted = segments.due_writes(compiled, 20)
    assert counted == segments.due_writes(compiled, 20)
    assert bars.bar_of("due_writes_per_event_50").holds(counted)


def test_the_rules_can_be_said_to_the_library_they_are_compared_with() -> None:
    lists: dict[str, str] = {}
    rule = {
        "all": [
            {"attribute": "country", "in": ["FR"]},
            {"any": [{"count": "A", "at_least": 2, "within": "1d"}, {"not": {"attribute": "age", "ge": 30}}]},
            {"did_then_not": ["A", "B"], "within": "1h"},
        ]
    }
    assert rule_library._rule(rule, lists) == (
        '((a.country != null and a.country in ["FR"]) and '
        "((len(t.e0) >= 2 and t.e0[1] > now - 86400000) or (not (a.age != null and a.age >= 30))) and "
        "(len(t.e0) > 0 and t.e0[0] <= now - 3600000 and (len(t.e1) == 0 or t.e1[0] < t.e0[0])))"
    )
    assert lists == {"A": "e0", "B": "e1"}
