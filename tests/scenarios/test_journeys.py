"""Journeys: what happens and when, as data in ``journeys/*.toml``; see :mod:`tailor.flows.prove`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailor.flows.prove import Scenario, prove, scenarios
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled

FILES = sorted(Path(__file__).with_name("journeys").glob("*.toml"))


def cases() -> Iterator[Any]:
    for file in FILES:
        document = tomllib.loads(file.read_text())
        compiled = Compiled(Program.of([document.pop("program")]))
        for scenario in scenarios(document):
            yield pytest.param(scenario, compiled, id=f"{file.stem}: {scenario.title}")


@pytest.mark.parametrize(("scenario", "compiled"), [*cases()])
def test_it_happens_as_it_is_said_to(scenario: Scenario, compiled: Compiled) -> None:
    assert prove(scenario, compiled) == []
