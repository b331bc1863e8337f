"""Who is who, exactly: normal forms of identifiers, the values that identify nobody, and what a merge makes of two."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tailor.kernel.event import Identifier
from tailor.kernel.history import NAMES, merged_entries
from tailor.kernel.journey import Journey
from tailor.kernel.person import MARKS, Person
from tailor.rules.consent import join
from tailor.rules.profile import compute

_ORDER = ("person", "user_id", "shopify_customer_id", "email", "phone", "anonymous_id")
_RANKS = {kind: rank for rank, kind in enumerate(_ORDER)}

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
_NOWHERE = frozenset({"test.com", "none.com", "noemail.com", "nomail.com", "email.test", "asdf.com", "fake.com"})
_NO_MAILBOX = frozenset(
    {"test", "none", "noemail", "no-email", "no", "nomail", "asdf", "fake", "null", "user", "email"}
)
"""``test@test.com`` is typed where an address is asked for and none is given: one of these at one of those."""
_ROLES = frozenset(
    {
        *("info", "sales", "support", "admin", "contact", "kontakt", "office", "hello", "help", "noreply", "no-reply"),
        *("donotreply", "webmaster", "postmaster", "abuse", "billing", "accounts", "enquiries", "team", "marketing"),
        *("hr", "jobs", "orders", "service", "reception", "shop", "press", "newsletter", "privacy", "feedback"),
    }
)
"""Mailboxes of a role, not of a person."""

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
    if type(value) is not str:
        if value is None or isinstance(value, (bool, float, dict, list)):
            return None
        value = str(value)
    return normal(kind, value)


@lru_cache(4096)
def normal(kind: str, text: str) -> Identifier | None:
    """:func:`identifier` of a text. It is read several times on its way: by the source, by the inspection."""
    text = text.strip()
    if len(text) > 320 or text.lower() in NOBODY or not text.isprintable():
        return None
    if kind == "email":
        text = text.lower().removeprefix("mailto:")
        return Identifier(kind, text) if _EMAIL.fullmatch(text) and len(text) <= 254 and not _made_up(text) else None
    if kind == "phone":
        text = _NOT_DIGITS.sub("", text)
        return Identifier(kind, text) if _PHONE.fullmatch(text) else None
    return Identifier(kind, text)


def _made_up(email: str) -> bool:
    mailbox, _, domain = email.partition("@")
    return domain in _NOWHERE and mailbox in _NO_MAILBOX


def impersonal(one: Identifier) -> bool:
    """Whether an identifier is a role's, as ``info@`` is: it tells where to write, and not who somebody is."""
    return one.kind == "email" and one.value.partition("@")[0] in _ROLES


def ordered(identifiers: list[Identifier | None]) -> tuple[Identifier, ...]:
    """The usable ones without repeats, in a fixed order of kinds; those of vendors before the last. Which is the
    stronger is for the programme to say."""
    found = [one for one in identifiers if one is not None]
    if len(found) > 1:
        found = sorted(dict.fromkeys(found), key=_rank)
    return tuple(found)


def _rank(one: Identifier) -> int:
    return _RANKS.get(one.kind, len(_RANKS) - 2)


def held(person: Person) -> list[Identifier]:
    """All identifiers of a person."""
    return [Identifier(kind, value) for kind, values in person.identifiers.items() for value in values]


def merge(into: Person, other: Person, journeys: Mapping[str, Journey]) -> Person:
    """``into`` with everything ``other`` was; both arguments stay as they are.

    Attributes: the later write wins. Consent: of each source the later choice, then the strictest. History: counted
    together. Journeys: see :func:`_enrolments`; nobody gets a letter twice. Memberships are decided again by the next
    step.

    Parameters
    ----------
    journeys : those in force, for their re-entry rules.
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
    join(merged, other)
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
    merged.finished = {
        key: max(into.finished.get(key, [-1]), other.finished.get(key, [-1]))
        for key in {**into.finished, **other.finished}
    }
    merged.enrolments = _enrolments(into, other, journeys)
    merged.owed = {**other.owed, **merged.owed}
    merged.letters = {**other.letters, **merged.letters}
    for key, reached in other.offers.items():
        merged.offers[key] = max(reached, merged.offers.get(key, reached))
    merged.marks = [*dict.fromkeys([*other.marks, *merged.marks])][-MARKS:]
    merged.aliases = [*dict.fromkeys([*merged.aliases, other.id, *other.aliases])]
    merged.flags = [*dict.fromkeys([*merged.flags, *other.flags])]
    merged.due = min(merged.due, other.due)
    compute(merged)
    return merged


def _enrolments(one: Person, other: Person, journeys: Mapping[str, Journey]) -> dict[str, dict[str, Any]]:
    """Of two enrolments in one journey the one that has come further goes on, of two as far the one that began first.

    One that would have been barred, had the two been one person all along, ends: what the other has finished they need
    not get again, unless the journey may be entered anew by then.
    """
    found: dict[str, dict[str, Any]] = {}
    for mine, its in ((one, other), (other, one)):
        for key, enrolment in mine.enrolments.items():
            if key in found and _progress(found[key]) >= _progress(enrolment):
                continue
            finished = its.finished.get(key)
            if finished is None or _apart(finished[0], enrolment["entered"], journeys.get(key.partition("#")[0])):
                found[key] = dict(enrolment)
    return found


def _progress(enrolment: Mapping[str, Any]) -> tuple[int, int, int]:
    return enrolment.get("turn", 0), enrolment["step"], -enrolment["entered"]


def _apart(finished: int, entered: int, journey: Journey | None) -> bool:
    """Whether one person could have begun a journey at both instants."""
    return journey is not None and journey.re_entry is not None and abs(entered - finished) >= max(1, journey.re_entry)
