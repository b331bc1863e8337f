"""Made-up rules over every operator, and made-up lives to try them on; the same seed makes the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.instants import DAY, HOUR, MINUTE
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.operators import OPERATORS

START = 1_774_569_600_000
"""2026-03-27T00:00Z: two days before the clocks change in Europe, five before the month ends."""
END = START + 16 * DAY
EVENTS = ("A", "B", "C", "Order Completed", "Email Opened", "Email Link Clicked")
WINDOWS = ("6h", "1d", "36h", "3d", "5d")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
DATES = ("2026-04-01", "2026-03-29T05:00:00+02:00", "2000-04-02", "2004-02-29", "2026-04-05T23:30:00Z")
BORN = ("2000-04-02", "2004-02-29", "1996-03-28", "2026-04-03", "1989-04-08")


@dataclass
class Arrival:
    """What comes at one instant: an event, or a kind of identifier that the person was not known by."""

    at: int
    event: Event | None = None
    identifier: str = ""


# ---- rules


def rule(random: Random, *, depth: int = 0) -> dict[str, Any]:
    kind = random.random()
    if depth < 3 and kind < 0.25:
        parts = [rule(random, depth=depth + 1) for _ in range(random.randint(1, 3))]
        return {random.choice(("all", "any")): parts}
    if depth < 3 and kind < 0.35:
        return {"not": rule(random, depth=depth + 1)}
    return leaf(random, random.choice(LEAVES))


LEAVES = [key for key in OPERATORS if key not in ("all", "any", "not", "segment")]


def leaf(random: Random, key: str) -> dict[str, Any]:
    """A rule of one operator; fails for one that nobody has thought of here."""
    event, other, window = random.choice(EVENTS), random.choice(EVENTS), random.choice(WINDOWS)
    maybe_where = {"where": where(random)} if random.random() < 0.3 else {}
    maybe_within = {"within": window} if random.random() < 0.7 else {}
    match key:
        case "attribute":
            return attribute(random)
        case "age":
            return {"age": "born", **number(random, 20, 40)}
        case "birthday":
            return {"birthday": "born", **({"within": random.choice(("1d", "3d"))} if random.random() < 0.6 else {})}
        case "near":
            return {"near": [random.uniform(40, 50), random.uniform(0, 10)], "km": random.choice((50, 300, 800))}
        case "identifier":
            return {"identifier": random.choice(("email", "phone"))}
        case "percent":
            return {"percent": random.choice((10, 50, 90)), **({"salt": "x"} if random.random() < 0.5 else {})}
        case "consent":
            return {"consent": random.choice(("marketing", "personalization"))} | (
                {"consent": "marketing", "topic": "deals"} if random.random() < 0.4 else {}
            )
        case "did" | "did_not":
            return {key: event, **maybe_where, **span(random)}
        case "count":
            return {key: event, **times(random), **maybe_where, **span(random)}
        case "days":
            return {key: event, **times(random), **maybe_where, **maybe_within}
        case "first" | "last":
            return {key: event, **maybe_where, **past(random)}
        case "days_since":
            return {key: event, **maybe_where, **number(random, 1, 6)}
        case "sum" | "average" | "minimum" | "maximum":
            return {key: "price", "of": event, **maybe_where, **maybe_within, **number(random, 1, 12)}
        case "distinct":
            return {key: "colour", "of": event, **maybe_where, **maybe_within, **number(random, 1, 3)}
        case "did_then":
            lately = {"in_last": random.choice(WINDOWS)} if random.random() < 0.6 else {}
            return {key: [event, other], "within": window, **lately, **maybe_where}
        case "did_then_not":
            return {key: [event, other], "within": window, **maybe_where}
        case "opened" | "clicked":
            often = times(random) if random.random() < 0.6 else {}
            machines = {"machines": True} if random.random() < 0.4 else {}
            return {key: True, **often, **maybe_where, **maybe_within, **machines}
        case "rfm":
            score = random.choice(("recency", "frequency", "monetary"))
            steps = {"recency": ["9d", "5d", "2d", "12h"], "frequency": [2, 3, 4, 5], "monetary": [2, 5, 9, 14.5]}
            return {key: score, "steps": steps[score], **number(random, 1, 5)}
    raise AssertionError(f"nothing tries the operator {key!r}")


def attribute(random: Random) -> dict[str, Any]:
    return random.choice(
        (
            {"attribute": "city", "eq": random.choice("xy")},
            {"attribute": "city", "ne": "x"},
            {"attribute": "city", "in": ["y", "yx"]},
            {"attribute": "city", "starts": "x"},
            {"attribute": "city", "ends": "y"},
            {"attribute": "city", "between": ["x", "xz"]},
            {"attribute": "city", "exists": random.random() < 0.5},
            {"attribute": "likes", "contains": random.choice("ab")},
            {"attribute": "score", **number(random, 1, 9)},
            {"attribute": "day", "before": "2026-04-01"},
            {"attribute": "day", "after": "2026-03-29T03:00:00Z"},
            {"attribute": "day", "older_than": random.choice(WINDOWS)},
            {"attribute": "day", "newer_than": random.choice(WINDOWS)},
            {"attribute": "day", "within_next": random.choice(WINDOWS)},
            {"attribute": "day", "today": random.random() < 0.7},
        )
    )


def number(random: Random, low: int, high: int) -> dict[str, Any]:
    key = random.choice(("lt", "le", "gt", "ge", "eq", "between"))
    one = random.randint(low, high)
    return {key: [one, one + random.randint(0, 3)] if key == "between" else one}


def times(random: Random) -> dict[str, int]:
    key = random.choice(("at_least", "at_most", "exactly"))
    return {key: random.randint(1 if key == "at_least" else 0, 3)}


def span(random: Random) -> dict[str, Any]:
    return random.choice(
        (
            {},
            {"within": random.choice(WINDOWS)},
            {"within": random.choice(WINDOWS)},
            {"ago": random.choice((["6h", "2d"], ["1d", "5d"]))},
            {"this": random.choice(("day", "week", "month", "year"))},
        )
    )


def past(random: Random) -> dict[str, str]:
    key = random.choice(("older_than", "newer_than", "before", "after"))
    return {key: random.choice(WINDOWS if key.endswith("than") else DATES)}


def where(random: Random) -> dict[str, Any]:
    return random.choice(
        ({"colour": "red"}, {"colour": {"ne": "red"}}, {"price": {"ge": 3}}, {"price": {"between": [2, 6.5]}})
    )


# ---- stories


def story(random: Random) -> list[Arrival]:
    """Some days of somebody: events late, twice and out of order, two at one instant, changes of mind."""
    arrivals: list[Arrival] = []
    for index in range(random.randint(0, 14)):
        at = START + random.randint(0, 24 * 10) * HOUR // 2
        name = random.choice((*EVENTS, "A", "Identify", "Choice"))
        event = happening(random, name, f"e{index}", at)
        for _ in range(random.choice((1, 1, 1, 2))):
            late = random.choice((0, 0, 0, MINUTE, 7 * HOUR, 4 * DAY))
            arrivals.append(Arrival(at + late, event))
    if random.random() < 0.3:
        arrivals.append(Arrival(START + random.randint(0, 240) * HOUR, identifier=random.choice(("email", "phone"))))
    return sorted(arrivals, key=lambda one: one.at)


def happening(random: Random, name: str, id: str, at: int) -> Event:
    who = (Identifier("user_id", "u"),)
    if name == "Identify":
        return Event(id, "identify", name, at, at, "test", who, traits=traits(random))
    if name == "Choice":
        purpose, topic = random.choice((("marketing", ""), ("marketing", "deals"), ("personalization", "")))
        grant = random.choice(("granted", "granted", "denied", "withdrawn"))
        return Event(id, "consent", name, at, at, "test", who, consent=(ConsentChange(purpose, grant, topic),))
    properties = {"price": random.choice((1, 2.5, 4, 6.5)), "colour": random.choice(("red", "blue", "green"))}
    if name == "Order Completed":
        properties |= {"order_id": id, "total": properties["price"]}
    if random.random() < 0.3:
        properties |= random.choice(({"machine": True}, {"agent": "machine"}, {"agent": "unknown"}))
    if random.random() < 0.2:
        del properties["price"]
        properties.pop("total", None)
    return Event(id, "track", name, at, at, "test", who, properties=properties)


def traits(random: Random) -> dict[str, Any]:
    every = {
        "city": random.choice(("x", "y", "xy", "yx")),
        "likes": random.sample("abc", 2),
        "score": random.randint(0, 9),
        "day": random.choice(DATES),
        "born": random.choice(BORN),
        "time_zone": random.choice(ZONES),
        "latitude": random.uniform(40, 50),
        "longitude": random.uniform(0, 10),
    }
    return {name: every[name] for name in random.sample(sorted(every), 4)}


def program(rules: Sequence[dict[str, Any]]) -> Compiled:
    document = {
        "name": "test",
        "topics": {"deals": {}},
        "attributes": {name: {} for name in ("likes", "score", "day", "born")},
        "segments": {f"s{number}": {"rule": one} for number, one in enumerate(rules)},
    }
    return Compiled(Program.of([document]))
