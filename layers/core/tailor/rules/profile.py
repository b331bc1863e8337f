"""What an event makes true of a person: traits, purchases, views.

Everything here is independent of the order of arrival: each value carries the instant of the event that set it, the
later one wins, and at the same instant the one whose JSON sorts last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from tailor.kernel.event import Event
from tailor.kernel.instants import NEVER
from tailor.kernel.person import Person
from tailor.kernel.program import Program

ORDERS = 500
"""Newest orders kept for the order count and the lifetime value."""
CATEGORIES, CATEGORY = 5, 60
"""Categories kept of one order, and characters of each."""
PURCHASES = 100
"""Newest product and category names in ``purchase_history``."""
ATTRIBUTES = 300
"""Attributes a person may hold; further ones are refused and flagged."""
COMPUTED = frozenset(
    {
        "order_count",
        "lifetime_value",
        "average_order_value",
        "favourite_category",
        "purchase_history",
        "last_purchase_category",
    }
)
"""Attributes only purchases can set."""


def apply(person: Person, event: Event) -> set[str]:
    """Change ``person`` by one event; answers the names of the attributes that changed."""
    before = {name: person.attributes.get(name) for name in (*event.traits, *_touched_by(event.name))}
    told = set[str]()
    for name, value in event.traits.items():
        if name == "purchase_history" and isinstance(value, list):
            _bought(person, [str(v) for v in value], event.at)
            compute(person)
        elif name not in COMPUTED and _set(person, name, value, event.at):
            told.add(name)
    findings = event.context.get("quality", {}).get("findings", ())
    if findings or person.flags:
        _flag(person, findings, told)
    if event.name == "Order Completed":
        _order(person, event)
        compute(person)
    elif event.name == "Product Viewed":
        _seen(person, event)
    elif event.name == "Product Added to Wishlist" and (wished := event.properties.get("name")):
        _set(person, "last_wished_product", str(wished), event.at)
    return {name for name, value in before.items() if person.attributes.get(name) != value}


def forget(person: Person, program: Program, *, now: int) -> tuple[set[str], int]:
    """Drop attributes that were kept as long as they may be.

    Answers what changed, in the words of :meth:`tailor.rules.segments.SegmentSet.decide`, and the next instant at which
    there will be something to drop. When they were set is remembered, so that an old event does not bring them back.
    """
    gone, next_time = set[str](), NEVER
    for name, kept in program.retained.items():
        if name not in person.attributes:
            continue
        end = person.written.get(name, now) + kept
        if end > now:
            next_time = min(next_time, end)
            continue
        del person.attributes[name]
        gone |= {f"@{name}", *(f"@{coarse}" for coarse in (program.coarser.get(name),) if coarse)}
    return gone, next_time


def compute(person: Person) -> None:
    """Set the attributes that only orders and purchases can set; also after a merge."""
    if person.orders:
        person.attributes["order_count"] = len(person.orders)
        value = sum((Decimal(entry[1]) for entry in person.orders.values()), Decimal(0))
        person.attributes["lifetime_value"] = float(value)
        person.attributes["average_order_value"] = float(round(value / len(person.orders), 2))
        if favourite := _favourite(person):
            person.attributes["favourite_category"] = favourite
    newest = sorted(person.purchases, key=lambda name: (-person.purchases[name], name))[:PURCHASES]
    if len(person.purchases) > PURCHASES:
        person.purchases = {name: person.purchases[name] for name in newest}
    if newest:
        person.attributes["purchase_history"] = newest


def _favourite(person: Person) -> str | None:
    """The category most orders had something of; of several the one ordered last, then the first in the alphabet."""
    found: dict[str, tuple[int, int]] = {}
    for at, _, _, *categories in person.orders.values():
        for category in categories:
            number, newest = found.get(category, (0, 0))
            found[category] = number + 1, max(newest, at)
    return min(found, key=lambda category: (-found[category][0], -found[category][1], category), default=None)


def _touched_by(name: str) -> tuple[str, ...]:
    match name:
        case "Order Completed":
            return tuple(COMPUTED)
        case "Product Viewed":
            return ("last_viewed_product", "last_viewed_category")
        case "Product Added to Wishlist":
            return ("last_wished_product",)
        case _:
            return ()


def _flag(person: Person, findings: Iterable[Sequence[str]], told: set[str]) -> None:
    """Enter what was found in an event: about the traits it set in place of what was known of them, else beside it."""
    kept = [known for known in person.flags if known.partition(":")[0] not in told]
    for code, pointer, hint in findings:
        about = pointer.removeprefix("/traits/")
        if about == pointer or about in told:
            kept.append(f"{code} {hint}".strip())
    person.flags = sorted(set(kept))


def _set(person: Person, name: str, value: Any, at: int) -> bool:
    """Set one attribute unless a later event has; whether it did."""
    last = person.written.get(name)
    if last is not None:
        if last > at or (last == at and _order_key(value) <= _order_key(person.attributes.get(name))):
            return False
    elif len(person.written) >= ATTRIBUTES:
        if "attributes:too-many" not in person.flags:
            person.flags.append("attributes:too-many")
        return False
    person.written[name] = at
    if value is None:
        person.attributes.pop(name, None)
    else:
        person.attributes[name] = value[:1000] if isinstance(value, (str, list)) else value
    return True


def _order_key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _order(person: Person, event: Event) -> None:
    properties = event.properties
    order = str(properties.get("order_id") or event.id)
    total = _money(properties.get("total", properties.get("revenue")))
    products = _products(properties)
    categories = sorted({str(p["category"])[:CATEGORY] for p in products if p.get("category")})
    entry = [event.at, str(total), str(properties.get("currency") or ""), *categories[:CATEGORIES]]
    known = person.orders.get(order)
    if known is None or known < entry:
        person.orders[order] = entry
        if len(person.orders) > ORDERS:
            del person.orders[min(person.orders, key=lambda o: person.orders[o][0])]
    _bought(person, [str(p[field]) for p in products for field in ("name", "category") if p.get(field)], event.at)
    if categories:
        _set(person, "last_purchase_category", categories[0], event.at)


def _bought(person: Person, names: list[str], at: int) -> None:
    for name in names:
        person.purchases[name] = max(at, person.purchases.get(name, at))


def _seen(person: Person, event: Event) -> None:
    if name := event.properties.get("name"):
        _set(person, "last_viewed_product", str(name), event.at)
    if category := event.properties.get("category"):
        _set(person, "last_viewed_category", str(category), event.at)


def _products(properties: dict[str, Any]) -> list[dict[str, Any]]:
    products = properties.get("products")
    return [p for p in products if isinstance(p, dict)] if isinstance(products, list) else []


def _money(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return amount if amount.is_finite() else Decimal(0)
