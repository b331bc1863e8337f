"""Rules that are wrong, as data: each is refused with its place and a reason, and nothing else happens.

A line of ``malformed.jsonl`` holds a rule, as an object or as text, the place of the fault (a JSON pointer, or the
character counted from 1) and how the reason begins. Add a line to add a case.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailor.kernel.errors import Rejected
from tailor.kernel.program import Program
from tailor.rules.segments import compile_rule
from tailor.rules.wording import LONGEST

CASES = [json.loads(line) for line in Path(__file__).with_name("malformed.jsonl").read_text().splitlines()]
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


def refused(rule: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        compile_rule(rule, PROGRAM)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["rule"])[:60])
def test_a_malformed_rule_is_refused_with_its_place_and_a_reason(case: dict[str, Any]) -> None:
    fault = refused(case["rule"])
    assert fault.status in (400, 422)
    if "character" in case:
        assert fault.detail.startswith(f"character {case['character']}: {case['says']}")
    else:
        assert fault.pointer == case["pointer"]
        assert fault.detail.startswith(case["says"])


def test_there_are_three_hundred() -> None:
    assert len({json.dumps(case["rule"], sort_keys=True) for case in CASES}) >= 300


@pytest.mark.parametrize(
    "rule",
    [
        "(" * LONGEST,
        "not " * (LONGEST // 4),
        'did "A" and ' * (LONGEST // 13) + 'did "A"',
        '"' + "\\" * (LONGEST - 2),
        "1" * LONGEST,
        "a." * (LONGEST // 2),
        f"country in ({', '.join(['1'] * 5_000)})",
        {"any": [{"did": "A"}] * 100_000},
        {"did": "A", "where": {"." * 2_000: 1}},
        {"did": "A" * 1_001},
        {"did": "A", "within": "1" * 100_000 + "h"},
        {"attribute": "country", "in": ["x"] * 1_001},
    ],
    ids=lambda rule: str(rule)[:20],
)
def test_what_is_too_long_or_too_deep_is_refused_too(rule: Any) -> None:
    assert refused(rule).detail
