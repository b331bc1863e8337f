"""Who may know of what; the import contracts in ``pyproject.toml`` cover packages, this covers the rest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TAILOR = ROOT / "layers" / "core" / "tailor"

PURE = ("kernel", "rules", "sources")
HOT = ("ingest", "absorb", "refresh", "relay", "send", "track", "consent")


def imports(path: Path) -> Iterator[str]:
    """Modules a file imports, at its top or inside a function; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def attributes(path: Path) -> Iterator[str]:
    """``a.b`` for every attribute taken of a plain name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def named(path: Path) -> str:
    """How a failing test calls a file."""
    return str(path.relative_to(ROOT))


MODULES = sorted(TAILOR.rglob("*.py"))
PURE_MODULES = [path for floor in PURE for path in sorted((TAILOR / floor).rglob("*.py"))]
HANDLERS = sorted((ROOT / "functions").rglob("*.py"))


@pytest.mark.parametrize("path", PURE_MODULES, ids=named)
def test_kernel_rules_and_sources_know_no_machine(path: Path) -> None:
    machine = {"os", "time", "socket", "subprocess", "asyncio", "threading", "random", "secrets", "pathlib"}
    assert not {name.partition(".")[0] for name in imports(path)} & machine


@pytest.mark.parametrize("path", PURE_MODULES, ids=named)
def test_kernel_rules_and_sources_have_no_clock(path: Path) -> None:
    assert not {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"} & set(attributes(path))


@pytest.mark.parametrize("path", HANDLERS, ids=named)
def test_a_function_reaches_aws_only_through_the_edges(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & {"boto3", "botocore", "os"}


@pytest.mark.parametrize("path", [path for path in HANDLERS if path.parent.name in HOT], ids=named)
def test_a_hot_function_starts_light(path: Path) -> None:
    heavy = {"pydantic", "requests", "aws_xray_sdk", "rapidfuzz"}
    assert not {name.partition(".")[0] for name in imports(path)} & heavy


def test_one_module_reads_the_environment() -> None:
    readers = {path for path in MODULES if {"os.environ", "os.getenv"} & {*attributes(path), *imports(path)}}
    assert {path for path in readers if path.parent.name != "cli"} == {TAILOR / "edges" / "runtime.py"}


@pytest.mark.parametrize("shelf", ["sources"])
def test_shelves_know_nothing_of_each_other(shelf: str) -> None:
    leaves = {path.stem for path in (TAILOR / shelf).glob("*.py")} - {"__init__"}
    for leaf in leaves:
        known = set(imports(TAILOR / shelf / f"{leaf}.py"))
        others = {f"tailor.{shelf}.{other}" for other in leaves - {leaf}}
        assert not [name for name in known for other in others if name == other or name.startswith(f"{other}.")]
