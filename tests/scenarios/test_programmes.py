"""The programmes that lie ready: right, without warnings, at peace with each other, and true to their scenarios."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailor.cli import programme
from tailor.flows.prove import Scenario, prove, scenarios
from tailor.flows.publish import check
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "events" / "programs").glob("*/program.toml"))
READY = {"abandoned-cart", "birthday", "cross-sell", "viewed-not-bought", "welcome", "win-back"}


def cases() -> Iterator[Any]:
    for folder in FOLDERS:
        compiled = Compiled(Program.of([programme.read(folder)]))
        for file in sorted((folder / "scenarios").glob("*.toml")):
            for scenario in scenarios(tomllib.loads(file.read_text())):
                yield pytest.param(scenario, compiled, id=f"{folder.name}: {scenario.title}")


@pytest.mark.parametrize(("scenario", "compiled"), [*cases()])
def test_it_happens_as_it_is_said_to(scenario: Scenario, compiled: Compiled) -> None:
    assert prove(scenario, compiled) == []


@pytest.mark.parametrize("name", sorted(READY))
def test_a_ready_programme_has_scenarios_and_nothing_to_be_warned_of(name: str) -> None:
    (folder,) = [folder for folder in FOLDERS if folder.name == name]
    assert list((folder / "scenarios").glob("*.toml"))
    _, warnings = check(programme.read(folder), [])
    assert warnings == []


def test_all_of_them_can_be_in_force_at_once() -> None:
    Compiled(Program.of([programme.read(folder) for folder in FOLDERS]))
