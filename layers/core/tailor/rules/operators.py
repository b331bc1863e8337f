"""The language of rules: one table entry for each operator.

A rule is a JSON object; one of its keys names the operator, the others are its arguments::

    {"all": [{"attribute": "country", "in": ["FR", "BE"]},
             {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"}]}

:class:`tailor.rules.reading.Reader` reads them by this table and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tailor.kernel.instants import spell
from tailor.kernel.program import Purpose, Topic
from tailor.rules.comparisons import COMPARISONS, Filter, WantedKind
from tailor.rules.consent import View
from tailor.rules.formula import AtLeast, Compares, Every, Formula, Not, Permitted, Some, ThenNot

COUNT = 200
"""The largest number that ``count`` compares with: so many timestamps are kept for it."""

Kind = WantedKind | Literal[
    "attribute", "event", "events", "duration", "where", "number", "purpose", "topic", "segment", "rule", "rules"
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
    examples : rules of this operator which compile in any program with the standard attributes.
    """

    key: str
    says: str
    arguments: tuple[Argument, ...]
    make: Callable[[dict[str, Any]], Node]
    examples: tuple[Mapping[str, Any], ...]
    one_of: tuple[Argument, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key its object may have."""
        return tuple(argument.name for argument in (*self.arguments, *self.one_of))


@dataclass(frozen=True, slots=True)
class Where:
    """The argument ``where``: as written, as property → (comparison, wanted) pairs, and in English."""

    written: Mapping[str, Any]
    tests: dict[str, tuple[tuple[str, Any], ...]]
    sentence: str


def _attribute(given: dict[str, Any]) -> Node:
    name: str = given["attribute"]
    comparison = next(key for key in COMPARISONS if key in given)
    sentence = f"{name} {COMPARISONS[comparison].phrase(given[comparison])}"
    formula = Compares(name, comparison, given[comparison])
    return Node("attribute", sentence, formula, lambda view: {name: view.attributes.get(name)})


def _did(given: dict[str, Any]) -> Node:
    formula = _at_least(given, given["did"], 1)
    return Node("did", _happened(given, formula, "did", ""), formula, _history((formula.event, formula.entry, 1)))


def _did_not(given: dict[str, Any]) -> Node:
    formula = _at_least(given, given["did_not"], 1)
    sentence = _happened(given, formula, "did not do", "")
    return Node("did_not", sentence, Not(formula), _history((formula.event, formula.entry, 1)))


def _count(given: dict[str, Any]) -> Node:
    comparison = next(key for key in ("at_least", "at_most", "exactly") if key in given)
    times: int = given[comparison]
    enough = _at_least(given, given["count"], times)
    too_many = replace(enough, times=times + 1)
    formula: Formula
    match comparison:
        case "at_least" if times == 0:
            raise ValueError("'at_least' 0 always holds: begin at 1")
        case "at_least":
            formula = enough
        case "exactly" if times > 0:
            formula = Every((enough, Not(too_many)))
        case _:
            formula = Not(too_many)
    how_often = f" {comparison.replace('_', ' ')} {'once' if times == 1 else f'{times} times'}"
    sentence = _happened(given, enough, "did", how_often)
    return Node("count", sentence, formula, _history((enough.event, enough.entry, times + 1)))


def _at_least(given: dict[str, Any], event: str, times: int) -> AtLeast:
    return AtLeast(event, times, given.get("within"), _filter(given, event))


def _filter(given: dict[str, Any], event: str) -> Filter | None:
    where: Where | None = given.get("where")
    return Filter.of(event, where.written, where.tests) if where else None


def _such(given: dict[str, Any]) -> str:
    return f" where {given['where'].sentence}" if "where" in given else ""


def _happened(given: dict[str, Any], leaf: AtLeast, verb: str, how_often: str) -> str:
    when = f" in the last {spell(leaf.within)}" if leaf.within else ""
    return f"{verb} {_quoted(leaf.event)}{_such(given)}{how_often}{when}"


def _did_then_not(given: dict[str, Any]) -> Node:
    (first, second), within = given["did_then_not"], given["within"]
    formula = ThenNot(first, second, within, _filter(given, first))
    sentence = f"did {_quoted(first)}{_such(given)} and then for {spell(within)} or more not {_quoted(second)}"
    return Node("did_then_not", sentence, formula, _history((first, formula.entry, 1), (second, second, 1)))


def _history(*entries: tuple[str, str, int]) -> Callable[[View], dict[str, Any]]:
    def look(view: View) -> dict[str, Any]:
        seen = {}
        for shown, entry, newest in entries:
            total, times = view.history.get(entry, (0, ()))
            seen[shown] = {"count": total, "newest": list(times[:newest])}
        return seen

    return look


def _consent(given: dict[str, Any]) -> Node:
    purpose: Purpose = given["consent"]
    topic: Topic | None = given.get("topic")
    keys = [purpose.name]
    sentence = f"may be served {_quoted(purpose.name)}"
    if topic is not None:
        if topic.purpose != purpose.name:
            raise ValueError(
                f"topic {topic.key!r} belongs to the purpose {topic.purpose!r}: write that, or leave it out"
            )
        keys.append(f"{purpose.name}:{topic.key}")
        sentence += f" on the topic {_quoted(topic.key)}"

    def look(view: View) -> dict[str, Any]:
        return {key: view.consent[key][0] if key in view.consent else None for key in keys}

    formula = Permitted(purpose.name, topic.key if topic else "", purpose.basis == "consent")
    return Node("consent", sentence, formula, look)


def _segment(given: dict[str, Any]) -> Node:
    key, inlined = given["segment"]
    return Node("segment", f"is in the segment {_quoted(key)}", inlined.formula, _nothing, (inlined,))


def _all(given: dict[str, Any]) -> Node:
    parts: tuple[Node, ...] = given["all"]
    return Node("all", _listed(parts, " and "), Every(tuple(part.formula for part in parts)), _nothing, parts)


def _any(given: dict[str, Any]) -> Node:
    parts: tuple[Node, ...] = given["any"]
    return Node("any", _listed(parts, " or "), Some(tuple(part.formula for part in parts)), _nothing, parts)


def _not(given: dict[str, Any]) -> Node:
    part: Node = given["not"]
    return Node("not", f"not: {_bracketed(part)}", Not(part.formula), _nothing, (part,))


def _nothing(view: View) -> dict[str, Any]:
    return {}


def _listed(parts: tuple[Node, ...], word: str) -> str:
    return parts[0].sentence if len(parts) == 1 else word.join(_bracketed(part) for part in parts)


def _bracketed(node: Node) -> str:
    return f"({node.sentence})" if len(node.parts) > 1 else node.sentence


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_WINDOW = (Argument("within", "duration", required=False), Argument("where", "where", required=False))
_TABLE = (
    Operator(
        "attribute",
        "An attribute of the person compares with a value; a missing one fulfils only 'exists': false.",
        (Argument("attribute", "attribute"),),
        _attribute,
        (
            {"attribute": "country", "eq": "FR"},
            {"attribute": "country", "in": ["FR", "BE"]},
            {"attribute": "interests", "contains": "outdoor"},
            {"attribute": "order_count", "ge": 3},
            {"attribute": "city", "exists": False},
        ),
        one_of=tuple(Argument(one.key, one.wanted) for one in COMPARISONS.values()),
    ),
    Operator(
        "did",
        "The event happened at least once, ever or within a window that ends now.",
        (Argument("did", "event"), *_WINDOW),
        _did,
        (
            {"did": "Order Completed"},
            {"did": "Product Viewed", "within": "48h", "where": {"category": "tents", "price": {"ge": 100}}},
        ),
    ),
    Operator(
        "did_not",
        "The event did not happen, ever or within a window that ends now.",
        (Argument("did_not", "event"), *_WINDOW),
        _did_not,
        ({"did_not": "Order Completed"}, {"did_not": "Email Opened", "within": "90d"}),
    ),
    Operator(
        "count",
        f"The event happened so many times (at most {COUNT}), ever or within a window that ends now.",
        (Argument("count", "event"), *_WINDOW),
        _count,
        (
            {"count": "Order Completed", "at_least": 3, "within": "365d"},
            {"count": "Email Opened", "at_most": 1, "within": "30d"},
            {"count": "Order Completed", "exactly": 1, "where": {"products.category": {"in": ["tents", "boots"]}}},
        ),
        one_of=(Argument("at_least", "number"), Argument("at_most", "number"), Argument("exactly", "number")),
    ),
    Operator(
        "did_then_not",
        "The newest of the first event is as old as the window or older, and the second did not happen since.",
        (
            Argument("did_then_not", "events"),
            Argument("within", "duration"),
            Argument("where", "where", required=False),
        ),
        _did_then_not,
        (
            {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"},
            {"did_then_not": ["Product Added", "Order Completed"], "within": "1h", "where": {"price": {"gt": 50}}},
        ),
    ),
    Operator(
        "consent",
        "The purpose (and, inside it, the topic) may be served: granted where it stands on consent, else not refused.",
        (Argument("consent", "purpose"), Argument("topic", "topic", required=False)),
        _consent,
        ({"consent": "marketing"}, {"consent": "personalization"}),
    ),
    Operator(
        "segment",
        "The rule of another segment holds, seen for the purpose of this one.",
        (Argument("segment", "segment"),),
        _segment,
        ({"segment": "buyers"},),
    ),
    Operator(
        "all",
        "Every rule of the list holds.",
        (Argument("all", "rules"),),
        _all,
        ({"all": [{"attribute": "country", "eq": "FR"}, {"did": "Order Completed"}]},),
    ),
    Operator(
        "any",
        "At least one rule of the list holds.",
        (Argument("any", "rules"),),
        _any,
        ({"any": [{"did": "Product Viewed", "within": "7d"}, {"did": "Product Added", "within": "7d"}]},),
    ),
    Operator(
        "not",
        "The rule does not hold.",
        (Argument("not", "rule"),),
        _not,
        ({"not": {"attribute": "country", "eq": "FR"}},),
    ),
)
OPERATORS: dict[str, Operator] = {operator.key: operator for operator in _TABLE}
