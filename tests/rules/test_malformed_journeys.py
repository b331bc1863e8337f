"""Journeys that cannot be right are refused, with the place and a hint; as data in ``malformed_journeys.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tailor.flows.publish import Faulty, check
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled

BOOK = tomllib.loads(Path(__file__).with_name("malformed_journeys.toml").read_text())


def programme(journey: Any) -> dict[str, Any]:
    return {**BOOK["program"], "journeys": {**BOOK["program"]["journeys"], "tried": journey}}


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
