"""Comparisons of one value with a wanted one, as code, for attributes of people and properties of events alike.

They are typed: text is never a number and ``true`` is never 1; what does not fit is false, never an error. A missing
value (``None``) fulfils nothing but ``{"exists": false}``: what is not known is not known to differ.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tailor.rules.codegen import const, function, name, stamp, stamped

WantedKind = Literal["scalar", "scalars", "ordered", "boolean", "text", "pair"]
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way to compare.

    ``wanted``: what it takes (``scalar`` is text, a number or a boolean, ``scalars`` a list of those, ``ordered`` text
    or a number, ``pair`` two of those); ``phrase``: English of it; ``source``: wanted → source of an expression over
    ``value`` and ``kind``, its type, with the constant ``wanted``; ``sign``: how the text form writes it.
    """

    key: str
    wanted: WantedKind
    phrase: Callable[[Any], str]
    source: Callable[[Any], str]
    sign: str


def _equal(wanted: Scalar) -> str:
    if isinstance(wanted, bool):
        return "value is wanted"
    return "value == wanted and kind is not bool" if wanted in (0, 1) else "value == wanted"


def _contains(wanted: Scalar) -> str:
    return (
        "(kind is str or kind is list) and wanted in value"
        if isinstance(wanted, str)
        else "kind is list and among(wanted, value)"
    )


def _one_of(wanted: tuple[Scalar, ...]) -> str:
    if _texts(wanted):
        return "kind is str and value in wanted"
    return "value is not None and among(value, wanted)"


def _texts(wanted: tuple[Scalar, ...]) -> bool:
    return all(isinstance(one, str) for one in wanted)


def _ordered(sign: str) -> Callable[[Any], str]:
    def source(wanted: str | float) -> str:
        fits = "kind is str" if isinstance(wanted, str) else "(kind is int or kind is float)"
        return f"{fits} and value {sign} wanted"

    return source


def _between(wanted: tuple[str | float, str | float]) -> str:
    fits = "kind is str" if isinstance(wanted[0], str) else "(kind is int or kind is float)"
    return f"{fits} and wanted[0] <= value <= wanted[1]"


def _phrase(words: str) -> Callable[[Any], str]:
    return lambda wanted: f"{words} {json.dumps(wanted, ensure_ascii=False)}"


_TABLE = (
    Comparison("eq", "scalar", _phrase("is"), _equal, "="),
    Comparison("ne", "scalar", _phrase("is not"), lambda wanted: f"value is not None and not ({_equal(wanted)})", "!="),
    Comparison(
        "in",
        "scalars",
        lambda wanted: "is one of " + ", ".join(json.dumps(one, ensure_ascii=False) for one in wanted),
        _one_of,
        "in",
    ),
    Comparison("contains", "scalar", _phrase("contains"), _contains, "contains"),
    Comparison(
        "starts", "text", _phrase("starts with"), lambda _: "kind is str and value.startswith(wanted)", "starts with"
    ),
    Comparison("ends", "text", _phrase("ends with"), lambda _: "kind is str and value.endswith(wanted)", "ends with"),
    Comparison("lt", "ordered", _phrase("is less than"), _ordered("<"), "<"),
    Comparison("le", "ordered", _phrase("is at most"), _ordered("<="), "<="),
    Comparison("gt", "ordered", _phrase("is more than"), _ordered(">"), ">"),
    Comparison("ge", "ordered", _phrase("is at least"), _ordered(">="), ">="),
    Comparison(
        "between",
        "pair",
        lambda wanted: "is from {} to {}".format(*(json.dumps(one, ensure_ascii=False) for one in wanted)),
        _between,
        "between",
    ),
    Comparison(
        "exists",
        "boolean",
        lambda wanted: "is known" if wanted else "is not known",
        lambda wanted: "value is not None" if wanted else "value is None",
        "exists",
    ),
)
COMPARISONS: dict[str, Comparison] = {one.key: one for one in _TABLE}
WHERE_COMPARISONS = tuple(key for key in COMPARISONS if key != "exists")
"""Those of an event's properties."""
NUMERIC = ("eq", "lt", "le", "gt", "ge", "between")
"""Those of a number that has been worked out."""


def among(value: object, values: Any) -> bool:
    """Whether ``values`` holds ``value``, and not just its equal of another kind."""
    return any(one == value and (type(one) is bool) == (type(value) is bool) for one in values)


def inside(attributes: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value at the end of a path of keys, ``None`` where it leads nowhere."""
    found: Any = attributes
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def condition(comparison: str, wanted: Any, value: ast.expr, kind: ast.expr) -> ast.expr:
    """The expression that is true where ``value``, of type ``kind``, compares."""
    constant = frozenset(wanted) if comparison == "in" and _texts(wanted) else wanted
    return stamped(COMPARISONS[comparison].source(wanted), value=value, kind=kind, wanted=const(constant))


def predicate(tests: tuple[tuple[str, Any], ...]) -> Callable[[Any], bool]:
    """A function that says whether one value passes all ``tests``, pairs of comparison and wanted."""
    body = stamp("kind = type(value)")
    for comparison, wanted in tests:
        body += stamp("if not passes: return False", passes=condition(comparison, wanted, name("value"), name("kind")))
    return function(("value",), [*body, *stamp("return True")], among=among)
