"""Who is who, exactly: normal forms of identifiers, the values that identify nobody, and their strength."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tailor.kernel.event import Identifier
from tailor.kernel.person import MARKS, NAMES, Person, merged_entries
from tailor.rules.consent import STRICTNESS
from tailor.rules.profile import compute

STRENGTH = ("person", "user_id", "shopify_customer_id", "email", "phone", "anonymous_id")
"""Kinds from the strongest to the weakest; a kind not listed stands before ``anonymous_id``."""

ONE_EACH = frozenset({"user_id", "shopify_customer_id"})
"""A person holds one value of these: two different ones mean two different people."""

NOBODY = frozenset(
    {
        "",
        "0",
        "-1",
        "null",
        "none",
        "nil",
        "undefined",
        "anonymous",
        "unknown",
        "guest",
        "n/a",
        "na",
        "test",
        "true",
        "false",
        "nan",
        "[object object]",
    }
)
"""Values that clients send for "no value" (compared in lower case)."""

_EMAIL = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x1f]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_NOT_DIGITS = re.compile(r"[\s().\-/]")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")


def identifier(kind: str, value: object) -> Identifier | None:
    """The normal form of a claimed identifier, or ``None`` where the value identifies nobody.

    E-mail addresses are folded to lower case and must be syntactically plausible; phones must be in international form
    (``+`` and digits; spaces, dots, hyphens and brackets are dropped); other values are trimmed and kept exactly.
    Numbers keep every digit.
    """
    if value is None or isinstance(value, (bool, float, dict, list)):
        return None
    text = str(value).strip()
    if len(text) > 320 or text.lower() in NOBODY or not text.isprintable():
        return None
    if kind == "email":
        text = text.lower().removeprefix("mailto:")
        return Identifier(kind, text) if _EMAIL.fullmatch(text) and len(text) <= 254 else None
    if kind == "phone":
        text = _NOT_DIGITS.sub("", text)
        return Identifier(kind, text) if _PHONE.fullmatch(text) else None
    return Identifier(kind, text)


def ordered(identifiers: list[Identifier | None]) -> tuple[Identifier, ...]:
    """The usable ones without repeats, strongest kind first."""
    return tuple(sorted(dict.fromkeys(i for i in identifiers if i is not None), key=strength))


def strength(one: Identifier) -> int:
    """Sort key: lower is stronger."""
    return STRENGTH.index(one.kind) if one.kind in STRENGTH else len(STRENGTH) - 2


def conflicting(person: Person, identifiers: Iterable[Identifier]) -> bool:
    """Whether taking these identifiers would give the person two values of a kind that allows one."""
    return any(
        one.kind in ONE_EACH and any(known != one.value for known in person.identifiers.get(one.kind, ()))
        for one in identifiers
    )


def held(person: Person) -> list[Identifier]:
    """All identifiers of a person."""
    return [Identifier(kind, value) for kind, values in person.identifiers.items() for value in values]


def merge(into: Person, other: Person) -> Person:
    """``into`` with everything ``other`` was; both arguments stay as they are.

    Attributes: the later write wins. Consent: the later choice, the stricter at the same instant. History: counted
    together. Journeys: the enrolment that began first goes on, so that nobody gets a letter twice. Memberships are
    decided again by the next step, which this forces.
    """
    merged = into.copy()
    for one in held(other):
        values = merged.identifiers.setdefault(one.kind, [])
        if one.value not in values:
            values.insert(0, one.value)
    for name, at in other.written.items():
        if at > merged.written.get(name, -1):
            merged.written[name] = at
            if name in other.attributes:
                merged.attributes[name] = other.attributes[name]
            else:
                merged.attributes.pop(name, None)
    for key, choice in other.consent.items():
        mine = merged.consent.get(key)
        if mine is None or (mine[1], STRICTNESS[mine[0]]) < (choice[1], STRICTNESS[choice[0]]):
            merged.consent[key] = choice
    for name, entry in other.history.items():
        known = merged.history.get(name)
        if known is not None:
            # All of both: how many the rules need is known when the next one is counted.
            merged.history[name] = merged_entries(known, entry, name)
        elif len(merged.history) < NAMES:
            merged.history[name] = entry
    merged.orders = {**other.orders, **merged.orders}
    for product, at in other.purchases.items():
        merged.purchases[product] = max(at, merged.purchases.get(product, at))
    for key, since in other.memberships.items():
        merged.memberships[key] = min(since, merged.memberships.get(key, since))
    for key, enrolment in other.enrolments.items():
        mine_too = merged.enrolments.get(key)
        if mine_too is None or enrolment["entered"] < mine_too["entered"]:
            merged.enrolments[key] = dict(enrolment)
    for key, at in other.finished.items():
        merged.finished[key] = max(at, merged.finished.get(key, at))
        merged.enrolments.pop(key, None)
    for key in into.finished:
        merged.enrolments.pop(key, None) if key in other.enrolments and key not in into.enrolments else None
    merged.owed = {**other.owed, **merged.owed}
    merged.letters = {**other.letters, **merged.letters}
    merged.marks = [*dict.fromkeys([*other.marks, *merged.marks])][-MARKS:]
    merged.aliases = [*dict.fromkeys([*merged.aliases, other.id, *other.aliases])]
    merged.flags = [*dict.fromkeys([*merged.flags, *other.flags])]
    merged.due = min(merged.due, other.due)
    compute(merged)
    return merged
