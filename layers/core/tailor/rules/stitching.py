"""Whose an event is: what its identifiers, and those who hold them, make of each other.

Identifiers are taken from the strongest kind to the weakest. The holder of the strongest one that is held is at home.
What nobody holds is claimed for them, and who else is found joins them, unless that would be a conflict:

* a kind would be held more often than it may be, such as two user ids;
* what links the two is weaker than what tells them apart: two people with an e-mail address each, who share a phone
  or a browser, stay two;
* the value is known to be shared, or stands for nobody.

Where the home itself cannot be who the event names, because something stronger says otherwise, the event makes a
newcomer, or goes to nobody of those found. Each conflict is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tailor.kernel.event import Identifier
from tailor.kernel.identification import Identification
from tailor.rules.identity import impersonal

Held = Mapping[str, Sequence[str]]
"""Kind → values, as a person holds them."""


@dataclass(slots=True)
class Stitch:
    """What becomes of one event.

    ``home``: id of the person it goes to, ``None`` for somebody new. ``joins``: ids of people who become one with
    the home. ``claims``: identifiers the home newly takes. ``conflicts``: identifiers that led to somebody else, or
    that the home has no room for.
    """

    home: str | None = None
    joins: list[str] = field(default_factory=list)
    claims: list[Identifier] = field(default_factory=list)
    conflicts: list[Identifier] = field(default_factory=list)


def usable(
    identifiers: Sequence[Identifier], rules: Identification, shared: Collection[Identifier] = ()
) -> list[Identifier]:
    """The identifiers by which an event may be placed, strongest first.

    Those that stand for nobody are left out, and those that many share wherever there is another.
    """
    named = sorted((one for one in identifiers if not rules.nobody(one)), key=lambda one: rules.rank(one.kind))
    own = [one for one in named if one not in shared and not impersonal(one)]
    return own or named[:1]


def stitch(
    identifiers: Sequence[Identifier],
    holders: Mapping[Identifier, str],
    people: Mapping[str, Held],
    rules: Identification,
) -> Stitch:
    """Place an event.

    Parameters
    ----------
    identifiers : :func:`usable` ones.
    holders : identifier → id of its holder.
    people : id → what each holder holds.
    """
    anchor = next((one for one in identifiers if one in holders), None)
    unheld = [one for one in identifiers if one not in holders and one.kind != "person"]
    if anchor is None:
        return _take(Stitch(), {}, unheld, rules)
    home = holders[anchor]
    stronger = [one for one in unheld if rules.rank(one.kind) < rules.rank(anchor.kind)]
    if any(not _fits(people[home], one, anchor, rules) for one in stronger):
        found = _take(Stitch(), {}, unheld, rules)
        found.conflicts += [one for one in identifiers if one in holders]
        return found
    found = Stitch(home)
    mine = {kind: list(values) for kind, values in people[home].items()}
    for one in identifiers:
        other = holders.get(one)
        if other is None or other == home or other in found.joins:
            continue
        if _one_person(mine, people[other], one, rules):
            found.joins.append(other)
            for kind, values in people[other].items():
                mine[kind] = [*dict.fromkeys([*mine.get(kind, ()), *values])]
        else:
            found.conflicts.append(one)
    return _take(found, mine, unheld, rules)


def together(one: Held, other: Held, rules: Identification) -> str:
    """The kind of which the two hold more than one person may, ``""`` where they could be one person."""
    for kind in one.keys() & other.keys():
        if len({*one[kind], *other[kind]}) > max(rules.limit(kind), len(one[kind]), len(other[kind])):
            return kind
    return ""


def _take(found: Stitch, mine: Held, unheld: Sequence[Identifier], rules: Identification) -> Stitch:
    held = {kind: [*values] for kind, values in mine.items()}
    for one in unheld:
        values = held.setdefault(one.kind, [])
        if one.value in values:
            # Lost its claim, or is claimed by an event before this one in the same batch.
            found.claims.append(one)
        elif len(values) < rules.limit(one.kind):
            values.append(one.value)
            found.claims.append(one)
        else:
            found.conflicts.append(one)
    return found


def _fits(person: Held, one: Identifier, link: Identifier, rules: Identification) -> bool:
    """Whether a stronger identifier may be added on the word of a weaker one."""
    values = person.get(one.kind, ())
    if not values or one.value in values or link.kind == "person":
        return True
    return rules.meeting == "eager" and len(values) < rules.limit(one.kind)


def _one_person(mine: Held, other: Held, link: Identifier, rules: Identification) -> bool:
    """Whether two people who meet in one event may become one."""
    if together(mine, other, rules):
        return False
    if rules.meeting == "eager":
        return True
    return not any(
        rules.rank(kind) < rules.rank(link.kind) and mine[kind] and other[kind] and not {*mine[kind]} & {*other[kind]}
        for kind in mine.keys() & other.keys()
    )
