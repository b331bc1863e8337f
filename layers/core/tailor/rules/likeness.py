"""A person as a record that can be compared: which of what sources send tells people apart.

Whatever is known is used for this one purpose, declared or not, and goes nowhere else: what leaves the comparison are
levels and weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailor.kernel.person import Person

NAMES: Mapping[str, tuple[str, ...]] = {
    "first_name": ("first_name", "given_name"),
    "middle_name": ("middle_name",),
    "last_name": ("last_name", "family_name", "surname"),
    "dob": ("dob", "date_of_birth", "birthday", "birth_date", "birthdate"),
    "gender": ("gender", "sex"),
    "phone": ("phone", "phone_number", "mobile"),
    "email": ("email",),
    "street": ("street", "address1", "address_line_1", "street_address"),
    "city": ("city", "town"),
    "state": ("state", "region", "province"),
    "postcode": ("postcode", "postal_code", "zip", "zip_code"),
    "country": ("country_code", "country"),
    "national_id": ("national_id", "tax_id", "social_security_number"),
    "occupation": ("occupation", "job_title"),
}
"""Column of :data:`tailor.rules.matching.normalise.COLUMNS` → attributes it is read from, the first that is there."""
_PLACES = ("street", "city", "state", "postcode", "country")
_ADDRESSES = ("address", "billing_address", "default_address")
"""Attributes that hold an address as an object, with the same names inside."""
TELLING = frozenset({"name", *_ADDRESSES, *(name for names in NAMES.values() for name in names)})
"""Traits whose arrival makes a person worth comparing anew."""


def raw(person: Person) -> dict[str, str]:
    """The person as a raw record; of several addresses and phones the one seen last."""
    attributes = person.attributes
    found = {"record_id": person.id}
    for column, names in NAMES.items():
        found[column] = _first(attributes, names)
    for name in _ADDRESSES:
        if isinstance(inner := attributes.get(name), Mapping):
            for column in _PLACES:
                found[column] = found[column] or _first(inner, NAMES[column])
            break
        if isinstance(inner, str) and not found["street"]:
            found["street"] = inner
    if not found["first_name"] and not found["last_name"]:
        found["first_name"], _, found["last_name"] = _text(attributes.get("name")).rpartition(" ")
    for kind in ("email", "phone"):
        if values := person.identifiers.get(kind):
            found[kind] = values[-1]
    return found


def attribute_of(person: Person, column: str) -> str:
    """The attribute a column is read from, ``""`` where it is part of another one."""
    return next((name for name in NAMES[column] if _text(person.attributes.get(name))), "")


def comparable(record: Mapping[str, str]) -> bool:
    """Whether a raw record holds anything by which it could be somebody else's."""
    return any(record[column] for column in ("first_name", "last_name", "email", "phone", "national_id"))


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := _text(attributes.get(name)))), "")


def _text(value: Any) -> str:
    return str(value).strip()[:200] if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
