"""What rules mean, without any algebra: every answer is looked for in the plain list of all that is known.

It is slow and shares nothing with the code it is compared with but the spelling of durations and the sampling hash.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tailor.kernel.event import Event
from tailor.kernel.instants import duration
from tailor.kernel.keys import share

Rule = Mapping[str, Any]
DAY = 86_400_000
SCORES = {"recency": ["365d", "180d", "90d", "30d"], "frequency": [2, 3, 5, 10], "monetary": [50, 100, 250, 500]}
STRICTER = ("granted", "pending", "denied", "withdrawn")


@dataclass
class Known:
    """All that has arrived of one person: events, each once, and the kinds of identifiers."""

    id: str
    rules: Mapping[str, Rule]
    events: dict[str, Event] = field(default_factory=dict)
    identifiers: set[str] = field(default_factory=set)

    def take(self, event: Event) -> None:
        self.events.setdefault(event.id, event)

    def attributes(self) -> dict[str, Any]:
        # Of two at one instant the one whose JSON sorts last counts.
        said = [(e.at, json.dumps(v), name, v) for e in self.events.values() for name, v in e.traits.items()]
        found: dict[str, Any] = {name: value for _, _, name, value in sorted(said, key=lambda one: one[:2])}
        orders = {e.properties.get("order_id", e.id): e for e in self.events.values() if e.name == "Order Completed"}
        if orders:
            totals = [float(e.properties.get("total", 0)) for e in orders.values()]
            found |= {"order_count": len(totals), "lifetime_value": round(sum(totals), 2)}
        return found

    def grant(self, key: str) -> str | None:
        choices = [
            (event.at, STRICTER.index(change.grant))
            for event in self.events.values()
            for change in event.consent
            if (f"{change.purpose}:{change.topic}" if change.topic else change.purpose) == key
        ]
        return STRICTER[max(choices)[1]] if choices else None

    def hidden(self) -> bool:
        """Whether the person has objected to personalization, for which all these rules see them."""
        return self.grant("personalization") in ("denied", "withdrawn")


def _only_consent(event: Event) -> Event:
    return Event(event.id, "consent", "-", event.at, event.received, event.source, (), consent=event.consent)


class Judge:
    """Says what holds of somebody at one instant."""

    def __init__(self, known: Known, now: int) -> None:
        if known.hidden():
            known = Known("", known.rules, {id: _only_consent(e) for id, e in known.events.items()})
        self.known, self.now = known, now
        self.attributes = known.attributes()
        zone = self.attributes.get("time_zone")
        self.zone = ZoneInfo(zone) if zone else ZoneInfo("UTC")

    def holds(self, rule: Rule) -> bool:
        """Whether ``rule`` is true."""
        for key in ("all", "any", "not", "segment"):
            if key in rule:
                return bool(getattr(self, f"_{key}")(rule[key]))
        key = next(name for name in rule if hasattr(self, f"_{name}"))
        return bool(getattr(self, f"_{key}")(rule))

    def _all(self, parts: list[Rule]) -> bool:
        return all(self.holds(part) for part in parts)

    def _any(self, parts: list[Rule]) -> bool:
        return any(self.holds(part) for part in parts)

    def _not(self, part: Rule) -> bool:
        return not self.holds(part)

    def _segment(self, key: str) -> bool:
        return self.holds(self.known.rules[key])

    # ---- what somebody is

    def _attribute(self, rule: Rule) -> bool:
        value = self.attributes.get(rule["attribute"])
        if "exists" in rule:
            return (value is not None) == rule["exists"]
        if value is None:
            return False
        if any(key in rule for key in ("before", "after", "older_than", "newer_than", "within_next")):
            return self._dated(_instant(value), rule)
        if "today" in rule:
            day = date.fromisoformat(value) if len(value) == 10 else self._day(_instant(value))
            return (day == self._day(self.now)) == rule["today"]
        return _compares(value, rule)

    def _dated(self, at: int | None, rule: Rule) -> bool:
        if at is None:
            return False
        if "before" in rule:
            return at < _instant(rule["before"])
        if "after" in rule:
            return at > _instant(rule["after"])
        if "older_than" in rule:
            return self.now - at >= duration(rule["older_than"])
        if "newer_than" in rule:
            return 0 <= self.now - at < duration(rule["newer_than"])
        return 0 < at - self.now <= duration(rule["within_next"])

    def _day(self, at: int) -> date:
        return datetime.fromtimestamp(at / 1000, UTC).astimezone(self.zone).date()

    def _midnight(self, day: date) -> int:
        return round(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp() * 1000)

    def _age(self, rule: Rule) -> bool:
        value = self.attributes.get(rule["age"])
        if value is None:
            return False
        born, today = date.fromisoformat(value), self._day(self.now)
        years = today.year - born.year - (today < _yearly(born, today.year))
        return years >= 0 and _compares(years, rule)

    def _birthday(self, rule: Rule) -> bool:
        value = self.attributes.get(rule["birthday"])
        if value is None:
            return False
        born, year = date.fromisoformat(value), self._day(self.now).year
        ahead = duration(rule.get("within", 0))
        days = [_yearly(born, one) for one in (year - 1, year, year + 1)]
        return any(self._midnight(day) - ahead <= self.now < self._midnight(day + timedelta(days=1)) for day in days)

    def _near(self, rule: Rule) -> bool:
        here = [self.attributes.get("latitude"), self.attributes.get("longitude")]
        if None in here:
            return False
        (a, b), (c, d) = ([math.radians(x) for x in place] for place in (here, rule["near"]))
        cosine = math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(b - d)
        return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine))) <= rule["km"]

    def _identifier(self, rule: Rule) -> bool:
        return rule["identifier"] in self.known.identifiers

    def _percent(self, rule: Rule) -> bool:
        return bool(self.known.id) and share(rule.get("salt", "sample"), self.known.id) < rule["percent"] / 100

    def _consent(self, rule: Rule) -> bool:
        whole, topic = self.known.grant(rule["consent"]), rule.get("topic")
        part = self.known.grant(f"{rule['consent']}:{topic}") if topic else None
        if {whole, part} & {"denied", "withdrawn"}:
            return False
        return rule["consent"] != "marketing" or "granted" in (whole, part)

    def _rfm(self, rule: Rule) -> bool:
        steps = rule.get("steps", SCORES[rule["rfm"]])
        if rule["rfm"] == "recency":
            reached = [bool(self._times("Order Completed", {"within": step})) for step in steps]
        else:
            have = self.attributes.get("order_count" if rule["rfm"] == "frequency" else "lifetime_value", -1)
            reached = [have >= step for step in steps]
        return _compares(1 + sum(reached), rule)

    # ---- what somebody did

    def _events(self, name: str, rule: Rule, *, human: bool = False) -> list[Event]:
        """Those inside of the rule's window, newest first."""
        inside = [
            event
            for event in self.known.events.values()
            if event.name == name
            and all(_property(event.properties, key, asked) for key, asked in rule.get("where", {}).items())
            and not (human and (event.properties.get("machine") or event.properties.get("agent") == "machine"))
        ]
        if "within" in rule:
            inside = [event for event in inside if self.now - event.at < duration(rule["within"])]
        if "ago" in rule:
            young, old = (duration(span) for span in rule["ago"])
            inside = [event for event in inside if young <= self.now - event.at < old]
        if "this" in rule:
            inside = [event for event in inside if self._day(event.at) >= self._began(rule["this"])]
        return sorted(inside, key=lambda event: -event.at)

    def _times(self, name: str, rule: Rule) -> list[int]:
        return [event.at for event in self._events(name, rule)]

    def _began(self, period: str) -> date:
        today = self._day(self.now)
        match period:
            case "day":
                return today
            case "week":
                return today - timedelta(days=today.weekday())
            case "month":
                return today.replace(day=1)
        return today.replace(month=1, day=1)

    def _did(self, rule: Rule) -> bool:
        return bool(self._times(rule["did"], rule))

    def _did_not(self, rule: Rule) -> bool:
        return not self._times(rule["did_not"], rule)

    def _count(self, rule: Rule) -> bool:
        return _often(len(self._times(rule["count"], rule)), rule)

    def _days(self, rule: Rule) -> bool:
        return _often(len({at // DAY for at in self._times(rule["days"], rule)}), rule)

    def _opened(self, rule: Rule) -> bool:
        return self._engaged("Email Opened", rule)

    def _clicked(self, rule: Rule) -> bool:
        return self._engaged("Email Link Clicked", rule)

    def _engaged(self, name: str, rule: Rule) -> bool:
        found = len(self._events(name, rule, human=not rule.get("machines")))
        often = any(key in rule for key in ("at_least", "at_most", "exactly"))
        return _often(found, rule if often else {"at_least": 1})

    def _first(self, rule: Rule) -> bool:
        times = self._times(rule["first"], {"where": rule.get("where", {})})
        return self._dated(min(times, default=None), rule)

    def _last(self, rule: Rule) -> bool:
        times = self._times(rule["last"], {"where": rule.get("where", {})})
        return self._dated(max(times, default=None), rule)

    def _days_since(self, rule: Rule) -> bool:
        times = self._times(rule["days_since"], {"where": rule.get("where", {})})
        return bool(times) and _compares(max(0, (self.now - max(times)) // DAY), rule)

    def _aggregated(self, name: str, rule: Rule) -> bool:
        found = self._events(rule["of"], rule)
        values = [event.properties[rule[name]] for event in found if rule[name] in event.properties]
        if name == "distinct":
            return _compares(len({str(value) for value in values}), rule)
        numbers = [round(float(value) * 1_000_000) for value in values if not isinstance(value, str)]
        if name == "sum":
            return _compares(sum(numbers) / 1_000_000, rule)
        if not numbers:
            return False
        result = {"average": sum(numbers) / len(numbers), "minimum": min(numbers), "maximum": max(numbers)}[name]
        return _compares(result / 1_000_000, rule)

    def _sum(self, rule: Rule) -> bool:
        return self._aggregated("sum", rule)

    def _average(self, rule: Rule) -> bool:
        return self._aggregated("average", rule)

    def _minimum(self, rule: Rule) -> bool:
        return self._aggregated("minimum", rule)

    def _maximum(self, rule: Rule) -> bool:
        return self._aggregated("maximum", rule)

    def _distinct(self, rule: Rule) -> bool:
        return self._aggregated("distinct", rule)

    def _did_then(self, rule: Rule) -> bool:
        (first, second), within = rule["did_then"], duration(rule["within"])
        lately = duration(rule["in_last"]) if "in_last" in rule else None
        return any(
            0 <= b.at - a.at <= within
            and (first != second or a.at < b.at)
            and (lately is None or self.now - b.at < lately)
            for a in self._events(first, {"where": rule.get("where", {})})
            for b in self._events(second, {})
        )

    def _did_then_not(self, rule: Rule) -> bool:
        first, second = rule["did_then_not"]
        firsts = self._times(first, {"where": rule.get("where", {})})
        if not firsts or self.now - max(firsts) < duration(rule["within"]):
            return False
        return not any(at >= max(firsts) for at in self._times(second, {}))


def _yearly(born: date, year: int) -> date:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return born.replace(year=year, day=28 if (born.month, born.day) == (2, 29) and not leap else born.day)


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _often(number: int, rule: Rule) -> bool:
    if "at_least" in rule:
        return number >= rule["at_least"]
    return number <= rule["at_most"] if "at_most" in rule else number == rule["exactly"]


def _property(properties: Mapping[str, Any], name: str, asked: Any) -> bool:
    if name not in properties:
        return False
    return _compares(properties[name], asked if isinstance(asked, Mapping) else {"eq": asked})


def _compares(value: Any, tests: Rule) -> bool:
    checks = {
        "eq": lambda wanted: value == wanted,
        "ne": lambda wanted: value != wanted,
        "in": lambda wanted: value in wanted,
        "contains": lambda wanted: isinstance(value, (str, list)) and wanted in value,
        "starts": lambda wanted: isinstance(value, str) and value[: len(wanted)] == wanted,
        "ends": lambda wanted: isinstance(value, str) and value[-len(wanted) :] == wanted,
        "lt": lambda wanted: _same(value, wanted) and value < wanted,
        "le": lambda wanted: _same(value, wanted) and value <= wanted,
        "gt": lambda wanted: _same(value, wanted) and value > wanted,
        "ge": lambda wanted: _same(value, wanted) and value >= wanted,
        "between": lambda wanted: _same(value, wanted[0]) and wanted[0] <= value <= wanted[1],
    }
    return all(checks[key](wanted) for key, wanted in tests.items() if key in checks)


def _same(value: Any, wanted: Any) -> bool:
    return isinstance(value, str) == isinstance(wanted, str) and not isinstance(value, list)
