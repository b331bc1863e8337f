"""What the table of operators is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tailor.rules.comparisons import WantedKind
from tailor.rules.consent import View
from tailor.rules.formula import Formula

COUNT = 200
"""The largest number that ``count`` compares with: so many timestamps are kept for it."""

Kind = WantedKind | Literal[
    "attribute", "event", "events", "property", "duration", "ages", "period", "instant", "where", "number", "real",
    "reals", "place", "part", "score", "steps", "yes", "kind", "purpose", "topic", "segment", "rule", "rules",
]  # fmt: skip
"""What an argument may be; :meth:`tailor.rules.reading.Reader.argument` reads each."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One key of an operator's object."""

    name: str
    kind: Kind
    required: bool = True


@dataclass(frozen=True, slots=True)
class Node:
    """A rule as read.

    ``operator``: its key; ``sentence``: English, about one person; ``formula``: what it comes down to; ``look``: the
    values it looks at, as plain JSON; ``parts``: the rules inside it.
    """

    operator: str
    sentence: str
    formula: Formula
    look: Callable[[View], dict[str, Any]]
    parts: tuple[Node, ...] = ()

    @property
    def size(self) -> int:
        """Operators in it."""
        return 1 + sum(part.size for part in self.parts)

    @property
    def depth(self) -> int:
        """Levels of rules in it."""
        return 1 + max((part.depth for part in self.parts), default=0)


@dataclass(frozen=True, slots=True)
class Operator:
    """One entry of the language.

    Attributes
    ----------
    key : the key that names it; it is also the name of the first argument.
    says : what it means, in one English sentence.
    arguments : the keys of its object.
    one_of : keys of which there must be exactly one.
    make : the arguments as read → the rule; may raise ``ValueError`` with a reason.
    text : how the text form writes it: words, ``<argument>`` (``<argument.0>`` for one of a pair), what may be left
        out in brackets.
    clauses : what may follow ``text``, in any order, written alike.
    examples : rules of this operator which compile in any program with the standard attributes.
    """

    key: str
    says: str
    arguments: tuple[Argument, ...]
    make: Callable[[dict[str, Any]], Node]
    text: str
    examples: tuple[Mapping[str, Any], ...]
    one_of: tuple[Argument, ...] = ()
    clauses: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key its object may have."""
        return tuple(argument.name for argument in (*self.arguments, *self.one_of))

    def kind(self, name: str) -> Kind:
        """What its argument of this name may be."""
        return next(one.kind for one in (*self.arguments, *self.one_of) if one.name == name)


@dataclass(frozen=True, slots=True)
class Where:
    """The argument ``where``: property → (comparison, wanted) pairs, and in English."""

    tests: dict[str, tuple[tuple[str, Any], ...]]
    sentence: str


def quoted(text: str) -> str:
    """A name in a sentence."""
    return json.dumps(text, ensure_ascii=False)


def nothing(view: View) -> dict[str, Any]:
    """The ``look`` of a rule that has nothing to show beside its parts."""
    return {}


def canonical(*parts: Any) -> str:
    """What tells questions apart, as text."""
    return json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
