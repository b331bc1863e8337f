"""Quality: what is wrong with an event, and what was put right in it.

:func:`inspect` looks at an event once, at the door. Nothing is put right silently: ``context.quality`` of the event
says under ``changed`` what each value was and is, and under ``findings`` what else was found, each as
``[code, pointer, hint]``. A finding about a trait becomes a flag of the person with the trait, and goes when another
value takes its place; any other stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from tailor.kernel.event import Event, Identifier
from tailor.kernel.values import money
from tailor.rules.identity import identifier, ordered
from tailor.rules.quality import mail
from tailor.rules.quality.codes import COUNTRIES, CURRENCIES

PHONES = ("phone", "mobile_phone", "phone_number")
BIRTHDAYS = ("birthday", "birth_date", "birthdate", "date_of_birth", "dob")
ORDERS = frozenset({"Order Completed", "Order Paid", "Order Updated", "Order Refunded", "Checkout Started"})
_LOOKED_AT = frozenset({"country", "email", *PHONES, *BIRTHDAYS})
"""Traits that are inspected."""
AGED = 120
"""Years nobody reaches."""
CHILD = 16
"""Years below which a parent has to agree (GDPR, article 8)."""
ANCIENT = 946_684_800_000
"""2000-01-01: an earlier event is a clock that was never set."""
LINES = 50
"""Lines of an order that are added up."""

_ISO = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ].*)?")
_WRITTEN = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_YEARLY = re.compile(r"(?:--)?\d{2}[/-]\d{2}")


@dataclass(slots=True)
class Notes:
    """What was found in one event, and what was put right."""

    findings: list[list[str]] = field(default_factory=list)
    changed: dict[str, list[Any]] = field(default_factory=dict)

    def find(self, code: str, pointer: str, hint: str = "") -> None:
        """Enter a finding; ``code`` is ``field:what``."""
        self.findings.append([code, pointer, hint])


def inspect(event: Event) -> Event:
    """The event, with its values in their normal forms and a record of what was found and changed."""
    notes = Notes()
    traits, people = event.traits, event.identifiers
    if not _LOOKED_AT.isdisjoint(traits):
        traits, people = _traits(event, notes)
    if event.name in ORDERS:
        _order(event.properties, notes)
    if event.context.get("clock") == "far ahead":
        notes.find("time:future", "/at", "the sender's clock is more than an hour ahead; the time of arrival stands")
    elif event.at < ANCIENT:
        notes.find("time:ancient", "/at", "the sender's clock was probably never set")
    if not (notes.findings or notes.changed):
        return event
    said = {name: value for name, value in (("findings", notes.findings), ("changed", notes.changed)) if value}
    context = {**event.context, "quality": said}
    # Every field by name costs a fifth of what dataclasses.replace does.
    return Event(
        id=event.id,
        kind=event.kind,
        name=event.name,
        at=event.at,
        received=event.received,
        source=event.source,
        identifiers=people,
        traits=traits,
        properties=event.properties,
        context=context,
        consent=event.consent,
    )


def _traits(event: Event, notes: Notes) -> tuple[dict[str, Any], tuple[Identifier, ...]]:
    """Traits in normal form, and the identifiers that this makes of them."""
    traits, found = dict(event.traits), list[Identifier | None]()
    kinds = {one.kind for one in event.identifiers}

    def settle(name: str, value: Any) -> None:
        if traits[name] != value:
            notes.changed[f"/traits/{name}"] = [traits[name], value]
            traits[name] = value

    if isinstance(given := traits.get("country"), str) and given:
        _country(given, settle, notes)
    if isinstance(given := traits.get("email"), str) and given:
        held = Identifier("email", given.strip().lower())
        found.append(_email(given, held if held in event.identifiers else None, settle, notes))
    for name in PHONES:
        if isinstance(given := traits.get(name), str) and given:
            form = _phone(name, given, traits.get("country"), settle, notes)
            if form and "phone" not in kinds:
                found.append(identifier("phone", form))
    for name in BIRTHDAYS:
        if isinstance(given := traits.get(name), str) and given:
            _birthday(name, given, event.at, settle, notes)
    new = [one for one in found if one is not None and one.kind not in kinds]
    return traits, ordered([*event.identifiers, *new]) if new else event.identifiers


Settle = Callable[[str, Any], None]


def _email(given: str, held: Identifier | None, settle: Settle, notes: Notes) -> Identifier | None:
    """``held`` is the address as the source has already identified somebody by it."""
    one, wrong = (held, "") if held and mail.plain(held.value) else mail.normal(given)
    if one is None:
        notes.find("email:invalid", "/traits/email", wrong)
        return None
    settle("email", one.value)
    for what, hint in mail.suspicions(one.value):
        notes.find(f"email:{what}", "/traits/email", hint)
    return one


def _phone(name: str, given: str, country: Any, settle: Settle, notes: Notes) -> str:
    region = country if isinstance(country, str) and len(country) == 2 else ""
    form, wrong = phone(given, region)
    if wrong:
        notes.find(f"{name}:{wrong[0]}", f"/traits/{name}", wrong[1])
    if form:
        settle(name, form)
    return form


@lru_cache(4096)
def phone(given: str, region: str) -> tuple[str, tuple[str, str] | None]:
    """(E.164, what is wrong as (what, hint)) of a phone number; ``region`` is the country of a national one."""
    # Heavy, and most events have no phone.
    from tailor.rules.quality.dialling import dialled

    if plain := dialled(given, region):
        return plain, None
    import phonenumbers

    try:
        number = phonenumbers.parse(given, region or None)
    except phonenumbers.NumberParseException as error:
        unknown = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        if unknown and not region and not given.strip().startswith("+"):
            return "", ("no-country", "without its country code nobody knows whose number it is")
        return "", ("invalid", "it is not a phone number")
    if not phonenumbers.is_valid_number(number):
        return "", ("invalid", "no such number is given out")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None


def _country(given: str, settle: Settle, notes: Notes) -> None:
    code = COUNTRIES.get(given.strip().casefold())
    if code:
        settle("country", code)
    else:
        notes.find("country:unknown", "/traits/country", "neither a code of ISO 3166 nor a name of a country")


def _birthday(name: str, given: str, at: int, settle: Settle, notes: Notes) -> None:
    """An ISO date; written ones are taken only where day and month cannot be confused."""
    pointer, text = f"/traits/{name}", given.strip()
    if _YEARLY.fullmatch(text):
        return
    parts = _date_of(text)
    if parts is None:
        written = _WRITTEN.fullmatch(text)
        both = written and int(written[1]) <= 12 and int(written[3]) <= 12 and written[1] != written[3]
        what = ("ambiguous", "day and month may be either; write it as 1990-02-01") if both else ("unreadable", "")
        notes.find(f"{name}:{what[0]}", pointer, what[1])
        return
    day = datetime.fromtimestamp(at / 1000, UTC).date()
    age = day.year - parts.year - ((day.month, day.day) < (parts.month, parts.day))
    if not 0 <= age <= AGED:
        notes.find(f"{name}:impossible", pointer, f"an age of {age}")
    elif age < CHILD:
        notes.find(f"{name}:child", pointer, f"under {CHILD}: a parent has to agree")
    settle(name, parts.isoformat())


def _date_of(text: str) -> date | None:
    if found := _ISO.fullmatch(text):
        year, month, day = found.groups()
    elif found := _WRITTEN.fullmatch(text):
        first, _, second, year = found.groups()
        if int(first) <= 12 and int(second) <= 12 and first != second and "." not in text:
            return None
        # Dots are written in countries where the day comes first.
        day, month = (first, second) if int(first) > 12 or "." in text else (second, first)
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _order(properties: Mapping[str, Any], notes: Notes) -> None:
    currency = properties.get("currency")
    if isinstance(currency, str) and currency and currency.upper() not in CURRENCIES:
        notes.find("currency:unknown", "/properties/currency", "no code of ISO 4217")
    total = _about(properties.get("total", properties.get("revenue")))
    if total is not None and total < 0:
        notes.find("total:negative", "/properties/total", "an order is not paid out; is it a refund?")
    lines, whole = properties.get("products"), 0.0
    for index, line in enumerate(lines[:LINES] if isinstance(lines, list) else ()):
        if not isinstance(line, dict):
            continue
        price, quantity = _about(line.get("price")), _about(line.get("quantity"))
        if price is not None and price < 0:
            notes.find("price:negative", f"/properties/products/{index}/price")
        if quantity is not None and quantity < 0:
            notes.find("quantity:negative", f"/properties/products/{index}/quantity")
        whole += (price or 0) * (1 if quantity is None else quantity)
    if total is not None and total > 0 and whole > 0 and isinstance(lines, list) and len(lines) <= LINES:
        _unit(total / whole, notes)


def _unit(ratio: float, notes: Notes) -> None:
    """A total a hundred times its lines, or a hundredth of them, is one in another unit."""
    for low, high, what in ((80, 125, "minor units"), (0.008, 0.0125, "whole units")):
        if low <= ratio <= high:
            notes.find("total:unit", "/properties/total", f"it seems to be in {what}, and its lines are not")


def _about(value: Any) -> float | None:
    """An amount, near enough to see that it is in another unit; no sum of money is made of it."""
    found = money(value)
    return float(found) if found else None
