"""Two likely duplicates become one person, and two again.

Joining differs from the merge that one event proves (:func:`tailor.rules.identity.merge`) in what it rests on: a
likelihood. So the stricter consent of the two holds, whichever is newer, and which of two values remains is for the
programme to say. Parting restores both as they were, and gives each what has happened since by whose identifiers it
named; no letter that went out while they were one goes out again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.identification import Identification
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.consent import STRICTNESS
from tailor.rules.effects import Effects
from tailor.rules.identity import held, merge
from tailor.rules.profile import COMPUTED, compute
from tailor.rules.step import chain_choice, step

MERGED = "Profiles Merged"
PARTED = "Profiles Parted"
_ANSWERS = ("Email Clicked", "Email Opened", "Email Delivered")

Origins = Callable[[Person, str], str]
"""The source that brought a person's value of an attribute, ``""`` where nobody knows."""


@dataclass(slots=True)
class Decided:
    """A person as decided, and what that owes."""

    person: Person
    effects: Effects


@dataclass(slots=True)
class Joined(Decided):
    """``mine`` has taken in ``other``, both as read; ``event`` tells so."""

    mine: Person
    other: Person
    event: Event


@dataclass(slots=True)
class Parted:
    """Two people again; ``repointed`` are the identifiers of ``other``."""

    mine: Decided
    other: Decided
    repointed: list[Identifier]
    moved: list[Event]


def senior(one: Person, other: Person, rules: Identification) -> tuple[Person, Person]:
    """(who takes in, who is taken in): the stronger identifier first, then whom we have known longer."""

    def order(person: Person) -> tuple[int, str]:
        return min((rules.rank(kind) for kind, values in person.identifiers.items() if values), default=99), person.id

    first, second = sorted((one, other), key=order)
    return first, second


def join(
    one: Person, other: Person, compiled: Compiled, *, origins: Origins, why: Mapping[str, Any], now: int
) -> Joined:
    """One person of two. ``why`` goes into the event that tells of it."""
    rules = compiled.program.identity
    mine, theirs = senior(one, other, rules)
    merged = merge(mine, theirs, compiled.program.journeys)
    _survive(merged, mine, theirs, rules, origins)
    if verified(theirs) and not verified(mine) and (address := theirs.email()):
        addresses = merged.identifiers["email"]
        addresses.append(addresses.pop(addresses.index(address)))
    merged.program = ""
    event = Event(
        id=digest("merged", mine.id, str(mine.version), theirs.id, str(theirs.version)),
        kind="track",
        name=MERGED,
        at=now,
        received=now,
        source="tailor",
        identifiers=(Identifier("person", mine.id),),
        properties={"with": theirs.id, **why},
        consent=tuple(_stricter(mine, theirs, merged)),
    )
    person, effects = step(merged, [event], compiled, now=now)
    return Joined(person, effects, mine, theirs, event)


def verified(person: Person) -> bool:
    """Whether letters to a person are known to arrive."""
    return person.attributes.get("email_verified") is True or any(name in person.history for name in _ANSWERS)


def _stricter(one: Person, other: Person, merged: Person) -> list[ConsentChange]:
    """What the later choice would leave more open than the stricter of the two."""
    found = []
    for key in sorted(one.consent.keys() & other.consent.keys()):
        strictest = max(one.consent[key][0], other.consent[key][0], key=STRICTNESS.__getitem__)
        if merged.consent[key][0] != strictest:
            purpose, _, topic = key.partition(":")
            found.append(ConsentChange(purpose, strictest, topic))
    return found


def _survive(merged: Person, mine: Person, other: Person, rules: Identification, origins: Origins) -> None:
    """Where the programme says so, another value than the most recent remains."""
    if not rules.survivorship:
        return
    for name in (mine.attributes.keys() & other.attributes.keys()) - COMPUTED:
        values = {person.id: person.attributes[name] for person in (mine, other)}
        older, newer = sorted((mine, other), key=lambda person: (person.written.get(name, -1), person.id))
        match rules.survives(name):
            case "oldest":
                merged.attributes[name] = values[older.id]
            case "union" if all(isinstance(value, list) for value in values.values()):
                merged.attributes[name] = [*dict.fromkeys([*values[newer.id], *values[older.id]])]
            case "verified":
                better = older if verified(older) and not verified(newer) else newer
                merged.attributes[name] = values[better.id]
            case "trusted":
                trust = {person.id: _trust(origins(person, name), rules) for person in (older, newer)}
                better = older if trust[older.id] < trust[newer.id] else newer
                merged.attributes[name] = values[better.id]
            case _:
                pass
    compute(merged)


def _trust(source: str, rules: Identification) -> int:
    return rules.trusted.index(source) if source in rules.trusted else len(rules.trusted)


# ---- and back


def part(
    whole: Person,
    mine: Person,
    other: Person,
    rest: Sequence[Person],
    since: Sequence[Event],
    compiled: Compiled,
    *,
    merged_at: int,
    now: int,
) -> Parted:
    """Two people of ``whole``.

    Parameters
    ----------
    mine, other : as they were before the merge.
    rest : others that were taken in in the same moment, and stay.
    since : what was absorbed after it, in any order.
    merged_at : the instant of the merge.
    """
    base = reduce(lambda person, one: merge(person, one, compiled.program.journeys), rest, mine)
    ours, theirs, known = _assign([event for event in since if event.name != MERGED], base, other)
    first, second = base.copy(), other.copy()
    first.version, second.version = whole.version, other.version + 1
    first.consent_head = whole.consent_head
    for one in held(whole):
        person = second if one in known else first
        values = person.identifiers.setdefault(one.kind, [])
        if one.value not in values:
            values.append(one.value)
    _carry_on(whole, first, second, fresh_to=second if theirs and not ours else first, merged_at=merged_at)
    parts = []
    for person, events in ((first, ours), (second, theirs)):
        person.program = ""
        event = _parted(person, first if person is second else second, whole, now)
        after, effects = step(person, [*events, event], compiled, now=now, replay=True)
        parts.append(Decided(after, effects))
    _restate(whole, parts[0], now)
    _own_attributes(whole, parts, merged_at)
    return Parted(parts[0], parts[1], [one for one in held(whole) if one in known], theirs)


def _parted(person: Person, other: Person, whole: Person, now: int) -> Event:
    return Event(
        id=digest("parted", person.id, other.id, str(whole.version)),
        kind="track",
        name=PARTED,
        at=now,
        received=now,
        source="tailor",
        identifiers=(Identifier("person", person.id),),
        properties={"from": other.id},
    )


def _assign(since: Sequence[Event], mine: Person, other: Person) -> tuple[list[Event], list[Event], set[Identifier]]:
    """(events of mine, events of the other, identifiers of the other). Who is named by nothing known is mine; what
    comes with a known identifier belongs where that does."""

    def names(person: Person) -> set[Identifier]:
        return {*held(person), *(Identifier("person", id) for id in (person.id, *person.aliases))}

    own, its = names(mine), names(other)
    ours: list[Event] = []
    theirs: list[Event] = []
    for event in sorted(since, key=lambda e: (e.at, e.id)):
        told = [*event.identifiers]
        if recipient := event.properties.get("recipient"):
            # To whom a letter went says more than whose it was called.
            told.insert(0, Identifier("email", str(recipient).lower()))
        side = next((one in its for one in told if one in its or one in own), False)
        (theirs if side else ours).append(event)
        (its if side else own).update(one for one in event.identifiers if one not in own and one not in its)
    return ours, theirs, {one for one in its if one.kind != "person"}


def _carry_on(whole: Person, first: Person, second: Person, *, fresh_to: Person, merged_at: int) -> None:
    """Journeys and letters as they have become: what was begun goes on with whom it is, and nothing is begun again."""
    was = {**second.enrolments, **first.enrolments}
    for person, other in ((first, second.copy()), (second, first.copy())):
        for key, enrolment in list(person.enrolments.items()):
            now_at = whole.enrolments.get(key)
            if now_at is not None and now_at["entered"] == enrolment["entered"]:
                person.enrolments[key] = dict(now_at)
            elif now_at is None or now_at != other.enrolments.get(key):
                # It went on as the other's, or has ended: its letters have been sent.
                del person.enrolments[key]
                parted = [enrolment["entered"], merged_at, "parted"]
                person.finished[key] = max(parted, person.finished.get(key, [-1]))
        person.owed = {message: dict(whole.owed[message]) for message in person.owed if message in whole.owed}
        person.letters |= {message: entry for message, entry in whole.letters.items() if entry[0] >= merged_at}
        for key, ended in whole.finished.items():
            if ended[0] >= merged_at:
                person.finished[key] = max(ended, person.finished.get(key, [-1]))
    owed_before = first.owed.keys() | second.owed.keys()
    for key, enrolment in whole.enrolments.items():
        if key not in was and key not in fresh_to.enrolments:
            fresh_to.enrolments[key] = dict(enrolment)
    for message, owed in whole.owed.items():
        if message not in owed_before:
            fresh_to.owed[message] = dict(owed)


def _restate(whole: Person, mine: Decided, now: int) -> None:
    """The chain of ``mine`` went on while the two were one; it ends with what holds again."""
    person = mine.person
    for key, (grant, at, source) in sorted(person.consent.items()):
        known = whole.consent.get(key)
        if known is None or known[0] == grant:
            continue
        purpose, _, topic = key.partition(":")
        about = {"at": at, "received": now, "source": source, "event": digest("parted", whole.id, str(whole.version))}
        chain_choice(person, ConsentChange(purpose, grant, topic), {**about, "how": {"restored": PARTED}}, mine.effects)


def _own_attributes(whole: Person, parts: Sequence[Decided], merged_at: int) -> None:
    """What journeys have set since, which no event tells of, stays with the first."""
    mine = parts[0].person
    for name, at in whole.written.items():
        if at > merged_at and all(at > one.person.written.get(name, -1) for one in parts):
            mine.written[name] = at
            if name in whole.attributes:
                mine.attributes[name] = whole.attributes[name]
            else:
                mine.attributes.pop(name, None)
