"""The gate: what of a person a purpose may see. Rules, templates and everything else read a person only through it.

Later changes win; at the same instant the stricter one does, so the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tailor.kernel.event import ConsentChange
from tailor.kernel.person import History, Person
from tailor.kernel.program import Program

STRICTNESS = {"granted": 0, "pending": 1, "denied": 2, "withdrawn": 3}


@dataclass(slots=True)
class View:
    """What a purpose may see of a person: what it may not is absent, as if it had never been known.

    ``attributes``: name → value; ``history``: see :data:`tailor.kernel.person.History`; ``consent``: ``purpose`` or
    ``purpose:topic`` → grant (a person's own choices hide from nobody). ``id``: of the person; ``identifiers``: the
    kinds they have, never the values.
    """

    attributes: dict[str, Any]
    history: History
    consent: dict[str, list[Any]]
    id: str = ""
    identifiers: Collection[str] = ()


def view(person: Person, purpose: str, program: Program, *, now: int) -> View:
    """Look at ``person`` for ``purpose``, at ``now``.

    Undeclared attributes are invisible to every purpose, sensitive ones too; where the purpose itself is not
    permitted nothing is seen.
    """
    if not permits(person, purpose, program, now=now):
        return View({}, {}, person.consent)
    declared = program.permitted.get(purpose, frozenset())
    seen = person.attributes
    if not seen.keys() <= declared:
        seen = {name: value for name, value in seen.items() if name in declared}
    return View(seen, person.history, person.consent, person.id, person.identifiers.keys())


def permits(person: Person, purpose: str, program: Program, *, topic: str = "", now: int) -> bool:
    """Whether ``purpose`` (and, inside it, ``topic``) may be served at ``now``.

    A purpose on the basis of consent needs a grant, of the purpose or of the topic; any other holds until the person
    objects. A refusal of the whole purpose outweighs a grant of one topic.
    """
    basis = program.purposes.get(purpose)
    if basis is None:
        return False
    whole = grant_of(person, purpose)
    part = grant_of(person, purpose, topic) if topic else None
    if whole in ("denied", "withdrawn") or part in ("denied", "withdrawn"):
        return False
    return basis.basis != "consent" or "granted" in (whole, part)


def grant_of(person: Person, purpose: str, topic: str = "") -> str | None:
    """The grant in force, ``None`` where the person was never asked."""
    entry = person.consent.get(f"{purpose}:{topic}" if topic else purpose)
    return str(entry[0]) if entry else None


def fold(person: Person, change: ConsentChange, *, at: int, source: str) -> bool:
    """Enter one change; false if what is in force is newer, or as new and at least as strict."""
    key = f"{change.purpose}:{change.topic}" if change.topic else change.purpose
    known = person.consent.get(key)
    if known and (known[1], STRICTNESS[known[0]]) >= (at, STRICTNESS[change.grant]):
        return False
    person.consent[key] = [change.grant, at, source]
    return True
