"""Code from fixed source texts.

What a user wrote enters as constants of the syntax tree, never as the text of a program.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

_GLOBALS: dict[str, Any] = {"__builtins__": {"type": type, "len": len}}
for _type in (str, int, float, bool, list):
    _GLOBALS[_type.__name__] = _type
# Given to every node as it is made: filling it in afterwards takes a third of the time of compiling.
_PLACE: dict[str, Any] = {"lineno": 1, "col_offset": 0}


def name(text: str) -> ast.Name:
    """A variable; only for names made by our own code."""
    return ast.Name(text, ast.Load(), **_PLACE)


def const(value: object) -> ast.Constant:
    """A value as it is; the one way for users' values into code."""
    return ast.Constant(value, **_PLACE)  # type: ignore[arg-type]  # typeshed leaves out frozenset


def joined(sign: ast.boolop, values: list[ast.expr]) -> ast.expr:
    """The values joined by ``and`` or ``or``."""
    return values[0] if len(values) == 1 else ast.BoolOp(sign, values, **_PLACE)


def choice(test: ast.expr, then: list[ast.stmt], otherwise: Sequence[ast.stmt] = ()) -> ast.stmt:
    """An ``if`` statement."""
    return ast.If(test, then, list(otherwise), **_PLACE)


def row(values: list[ast.expr]) -> ast.expr:
    """A tuple."""
    return ast.Tuple(values, ast.Load(), **_PLACE)


def answer(values: list[ast.expr]) -> ast.stmt:
    """Return a tuple."""
    return ast.Return(row(values), **_PLACE)


def stamp(source: str, **parts: ast.expr) -> list[ast.stmt]:
    """The statements of ``source``, a text fixed in our own code, with the names in ``parts`` replaced."""
    return [_copy(statement, parts) for statement in _parsed(source)]


def stamped(source: str, **parts: ast.expr) -> ast.expr:
    """:func:`stamp` for a single expression."""
    (statement,) = stamp(source, **parts)
    assert isinstance(statement, ast.Expr)  # noqa: S101  # our own sources only
    return statement.value


def function(arguments: Sequence[str], body: Sequence[ast.stmt], **known: Any) -> Callable[..., Any]:
    """A function of ``arguments``; beside them it can name only ``known`` and the plain types."""
    (definition,) = stamp("def made(): pass")
    assert isinstance(definition, ast.FunctionDef)  # noqa: S101
    definition.args = ast.arguments(args=[ast.arg(argument, **_PLACE) for argument in arguments])
    definition.body = list(body)
    space = {**_GLOBALS, **known}
    exec(compile(ast.Module([definition], []), "<rule>", "exec"), space)  # noqa: S102  # see the module docstring
    made: Callable[..., Any] = space["made"]
    return made


@cache
def _parsed(source: str) -> list[ast.stmt]:
    return ast.parse(source).body


def _copy(node: Any, parts: dict[str, ast.expr]) -> Any:
    if isinstance(node, ast.Name) and (part := parts.get(node.id)) is not None:
        return ast.Name(part.id, node.ctx, **_PLACE) if isinstance(part, ast.Name) else part
    if isinstance(node, (ast.expr, ast.stmt)):
        return type(node)(*[_copy(getattr(node, field), parts) for field in node._fields], **_PLACE)
    return [_copy(item, parts) for item in node] if isinstance(node, list) else node
