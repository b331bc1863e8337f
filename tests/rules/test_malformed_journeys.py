"""Journeys that cannot be right are refused, with the place and a hint; as data in ``malformed_journeys.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailor.flows.publish import Faulty, check
from tailor.kernel.journey import Window
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled

BOOK = tomllib.loads(Path(__file__).with_name("malformed_journeys.toml").read_text())


def programme(journey: Any) -> dict[str, Any]:
    return {**BOOK["program"], "journeys": {**BOOK["program"]["journeys"], "tried": journey}}


def test_journeys_that_start_each_other_without_a_wait_are_refused() -> None:
    there = {**BOOK["right"], "steps": [{"send": "hello"}, {"start": "there-and-back"}]}
    with pytest.raises(Faulty) as refused:
        check(programme(there), [])
    (fault,) = refused.value.faults
    assert fault.pointer == "/journeys/there-and-back/steps/0/start"
    assert "'tried' leads back to 'there-and-back' without a wait: put a 'wait'" in fault.detail


def test_who_comes_back_after_a_wait_may() -> None:
    there = {**BOOK["right"], "steps": [{"send": "hello"}, {"wait": "1h"}, {"start": "there-and-back"}]}
    Compiled(Program.of([programme(there)]))


@pytest.mark.parametrize(
    ("time_zone", "hint"), [("Europe/Berln", "did you mean 'Europe/Berlin'?"), ("../etc", "write it as 'Europe/Paris'")]
)
def test_a_time_zone_that_is_none_is_refused(time_zone: str, hint: str) -> None:
    with pytest.raises(Faulty) as refused:
        check({**programme(BOOK["right"]), "calendar": {"time_zone": time_zone}}, [])
    assert refused.value.faults[0].pointer == "/calendar/time_zone"
    assert hint in refused.value.faults[0].detail


def minutes(window: Window) -> set[int]:
    """The minutes of a week at which a window is open, counted one by one."""
    length = (window.end - window.start) % 1_440
    return {(day * 1_440 + window.start + m) % 10_080 for day in window.weekdays for m in range(length)}


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start, end = draw(st.lists(st.integers(0, 47), min_size=2, max_size=2, unique=True))
    return Window(start * 30, end * 30, frozenset(draw(st.sets(st.integers(0, 6), min_size=1))))


@given(windows(), windows())
def test_a_window_lies_in_another_where_it_has_no_minute_of_its_own(one: Window, other: Window) -> None:
    assert one.lies_in(other) == (minutes(one) <= minutes(other))


def test_a_window_that_quiet_hours_never_let_open_is_refused() -> None:
    journey = {**BOOK["right"], "window": {"from": "22:00", "until": "23:00"}}
    night = {"calendar": {"quiet": {"from": "21:00", "until": "08:00"}}}
    with pytest.raises(Faulty) as refused:
        check({**programme(journey), **night}, [])
    assert refused.value.faults[0].pointer == "/journeys/tried/window"
    check({**programme({**journey, "window": {"from": "20:59", "until": "23:00"}}), **night}, [])


@pytest.mark.parametrize("key", ["a b", "a/b", "a#b", ""])
def test_a_key_that_is_no_name_is_refused(key: str) -> None:
    with pytest.raises(Faulty) as refused:
        check({**BOOK["program"], "journeys": {key: BOOK["right"]}}, [])
    assert "the key of a journey has letters, digits" in refused.value.faults[0].detail


def test_what_the_cases_change_is_right_by_itself() -> None:
    Compiled(Program.of([programme(BOOK["right"])]))


@pytest.mark.parametrize("case", BOOK["case"], ids=[case["title"] for case in BOOK["case"]])
def test_it_is_refused_at_its_place_with_a_hint(case: dict[str, Any]) -> None:
    journey = {**BOOK["right"], **case.get("change", {})}
    for name in case.get("without", []):
        del journey[name]
    with pytest.raises(Faulty) as refused:
        check(programme(journey), [])
    (fault,) = refused.value.faults
    assert fault.pointer == f"/journeys/tried{case['pointer']}"
    assert case["says"] in fault.detail
