"""Eligibility: every reason a letter may not leave, in their order, and when it may."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop import SHOP
from tailor.kernel.instants import DAY, HOUR, NEVER, parse_instant
from tailor.kernel.journey import Calendar, Window
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.eligibility import GO, Terms, Verdict, capped, count, decide, when

NOON = parse_instant("2026-11-24T12:00:00Z")
NIGHT = parse_instant("2026-11-24T22:30:00Z")
MORNING = parse_instant("2026-11-25T08:00:00Z")


def program(**parts: Any) -> Program:
    return Program.of([{**deepcopy(SHOP), **parts}])


QUIET = {"calendar": {"quiet": {"from": "21:00", "until": "08:00"}}}
ONE_A_DAY = {"caps": {"daily": {"most": 1, "within": "24h"}}}


def ada(**parts: Any) -> Person:
    who = {"identifiers": {"email": ["ada@example.com"]}, "consent": {"marketing": ["granted", 1, "segment"]}}
    return Person("p_ada", 1, **{**who, **parts})


def owed(template: str = "come-back", **more: Any) -> dict[str, Any]:
    return {"message": "m_1", "journey": template, "template": template, **more}


def test_nothing_in_the_way() -> None:
    assert decide(ada(), owed(), program(), suppressed=None, now=NOON) == GO


OBSTACLES: list[tuple[str, str, dict[str, Any]]] = [
    ("template-gone", "letter", {"template": "gone"}),
    ("holdout", "letter", {"skip": "holdout"}),
    ("no-email", "person", {"identifiers": {}}),
    ("suppressed: Email Complained", "address", {"suppressed": "Email Complained"}),
    ("no-consent: marketing:deals", "person", {"consent": {}}),
    ("late", "letter", {"not_after": NIGHT - 1}),
    ("capped: daily", "person", {"letters": {"m_0": [NIGHT - HOUR, "deals"]}}),
    ("quiet-hours", "person", {}),
]
"""In the order of the module's table: the reason, and what brings it about at night."""


@pytest.mark.parametrize("first", range(len(OBSTACLES)), ids=[why for why, _, _ in OBSTACLES])
def test_the_first_reason_is_the_answer_whatever_else_is_wrong(first: int) -> None:
    wrong: dict[str, dict[str, Any]] = {"letter": {}, "person": {}, "address": {"suppressed": None}}
    for _, part, change in OBSTACLES[first:]:
        wrong[part].update(change)
    letter = {**owed(), **wrong["letter"]}
    verdict = decide(ada(**wrong["person"]), letter, program(**QUIET, **ONE_A_DAY), **wrong["address"], now=NIGHT)
    assert verdict.why == OBSTACLES[first][0]
    assert verdict.later == (verdict.why == "quiet-hours")


def test_at_night_a_letter_waits_for_the_morning() -> None:
    verdict = decide(ada(), owed(), program(**QUIET), suppressed=None, now=NIGHT)
    assert verdict == Verdict("quiet-hours", MORNING)
    assert decide(ada(), owed(), program(**QUIET), suppressed=None, now=MORNING) == GO


def test_a_letter_that_would_be_late_by_the_morning_is_late_now() -> None:
    verdict = decide(ada(), owed(not_after=MORNING - 1), program(**QUIET), suppressed=None, now=NIGHT)
    assert verdict == Verdict("late")
    on_time = decide(ada(), owed(not_after=MORNING), program(**QUIET), suppressed=None, now=NIGHT)
    assert on_time == Verdict("quiet-hours", MORNING)


def test_transactional_letters_know_neither_night_nor_caps() -> None:
    crowded = ada(letters={"m_0": [NIGHT - HOUR, ""]})
    receipt = owed("receipt")
    assert decide(crowded, receipt, program(**QUIET, **ONE_A_DAY), suppressed=None, now=NIGHT) == GO


def test_the_night_is_that_of_the_person() -> None:
    in_auckland = ada(attributes={"time_zone": "Pacific/Auckland"})
    at = parse_instant("2026-11-24T09:00:00Z")  # 22:00 there
    verdict = decide(in_auckland, owed(), program(**QUIET), suppressed=None, now=at)
    assert verdict == Verdict("quiet-hours", parse_instant("2026-11-24T19:00:00Z"))


def test_a_window_inside_the_quiet_hours_never_opens() -> None:
    nights = Terms(Window(22 * 60, 23 * 60), Calendar("UTC", Window(21 * 60, 8 * 60)))
    template = program().templates["come-back"]
    assert when(ada(), "m_1", template, nights, program(), now=NOON) == Verdict("no-window")


def test_a_patient_letter_waits_until_the_cap_leaves_room() -> None:
    made = program(**ONE_A_DAY)
    person = ada(letters={"m_0": [NOON - HOUR, "deals"]})
    verdict = when(person, "m_1", made.templates["come-back"], Terms(patient=True), made, now=NOON)
    assert verdict == Verdict("capped: daily", NOON - HOUR + DAY)
    later = when(person, "m_1", made.templates["come-back"], Terms(patient=True), made, now=verdict.at)
    assert later == GO


def test_a_cap_of_a_topic_counts_that_topic_alone() -> None:
    made = program(caps={"deals": {"most": 1, "within": "7d", "topic": "deals"}})
    template = made.templates["come-back"]
    other = ada(letters={"m_0": [NOON - HOUR, "news"]})
    same = ada(letters={"m_0": [NOON - HOUR, "deals"]})
    assert capped(other, "m_1", template, made, now=NOON) == ("", NOON)
    assert capped(same, "m_1", template, made, now=NOON) == ("deals", NOON - HOUR + 7 * DAY)


def test_two_letters_that_a_merge_brought_together_do_not_give_way_to_each_other() -> None:
    made = program(**ONE_A_DAY)
    person = ada(letters={"m_1": [NOON - HOUR, "deals"], "m_2": [NOON - HOUR, "deals"]})
    verdicts = {
        message: decide(person, {**owed(), "message": message}, made, suppressed=None, now=NOON).why
        for message in person.letters
    }
    assert verdicts == {"m_1": "", "m_2": "capped: daily"}


@given(
    st.lists(st.integers(0, 40 * HOUR), max_size=30),
    st.integers(1, 4),
    st.integers(1, 30).map(lambda hours: hours * HOUR),
)
def test_no_window_ever_holds_more_than_a_cap_allows(asked: list[int], most: int, within: int) -> None:
    made = program(caps={"cap": {"most": most, "within": f"{within // HOUR}h"}})
    template, person, sent = made.templates["come-back"], ada(), list[int]()
    for index, at in enumerate(sorted(NOON + offset for offset in asked)):
        verdict = when(person, f"m_{index}", template, Terms(), made, now=at)
        if not verdict.why:
            count(person, f"m_{index}", template, made, now=at)
            sent.append(at)
        else:
            assert sum(one > at - within for one in sent) == most, "a cap that leaves room refuses nobody"
        patient = when(person, f"m_{index}", template, Terms(patient=True), made, now=at)
        assert patient.at == NEVER or sum(one > patient.at - within for one in sent) < most
    for at in sent:
        assert sum(at - within < one <= at for one in sent) <= most
