"""Everybody at once answers as one after the other."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lives import END, LEAVES, START, leaf, program, rule, story
from tailor.kernel.instants import NEVER
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.consent import view
from tailor.rules.crowd import Crowd
from tailor.rules.segments import compile_rule
from tailor.rules.step import step


@pytest.mark.parametrize("seed", range(4))
def test_columns_and_compiled_code_answer_alike(seed: int) -> None:
    random = Random(seed)
    compiled = program([*(leaf(random, key) for key in LEAVES), *(rule(random) for _ in range(60))])
    people = []
    for number in range(40):
        events = [one.event for one in story(random) if one.event is not None]
        people.append(step(Person(f"p_{number}"), events, compiled, now=END)[0])
    formulas = [one.node.formula for one in compiled.segments.rules.values()]
    for now in (START + (END - START) // 3, END):
        views = [view(person, "personalization", compiled.program, now=now) for person in people]
        answers = Crowd(views).decide(formulas, now=now)
        for index, seen in enumerate(views):
            decisions = compiled.segments.decide(lambda _, seen=seen: seen, now=now)
            assert decisions.members == tuple(bool(members[index]) for members, _ in answers)
            # The code may stop at the first reason, so that it may promise less; never more than is so.
            told = [NEVER if untils is None else int(untils[index]) for _, untils in answers]
            assert all(soon <= late for soon, late in zip(decisions.untils, told, strict=True))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(0, 2), st.floats(0, 2), st.sampled_from(["", "a", "1"]),
    st.lists(st.one_of(st.sampled_from("ab"), st.integers(0, 1), st.booleans()), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 1), max_size=1),
)  # fmt: skip


@given(st.lists(VALUES, min_size=1, max_size=12), st.sampled_from([1, True, "a", "1", 0]))
def test_different_values_are_told_apart(values: list[object], wanted: object) -> None:
    known = Program.of([{"name": "x", "attributes": {"x": {}}}])
    people = [Person("p", attributes={} if value is None else {"x": value}) for value in values]
    views = [view(person, "personalization", known, now=0) for person in people]
    for comparison in ("eq", "ne", "contains"):
        one = compile_rule({"attribute": "x", comparison: wanted}, known)
        ((members, until),) = Crowd(views).decide([one.node.formula], now=0)
        assert until is None
        assert members.tolist() == [one.holds(seen, now=0)[0] for seen in views]
        assert members.dtype == np.bool_
