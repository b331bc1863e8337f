"""The same rules for the fastest rule library that can express them: zen-engine, which is written in Rust.

It is given the best of it: the timestamps that Tailor keeps, in lists of its own per event and filter, so that a window
is one comparison; and one expression for all rules of a person, so that the person is handed over once. It answers who
is a member, and not until when.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailor.kernel.instants import duration
from tailor.rules.consent import View
from tailor.rules.tallies import Tally

Evaluate = Callable[[View, int], list[bool]]
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "=="}


def compiled(rules: Sequence[Mapping[str, Any]]) -> Evaluate | None:
    """All rules as one function, ``None`` where the library is not installed (``make bench`` installs it)."""
    try:
        import zen  # type: ignore[import-not-found]
    except ImportError:
        return None
    lists: dict[str, str] = {}
    expression = zen.compile_expression("[" + ", ".join(_rule(rule, lists) for rule in rules) + "]")

    def evaluate(view: View, now: int) -> list[bool]:
        history = view.history
        times = {name: history[entry][1] if entry in history else [] for entry, name in lists.items()}
        answer: list[bool] = expression.evaluate({"a": view.attributes, "t": times, "now": now})
        return answer

    return evaluate


def _rule(rule: Mapping[str, Any], lists: dict[str, str]) -> str:
    for key, word in (("all", " and "), ("any", " or ")):
        if key in rule:
            return "(" + word.join(_rule(part, lists) for part in rule[key]) + ")"
    if "not" in rule:
        return f"(not {_rule(rule['not'], lists)})"
    if "attribute" in rule:
        return _attribute(rule)
    if "did_then_not" in rule:
        first, second = (_times(name, rule, lists) for name in rule["did_then_not"])
        waited = f"{first}[0] <= now - {duration(rule['within'])}"
        return f"(len({first}) > 0 and {waited} and (len({second}) == 0 or {second}[0] < {first}[0]))"
    name = rule.get("count", rule.get("did_not"))
    number = rule.get("at_least", 1)
    times = _times(name, rule, lists)
    inside = f" and {times}[{number - 1}] > now - {duration(rule['within'])}" if "within" in rule else ""
    holds = f"(len({times}) >= {number}{inside})"
    return f"(not {holds})" if "did_not" in rule else holds


def _attribute(rule: Mapping[str, Any]) -> str:
    value = f"a.{rule['attribute']}"
    if "in" in rule:
        return f"({value} != null and {value} in {json.dumps(rule['in'])})"
    if "contains" in rule:
        return f"({value} != null and contains({value}, {json.dumps(rule['contains'])}))"
    key = next(key for key in _SIGNS if key in rule)
    return f"({value} != null and {value} {_SIGNS[key]} {json.dumps(rule[key])})"


def _times(name: str, rule: Mapping[str, Any], lists: dict[str, str]) -> str:
    where = {key: (("eq", value),) for key, value in rule.get("where", {}).items()}
    entry = Tally.of(name, where).key if where else name
    return f"t.{lists.setdefault(entry, f'e{len(lists)}')}"
