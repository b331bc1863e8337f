"""``view`` is the only way to read a person: who gets hold of one, and what they may do with it.

The walk is strict by default: a module that reads a person's attributes and is not named here with its reason fails.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_floors import HANDLERS, MODULES, ROOT, imports, named

PERSONAL = ("attributes", "history", "orders", "purchases")
"""Fields of a person of which a purpose may be permitted nothing."""
NO_PERSON = {"view", "seen", "program", "_program", "vocabulary", "known", "found", "again"}
"""Names that hold a view, the catalogue, or a recount of events, and never a person."""

PAST_THE_GATE = {
    "kernel/person.py": "is the person",
    "kernel/program.py": "speaks of the catalogue, not of anybody",
    "rules/consent.py": "is the gate",
    "rules/policy.py": "asks the country which law holds, before any purpose can be permitted",
    "rules/profile.py": "writes what events say, and forgets",
    "rules/identity.py": "makes one person of two",
    "rules/recount.py": "counts the same events again",
    "rules/journeys.py": "writes the attributes a journey sets",
    "flows/export.py": "hands a person everything of theirs",
    "flows/show.py": "shows a person to who may see them, without what is sensitive or undeclared",
    "flows/render.py": "names, without their values, what the gate kept back",
    "flows/why_not.py": "tells who asks which events a rule has counted",
    "rules/bounces.py": "counts how often mail came back",
    "rules/joining.py": "makes one person of two, and two of one",
    "rules/likeness.py": "compares names and addresses, to find who is there twice",
    "rules/quality/portrait.py": "measures how well profiles are filled",
}
"""Module → why it reads a person past the gate."""
READERS = (
    "rules/templates.py",
    "rules/dressing.py",
    "rules/guard.py",
    "rules/mailjinja.py",
    "rules/reading.py",
    "rules/operators.py",
    "rules/traits.py",
    "rules/deeds.py",
    "rules/moments.py",
    "rules/node.py",
    "rules/formula.py",
    "rules/comparisons.py",
    "rules/segments.py",
    "rules/codegen.py",
)
"""What renders letters and decides rules: no person ever comes into their hands, only a view of one."""


def place(path: Path) -> str:
    """``rules/consent.py``, or from the root for what is no part of the package."""
    return named(path).removeprefix("layers/core/tailor/")


def reads(path: Path) -> Iterator[str]:
    """Where a module reads personal fields of what may be a person."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Attribute) or node.attr not in PERSONAL:
            continue
        base = node.value
        if isinstance(base, ast.Call):
            base = base.func
        name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else "?"
        if name.lstrip("_") not in {known.lstrip("_") for known in NO_PERSON}:
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", [*MODULES, *HANDLERS], ids=named)
def test_nobody_reads_a_person_but_through_the_gate(path: Path) -> None:
    if place(path) not in PAST_THE_GATE:
        assert not list(reads(path)), "read view(person, purpose, program, now=now) instead"


@pytest.mark.parametrize("module", PAST_THE_GATE)
def test_who_goes_past_the_gate_still_does(module: str) -> None:
    assert list(reads(ROOT / "layers" / "core" / "tailor" / module)), "take it out of PAST_THE_GATE"


@pytest.mark.parametrize("module", READERS)
def test_what_renders_and_decides_never_holds_a_person(module: str) -> None:
    known = set(imports(ROOT / "layers" / "core" / "tailor" / module))
    assert "tailor.kernel.person.Person" not in known
    assert not [name for name in known if name.startswith(("tailor.edges", "tailor.flows"))]


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name in ("sources", "sinks")], ids=named)
def test_shelves_hold_no_person_and_cannot_load_one(path: Path) -> None:
    known = set(imports(path))
    assert "tailor.kernel.person.Person" not in known
    assert not [name for name in known if name.startswith(("tailor.edges.store", "tailor.flows"))]


def test_letters_are_rendered_from_a_view_wherever_they_are() -> None:
    rendered = 0
    for path in [p for p in MODULES if p.parent.name == "flows"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "render":
                first = ast.unparse(node.args[0]) if node.args else ""
                rendered += 1
                assert first == "seen" or "view" in first, f"{named(path)} line {node.lineno} renders from {first}"
    assert rendered
