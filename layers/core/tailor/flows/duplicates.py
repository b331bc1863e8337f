"""Duplicates: pairs of people who may be one, side by side, and what was decided about them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tailor.edges.duplicates import Duplicates, Pair
from tailor.edges.store import Store
from tailor.flows.join import join
from tailor.flows.part import part
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import iso
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.likeness import attribute_of, raw
from tailor.rules.whatif import Due, difference, letters

FIELDS = {
    "first": "first_name",
    "last": "last_name",
    "middle": "middle_name",
    "suffix": "last_name",
    "birth": "dob",
    "gender": "gender",
    "email": "email",
    "phone": "phone",
    "address": "street",
    "national": "national_id",
    "occupation": "occupation",
}
"""Field of a comparison → column it rests on (an address on more than one)."""


def waiting(store: Store, *, limit: int) -> list[dict[str, Any]]:
    """Pairs to be looked at, the likeliest first: see :func:`_told`."""
    return [_told(pair) for pair in Duplicates(store).review(limit=limit)]


def merged(store: Store, *, limit: int) -> list[dict[str, Any]]:
    """Merges of likely duplicates, the newest first, with what has become of them."""
    found = []
    for one in Duplicates(store).merged(limit=limit):
        state = "undone" if one.get("undone") else "joined"
        pair = Pair(one["person"], one["other"], state, one["weight"] or 0.0, one["reasons"], one["by"], one["at"])
        found.append(_told(pair))
    return found


def show(id: str, store: Store, compiled: Compiled, *, now: int) -> dict[str, Any]:
    """A pair side by side, field by field, with the letters that depend on whether the two are one.

    Of two who have been joined each is shown as before. A value is shown where the programme declares its attribute;
    of others only how they compare.

    Raises
    ------
    Rejected : no such pair (404).
    """
    duplicates = Duplicates(store)
    pair = _pair(id, duplicates)
    people = _both(pair, store, duplicates)
    reasons = {name: (level, weight) for name, level, weight in pair.reasons}
    values = [raw(person) for person in people]
    fields = []
    for name, column in FIELDS.items():
        level, weight = reasons.get(name, ("", 0.0))
        shown = [
            _shown(value[column], column, person, compiled.program)
            for value, person in zip(values, people, strict=True)
        ]
        if level or any(value[column] for value in values):
            fields.append({"field": name, "one": shown[0], "other": shown[1], "level": level, "weight": weight})
    return {
        **_told(pair),
        "people": [
            {"id": person.id, "identifiers": person.identifiers, "version": person.version} for person in people
        ],
        "fields": fields,
        "what_if": _what_if(people, store, compiled, now=now),
    }


def merge(id: str, store: Store, compiled: Compiled, *, now: int) -> dict[str, Any]:
    """Make one person of a pair.

    Raises
    ------
    Rejected : they cannot be one, and why.
    """
    person = join(_pair(id, Duplicates(store)), store, compiled, by="review", now=now)
    return {"state": "joined", "people": [person.id]}


def keep_apart(id: str, store: Store, *, now: int) -> dict[str, Any]:
    """Never ask about a pair again, and never join them without being told to.

    Raises
    ------
    Rejected : they are one person (409): undo that, which keeps them apart as well.
    """
    duplicates = Duplicates(store)
    pair = _pair(id, duplicates)
    loaded = store.people([pair.one, pair.other], consistent=True)
    if len({loaded.moved.get(one, one) for one in (pair.one, pair.other)}) < 2:
        detail = "the two are one person: undo the merge, which keeps them apart as well"
        raise Rejected(detail, code="merged", status=409)
    duplicates.keep_apart(Pair(pair.one, pair.other, "apart", pair.weight, pair.reasons, "review", now, pair.band))
    return {"state": "apart", "people": [pair.one, pair.other]}


def undo(id: str, store: Store, compiled: Compiled, *, now: int) -> dict[str, Any]:
    """Make two people again of a pair that was merged, and keep them apart.

    Raises
    ------
    Rejected : they were not merged (404), or another merge has to be undone first (409).
    """
    one, other = _ids(id)
    duplicates = Duplicates(store)
    # Whoever was taken in leaves a pointer to who took them in.
    person, gone = (one, other) if duplicates.into(other) == one else (other, one)
    people = part(person, gone, store, compiled, by="review", now=now)
    return {"state": "apart", "people": [person.id for person in people]}


def _ids(id: str) -> tuple[str, str]:
    one, dot, other = id.partition(".")
    if not dot or not one or not other or one == other:
        raise Rejected("a pair is two ids with a dot between: p_….p_…", code="bad-pair", status=404)
    return one, other


def _pair(id: str, duplicates: Duplicates) -> Pair:
    """What is known of a pair; anybody may be paired with anybody by hand."""
    one, other = sorted(_ids(id))
    return duplicates.pair(one, other) or Pair(one, other, "review", by="hand")


def _both(pair: Pair, store: Store, duplicates: Duplicates) -> tuple[Person, Person]:
    """Both people; of two who have been merged each as before."""
    for mine, other in ((pair.one, pair.other), (pair.other, pair.one)):
        if duplicates.into(other) == mine:
            merge = next((one for one in duplicates.merges(mine) if one.other.id == other), None)
            if merge is not None:
                return (merge.mine, merge.other) if mine == pair.one else (merge.other, merge.mine)
    loaded = store.people([pair.one, pair.other], consistent=True)
    found = [loaded.people.get(loaded.moved.get(id, id)) for id in (pair.one, pair.other)]
    if found[0] is None or found[1] is None:
        raise Rejected("one of the two is not there; list pairs with GET /api/duplicates", code="not-found", status=404)
    return found[0], found[1]


def _shown(value: str, column: str, person: Person, program: Program) -> str | None:
    """A value as it may be shown, ``None`` where there is none, ``…`` where there is one that is not to be seen."""
    if not value:
        return None
    if column in person.identifiers:
        return value
    known = program.attributes.get(attribute_of(person, column))
    return "…" if known is None or known.klass == "sensitive" else value


def _told(pair: Pair) -> dict[str, Any]:
    """``{"id", "one", "other", "state", "band", "weight", "probability", "reasons", "by", "at"}``."""
    return {
        "id": pair.id,
        "one": pair.one,
        "other": pair.other,
        "state": pair.state,
        "band": pair.band,
        "weight": round(pair.weight, 2),
        "probability": round(1 / (1 + math.exp(-max(min(pair.weight, 50.0), -50.0))), 4),
        "reasons": [{"field": name, "level": level, "weight": weight} for name, level, weight in pair.reasons],
        "by": pair.by,
        "at": iso(pair.at) if pair.at else None,
    }


def _what_if(people: tuple[Person, Person], store: Store, compiled: Compiled, *, now: int) -> Mapping[str, Any]:
    """By the program in force: letters that only two people would have got by now, and those that only one would."""
    histories = [list(store.events(person)) for person in people]
    apart = [due for events in histories for due in letters(events, compiled, now=now)]
    together = letters([event for events in histories for event in events], compiled, now=now)
    only_two, only_one, _ = difference(apart, together)

    def told(dues: list[Due]) -> list[dict[str, Any]]:
        return [{**due.to_json(), "at": iso(due.at)} for due in dues]

    return {"as_two": told(only_two), "as_one": told(only_one)}
