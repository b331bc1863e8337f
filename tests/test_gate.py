"""``view`` is the only way to read a person.

Three nets, one behind the other: types (mypy with :mod:`mypy_gate` goes over every module in ``make test``; here it is
held to finding what it must), the import graph (what renders and decides cannot even get hold of a person), and a whole
life with somebody looking on, for what no type tells.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest

from marked import a_life_in_every_store
from mypy_gate import ADDRESS, CORE, OF_ADDRESS, OF_PROFILE, PROFILE, may
from tailor.kernel.person import Person
from test_floors import HANDLERS, MODULES, ROOT, imports, named
from world import World

READERS = (
    *("templates", "dressing", "guard", "mailjinja", "reading", "recommending", "operators", "traits", "deeds"),
    *("moments", "node", "formula", "comparisons", "segments", "codegen"),
)
"""What renders letters and decides rules: no person ever comes into their hands, only a view of one."""
TRICKS = """
from dataclasses import asdict
from operator import attrgetter

from tailor.kernel.person import Person


def tricks(found: Person, people: list[Person], either: Person | None) -> None:
    again = seen = view = known = found
    print(found.attributes["city"])
    print(seen.history)
    print(again.identifiers, known.orders)
    print(getattr(view, "purchases"))
    print(asdict(found))
    print(vars(found))
    print(repr(found))
    print([one.written for one in people])
    print(*map(attrgetter("attributes"), people))
    print(*map(lambda one: one.voices, people))
    print(either and either.email())
    print(found.pack())
    match found:
        case Person(attributes=kept):
            print(kept)
"""
"""Each line that reads a person must be found, whatever the person is called in it."""


def findings(text: str, folder: Path) -> set[int]:
    """Lines of a module in which the types' net finds somebody read."""
    module = folder / "trick.py"
    module.write_text(text)
    asked = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(folder / "cache"), str(module)]
    said = subprocess.run([sys.executable, "-m", "mypy", *asked], cwd=ROOT, capture_output=True, text=True).stdout
    assert "trick.py" in said, said
    return {int(line) for line in re.findall(r"trick\.py:(\d+): error:", said)}


def test_whatever_they_are_called_who_is_read_past_the_gate_is_found(tmp_path: Path) -> None:
    reads = [n for n, line in enumerate(TRICKS.splitlines(), 1) if "print(" in line or "case " in line]
    reads = [n for n in reads if "print(kept)" not in TRICKS.splitlines()[n - 1]]
    assert findings(TRICKS, tmp_path) == set(reads)


@pytest.mark.parametrize("path", [*MODULES, *HANDLERS], ids=named)
def test_no_module_talks_the_types_out_of_it(path: Path) -> None:
    assert "ignore[gate" not in path.read_text()


@pytest.mark.parametrize(
    ("module", "members"),
    [*((module, OF_PROFILE) for module in PROFILE), *((module, OF_ADDRESS) for module in ADDRESS)],
    ids=lambda part: part if isinstance(part, str) else "profile" if part is OF_PROFILE else "address",
)
def test_who_goes_past_the_gate_still_does(module: str, members: frozenset[str]) -> None:
    taken = {node.attr for node in ast.walk(ast.parse((CORE / module).read_text())) if isinstance(node, ast.Attribute)}
    assert taken & members or module == "kernel/person.py", "take it out of local/mypy_gate.py"


def test_the_gate_is_the_only_way_from_what_renders_and_decides_to_a_person() -> None:
    graph = grimp.build_graph("tailor")
    readers = [f"tailor.rules.{name}" for name in READERS]
    assert any(graph.find_shortest_chain(reader, "tailor.kernel.person") for reader in readers)
    graph.remove_module("tailor.rules.consent")
    # It enters what rules count when an event comes, and is asked by nobody for anything.
    graph.remove_import(importer="tailor.rules.tallies", imported="tailor.kernel.person")
    assert [graph.find_shortest_chain(reader, "tailor.kernel.person") for reader in readers] == [None] * len(readers)
    for floor in ("edges", "flows", "cli"):
        above = {module for module in graph.modules if module.startswith(f"tailor.{floor}")}
        assert not above & set().union(*(graph.find_upstream_modules(reader) for reader in readers))


def test_a_person_is_unpacked_by_the_stores_alone() -> None:
    def unpacks(path: Path) -> bool:
        taken = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        return any(node.attr == "unpack" and ast.unparse(node.value) == "Person" for node in taken)

    assert {named(path) for path in (*MODULES, *HANDLERS) if unpacks(path)} == {
        "layers/core/tailor/edges/store.py",
        "layers/core/tailor/edges/duplicates.py",
    }


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name == "sources"], ids=named)
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


class Watched:
    """A field, or a method, of a person, that remembers which modules took it."""

    def __init__(self, kept: Any, member: str, took: set[tuple[str, str]]) -> None:
        self._kept, self._member, self._took = kept, member, took

    def __get__(self, person: Person | None, owner: type[Person]) -> Any:
        if person is None:
            return self
        asker = Path(sys._getframe(1).f_code.co_filename)
        if asker.is_relative_to(ROOT / "layers") or asker.is_relative_to(ROOT / "functions"):
            self._took.add((str(asker), self._member))
        return self._kept.__get__(person, owner)

    def __set__(self, person: Person, value: Any) -> None:
        self._kept.__set__(person, value)


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """``(file, member)`` of whatever is taken of a person from now on."""
    seen: set[tuple[str, str]] = set()
    for member in (*OF_PROFILE, *OF_ADDRESS):
        monkeypatch.setattr(Person, member, Watched(Person.__dict__[member], member, seen))
    return seen


def past_the_gate(took: set[tuple[str, str]]) -> Iterator[str]:
    for file, member in sorted(took):
        if not may(file, member):
            yield f"{named(Path(file))} read {member!r}"


def test_in_a_life_through_every_store_nobody_reads_past_the_gate(shop: World, took: set[tuple[str, str]]) -> None:
    a_life_in_every_store(shop)
    assert list(past_the_gate(took)) == []
    read = {Path(file).relative_to(CORE).as_posix() for file, _ in took}
    assert {"rules/consent.py", "rules/profile.py", "flows/export.py", "flows/deliver.py"} <= read


@pytest.mark.parametrize(
    "read",
    [
        lambda person: person.attributes,
        lambda person: getattr(person, "history"),  # noqa: B009
        lambda person: __import__("operator").attrgetter("orders")(person),
        lambda person: vars(Person)["purchases"].__get__(person, Person),
        lambda person: person.email(),
    ],
)
def test_who_looks_on_sees_what_no_type_tells(
    read: Callable[[Any], Any], took: set[tuple[str, str]], tmp_path: Path
) -> None:
    code = read.__code__.replace(co_filename=str(CORE / "flows" / "trick.py"))
    type(read)(code, globals())(Person("p_1"))
    assert len(list(past_the_gate(took))) == 1
