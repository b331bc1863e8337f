"""The language of rules: one table entry for each operator.

A rule is a JSON object; one of its keys names the operator, the others are its arguments::

    {"all": [{"attribute": "country", "in": ["FR", "BE"]},
             {"did_then_not": ["Product Viewed", "Order Completed"], "within": "48h"}]}

or the same as text, ``country in ("FR", "BE") and did "Product Viewed" then not "Order Completed" within 48h``.

:class:`tailor.rules.reading.Reader` reads objects, :mod:`tailor.rules.wording` reads and writes text, both by this
table and nothing else.
"""

from __future__ import annotations

from typing import Any

from tailor.kernel.program import LAW, Purpose, Topic
from tailor.rules.consent import View
from tailor.rules.deeds import DEEDS
from tailor.rules.formula import Every, Not, Permitted, Some
from tailor.rules.node import Argument, Node, Operator, nothing, quoted
from tailor.rules.traits import TRAITS


def _consent(given: dict[str, Any]) -> Node:
    purpose: Purpose = given["consent"]
    topic: Topic | None = given.get("topic")
    keys = [purpose.name]
    sentence = f"may be served {quoted(purpose.name)}"
    if topic is not None:
        if topic.purpose != purpose.name:
            raise ValueError(
                f"topic {topic.key!r} belongs to the purpose {topic.purpose!r}: write that, or leave it out"
            )
        keys.append(f"{purpose.name}:{topic.key}")
        sentence += f" on the topic {quoted(topic.key)}"

    def look(view: View) -> dict[str, Any]:
        return {key: view.consent[key][0] if key in view.consent else None for key in keys}

    formula = Permitted(purpose.name, topic.key if topic else "", purpose.basis in ("consent", LAW))
    return Node("consent", sentence, formula, look)


def _segment(given: dict[str, Any]) -> Node:
    key, inlined = given["segment"]
    return Node("segment", f"is in the segment {quoted(key)}", inlined.formula, nothing, (inlined,))


def _all(given: dict[str, Any]) -> Node:
    parts: tuple[Node, ...] = given["all"]
    return Node("all", _listed(parts, " and "), Every(tuple(part.formula for part in parts)), nothing, parts)


def _any(given: dict[str, Any]) -> Node:
    parts: tuple[Node, ...] = given["any"]
    return Node("any", _listed(parts, " or "), Some(tuple(part.formula for part in parts)), nothing, parts)


def _not(given: dict[str, Any]) -> Node:
    part: Node = given["not"]
    return Node("not", f"not: {_bracketed(part)}", Not(part.formula), nothing, (part,))


def _listed(parts: tuple[Node, ...], word: str) -> str:
    return parts[0].sentence if len(parts) == 1 else word.join(_bracketed(part) for part in parts)


def _bracketed(node: Node) -> str:
    return f"({node.sentence})" if len(node.parts) > 1 else node.sentence


_TABLE = (
    *TRAITS,
    *DEEDS,
    Operator(
        "consent",
        "The purpose (and, inside it, the topic) may be served: granted where it stands on consent, else not refused.",
        (Argument("consent", "purpose"), Argument("topic", "topic", required=False)),
        _consent,
        "consent <consent> [on <topic>]",
        ({"consent": "marketing"}, {"consent": "personalization"}),
    ),
    Operator(
        "segment",
        "The rule of another segment holds, seen for the purpose of this one.",
        (Argument("segment", "segment"),),
        _segment,
        "in segment <segment>",
        ({"segment": "buyers"},),
    ),
    Operator(
        "all",
        "Every rule of the list holds.",
        (Argument("all", "rules"),),
        _all,
        "all ( <all> )",
        ({"all": [{"attribute": "country", "eq": "FR"}, {"did": "Order Completed"}]},),
    ),
    Operator(
        "any",
        "At least one rule of the list holds.",
        (Argument("any", "rules"),),
        _any,
        "any ( <any> )",
        ({"any": [{"did": "Product Viewed", "within": "7d"}, {"did": "Product Added", "within": "7d"}]},),
    ),
    Operator(
        "not",
        "The rule does not hold.",
        (Argument("not", "rule"),),
        _not,
        "not <not>",
        ({"not": {"attribute": "country", "eq": "FR"}},),
    ),
)
OPERATORS: dict[str, Operator] = {operator.key: operator for operator in _TABLE}
