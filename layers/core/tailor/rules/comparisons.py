"""Comparisons of one value with a wanted one, as code, for attributes of people and properties of events alike.

They are typed: text is never a number and ``true`` is never 1; what does not fit is false, never an error. A missing
value (``None``) fulfils nothing but ``{"exists": false}``: what is not known is not known to differ.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tailor.kernel.keys import digest
from tailor.rules.codegen import const, function, name, stamp, stamped

WantedKind = Literal["scalar", "scalars", "ordered", "boolean"]
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way to compare.

    ``wanted``: what it takes (``scalar`` is text, a number or a boolean, ``scalars`` a list of those, ``ordered`` text
    or a number); ``phrase``: English of it; ``source``: wanted → source of an expression over ``value`` and ``kind``,
    its type, with the constant ``wanted``.
    """

    key: str
    wanted: WantedKind
    phrase: Callable[[Any], str]
    source: Callable[[Any], str]


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


def _phrase(words: str) -> Callable[[Any], str]:
    return lambda wanted: f"{words} {json.dumps(wanted, ensure_ascii=False)}"


_TABLE = (
    Comparison("eq", "scalar", _phrase("is"), _equal),
    Comparison("ne", "scalar", _phrase("is not"), lambda wanted: f"value is not None and not ({_equal(wanted)})"),
    Comparison(
        "in",
        "scalars",
        lambda wanted: "is one of " + ", ".join(json.dumps(one, ensure_ascii=False) for one in wanted),
        _one_of,
    ),
    Comparison("contains", "scalar", _phrase("contains"), _contains),
    Comparison("lt", "ordered", _phrase("is less than"), _ordered("<")),
    Comparison("le", "ordered", _phrase("is at most"), _ordered("<=")),
    Comparison("gt", "ordered", _phrase("is more than"), _ordered(">")),
    Comparison("ge", "ordered", _phrase("is at least"), _ordered(">=")),
    Comparison(
        "exists",
        "boolean",
        lambda wanted: "is known" if wanted else "is not known",
        lambda wanted: "value is not None" if wanted else "value is None",
    ),
)
COMPARISONS: dict[str, Comparison] = {one.key: one for one in _TABLE}
WHERE_COMPARISONS = tuple(key for key in COMPARISONS if key != "exists")


def among(value: object, values: Any) -> bool:
    """Whether ``values`` holds ``value``, and not just its equal of another kind."""
    return any(one == value and (type(one) is bool) == (type(value) is bool) for one in values)


def condition(comparison: str, wanted: Any, value: ast.expr, kind: ast.expr) -> ast.expr:
    """The expression that is true where ``value``, of type ``kind``, compares."""
    constant = frozenset(wanted) if isinstance(wanted, tuple) and _texts(wanted) else wanted
    return stamped(COMPARISONS[comparison].source(wanted), value=value, kind=kind, wanted=const(constant))


def predicate(tests: tuple[tuple[str, Any], ...]) -> Callable[[Any], bool]:
    """A function that says whether one value passes all ``tests``, pairs of comparison and wanted."""
    body = stamp("kind = type(value)")
    for comparison, wanted in tests:
        body += stamp("if not passes: return False", passes=condition(comparison, wanted, name("value"), name("kind")))
    return function(("value",), [*body, *stamp("return True")], among=among)


@dataclass(frozen=True, slots=True)
class Filter:
    """Occurrences of ``event`` whose properties fit: they are counted apart, under ``key`` of the history."""

    event: str
    key: str
    tests: tuple[tuple[tuple[str, ...], Callable[[Any], bool]], ...] = field(repr=False, compare=False)

    @classmethod
    def of(cls, event: str, where: Mapping[str, Any], tests: Mapping[str, tuple[tuple[str, Any], ...]]) -> Filter:
        """``where`` as written gives the key; ``tests`` is the same as read, property → (comparison, wanted) pairs."""
        canonical = json.dumps(where, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        paths = tuple((tuple(path.split(".")), predicate(pairs)) for path, pairs in tests.items())
        return cls(event, f"{event}?{digest(event, canonical, size=6)}", paths)

    def matches(self, properties: Mapping[str, Any]) -> bool:
        """Whether every test passes; where the path leads through a list, one passing item is enough."""
        return all(any(test(value) for value in _values(properties, path)) for path, test in self.tests)


def _values(found: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """The values at the end of ``path``; a name that itself has dots is found as well."""
    if not path:
        yield found
    elif isinstance(found, list):
        for item in found:
            yield from _values(item, path)
    elif isinstance(found, Mapping):
        if len(path) > 1 and (dotted := ".".join(path)) in found:
            yield found[dotted]
        elif path[0] in found:
            yield from _values(found[path[0]], path[1:])
