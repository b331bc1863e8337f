"""Segments decided the plain way: walk the rule, and for every leaf go through the person's events.

It is what one writes first, and it needs neither counters nor a compiler; so it is the yardstick for speed, and its
answers are the ones the compiled segments must give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tailor.kernel.instants import duration

Rule = Mapping[str, Any]


class Happened(NamedTuple):
    """One event of a history, as far as rules look at it."""

    name: str
    at: int
    properties: Mapping[str, Any]


def holds(rule: Rule, attributes: Mapping[str, Any], events: Sequence[Happened], *, now: int) -> bool:
    """Whether a rule of :mod:`bench.population` is true of a person."""
    if "all" in rule:
        return all(holds(part, attributes, events, now=now) for part in rule["all"])
    if "any" in rule:
        return any(holds(part, attributes, events, now=now) for part in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], attributes, events, now=now)
    if "attribute" in rule:
        return _compare(attributes.get(rule["attribute"]), rule)
    if "count" in rule:
        return bool(len(_times(rule["count"], rule, events, now)) >= rule["at_least"])
    if "did_not" in rule:
        return not _times(rule["did_not"], rule, events, now)
    return _then_not(rule, events, now)


def _compare(value: Any, rule: Rule) -> bool:
    if value is None:
        return False
    if "eq" in rule:
        return bool(value == rule["eq"])
    if "in" in rule:
        return bool(value in rule["in"])
    if "contains" in rule:
        return bool(rule["contains"] in value)
    return bool(value >= rule["ge"]) if "ge" in rule else bool(value < rule["lt"])


def _times(name: str, rule: Rule, events: Sequence[Happened], now: int) -> list[int]:
    since = now - duration(rule["within"]) if "within" in rule else -1
    where = rule.get("where", {})
    return [
        event.at
        for event in events
        if event.name == name and event.at > since and all(event.properties.get(k) == v for k, v in where.items())
    ]


def _then_not(rule: Rule, events: Sequence[Happened], now: int) -> bool:
    first, second = rule["did_then_not"]
    started = max((event.at for event in events if event.name == first), default=None)
    if started is None or now < started + duration(rule["within"]):
        return False
    return not any(event.name == second and event.at >= started for event in events)
