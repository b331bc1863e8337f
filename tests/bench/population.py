"""What the bench works on: 200 random segments, people with 50 events each, and the events that come in.

All of it is drawn from seeds, and no clock is read, so two runs see the same. The rules lean the way marketers' do:
counts and absences in windows of days, abandoned carts, a third of plain attributes, some filters on properties.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import DAY, MINUTE, SECOND
from tailor.kernel.program import Program

NOW = 1_795_500_000_000
"""2026-11-24T06:00:00Z."""
PEOPLE = 100
HISTORY = 50
"""Events a person has behind them."""
SEGMENTS = 200
SEED = 20261124

EVENTS = {
    "Product Viewed": 25,
    "Page Viewed": 20,
    "Email Opened": 12,
    "Product Added": 8,
    "App Opened": 7,
    "Products Searched": 6,
    "Email Link Clicked": 5,
    "Checkout Started": 5,
    "Order Completed": 4,
    "Product Added to Wishlist": 4,
    "Signed In": 3,
    "Product Reviewed": 1,
}
"""How often each happens."""
COUNTRIES = ["DE", "ES", "FR", "GB", "IT", "NL", "SE", "US"]
INTERESTS = ["beauty", "eco", "fashion", "home", "kids", "outdoor", "running", "tech"]
CATEGORIES = ["bags", "climbing", "cycling", "kids", "running", "skiing", "tents", "winter"]
PLANS = ["free", "pro", "team"]

_NAMES, _WEIGHTS = list(EVENTS), list(EVENTS.values())


def document(segments: int = SEGMENTS) -> dict[str, Any]:
    """The programme, as a customer would push it."""
    random = Random(SEED)
    rules = {f"segment-{index:03d}": {"title": f"Segment {index}", "rule": _rule(random)} for index in range(segments)}
    attributes = {"plan": {"type": "text"}, "age": {"type": "number"}, "score": {"type": "number"}}
    return {"name": "bench", "attributes": attributes, "segments": rules}


def program(segments: int = SEGMENTS) -> Program:
    """:func:`document`, read."""
    return Program.of([document(segments)])


def history(person: int, *, events: int = HISTORY) -> list[Event]:
    """One person's past, oldest first: an ``identify`` and then behaviour, denser towards :data:`NOW`."""
    random = Random(SEED + person)
    ages = sorted((min(int(random.expovariate(1 / (12 * DAY))), 300 * DAY) for _ in range(events - 1)), reverse=True)
    first = ages[0] + DAY if ages else DAY
    known = _event(random, person, "Identify", 0, NOW - first, traits=_traits(random))
    return [known, *(_behaviour(random, person, index, NOW - age) for index, age in enumerate(ages, 1))]


def arrivals(count: int, *, round: int, people: int = PEOPLE, label: str = "") -> list[Event]:
    """``count`` new events of random known people, all within the minute before the instant of the round."""
    random = Random(f"{SEED}:{round}:{label}")
    until = instant(round)
    return [
        _behaviour(random, random.randrange(people), f"{round}-{label}-{index}", until - random.randrange(MINUTE))
        for index in range(count)
    ]


def instant(round: int) -> int:
    """When the events of a round are absorbed: rounds are a second apart."""
    return NOW + (round + 1) * SECOND


def _behaviour(random: Random, person: int, index: int | str, at: int) -> Event:
    return _event(random, person, random.choices(_NAMES, _WEIGHTS)[0], index, at)


def _event(
    random: Random, person: int, name: str, index: int | str, at: int, traits: dict[str, Any] | None = None
) -> Event:
    """About 1 KB as JSON, in the shape Segment's browser library gives it."""
    category = random.choice(CATEGORIES)
    number = random.randrange(2000)
    properties: dict[str, Any] = {
        "product_id": f"sku-{number}-blue",
        "name": f"Running Shoe {number}",
        "category": category,
        "brand": "Acme",
        "price": round(random.uniform(5, 250), 2),
        "currency": "EUR",
        "quantity": 1,
        "variant": "blue",
        "position": random.randrange(40),
    }
    if name == "Order Completed":
        products = [properties | {"quantity": random.randrange(1, 4)}]
        properties = {
            "order_id": f"o-{person}-{index}",
            "total": properties["price"],
            "currency": "EUR",
            "products": products,
        }
    return Event(
        id=f"ajs-next-{person:06d}-{index}-1f0a5c2b7e9d4c61",
        kind="identify" if traits else "track",
        name=name,
        at=at,
        received=at,
        source="segment",
        identifiers=(Identifier("user_id", f"u-{person:06d}"), Identifier("anonymous_id", _anonymous(person))),
        traits=traits or {},
        properties={} if traits else properties,
        context={
            "locale": "en-GB",
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0",
            "page": {
                "url": f"https://shop.example/p/running-shoe-{number}?utm_source=newsletter&utm_campaign=spring",
                "path": f"/p/running-shoe-{number}",
                "referrer": "https://search.example/",
                "title": f"Running Shoe {number} | Shop",
            },
            "campaign": {"source": "newsletter", "name": "spring", "medium": "email"},
            "library": {"name": "analytics.js", "version": "next-1.81.0"},
        },
    )


def _anonymous(person: int) -> str:
    return f"5f2b7e90-c1d4-4a6b-9e35-{person:012x}"


def _traits(random: Random) -> dict[str, Any]:
    return {
        "first_name": f"Name{random.randrange(500)}",
        "country": random.choice(COUNTRIES),
        "city": f"City {random.randrange(200)}",
        "language": random.choice(["en", "fr", "de"]),
        "interests": random.sample(INTERESTS, 3),
        "plan": random.choice(PLANS),
        "age": random.randrange(18, 80),
        "score": random.randrange(100),
    }


def _rule(random: Random) -> dict[str, Any]:
    leaves = [_leaf(random) for _ in range(random.choice([1, 2, 2, 3, 3, 4, 5]))]
    if len(leaves) == 1:
        return leaves[0]
    if len(leaves) >= 4 and random.random() < 0.5:
        return {"all": [*leaves[:2], {"any": leaves[2:]}]}
    if random.random() < 0.15:
        return {"any": leaves}
    if random.random() < 0.1:
        return {"all": [*leaves[:-1], {"not": leaves[-1]}]}
    return {"all": leaves}


def _leaf(random: Random) -> dict[str, Any]:
    kind = random.random()
    name = random.choices(_NAMES, _WEIGHTS)[0]
    if kind < 0.40:
        return _attribute(random)
    if kind < 0.65:
        within = random.choice(["1d", "3d", "7d", "14d", "30d"])
        filtered = {"where": {"category": random.choice(CATEGORIES[:3])}} if kind > 0.62 else {}
        name = "Product Viewed" if filtered else name
        return {"count": name, "at_least": random.choice([1, 1, 1, 2, 3, 5]), "within": within, **filtered}
    if kind < 0.80:
        return {"count": name, "at_least": random.choice([1, 1, 2, 3, 5, 10])}
    if kind < 0.91:
        return {"did_not": name, "within": random.choice(["2d", "7d", "14d", "30d"])}
    started = random.choice(["Product Viewed", "Product Added", "Checkout Started"])
    return {"did_then_not": [started, "Order Completed"], "within": random.choice(["24h", "48h", "48h", "7d"])}


def _attribute(random: Random) -> dict[str, Any]:
    return random.choice(
        [
            {"attribute": "country", "in": random.sample(COUNTRIES, 3)},
            {"attribute": "plan", "eq": random.choice(PLANS)},
            {"attribute": "lifetime_value", "ge": random.choice([50, 100, 200, 400])},
            {"attribute": "age", "lt": random.choice([25, 35, 50])},
            {"attribute": "interests", "contains": random.choice(INTERESTS)},
            {"attribute": "last_viewed_category", "eq": random.choice(CATEGORIES)},
        ]
    )
