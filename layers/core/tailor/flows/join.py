"""Join: two likely duplicates become one person, in one transaction.

The transaction writes the person, leaves a pointer in place of who was taken in, repoints every identifier, keeps both
as they were for :mod:`tailor.flows.part`, and enters the decision. What was killed before it has changed nothing; what
was killed after it has only the row of the event to write, which the next attempt does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tailor.edges.duplicates import Duplicates, Pair
from tailor.edges.store import Store, Write
from tailor.kernel.errors import Rejected, Transient
from tailor.kernel.instants import NEVER
from tailor.kernel.person import Person
from tailor.rules import joining
from tailor.rules.compiled import Compiled
from tailor.rules.stitching import together

ATTEMPTS = 8


def join(pair: Pair, store: Store, compiled: Compiled, *, by: str, now: int) -> Person:
    """Make one person of a pair; a pair that is one already is answered as it is.

    Parameters
    ----------
    pair : with the weight and the reasons to be kept.
    by : who decided: ``night``, ``arrival`` or ``review``.

    Raises
    ------
    Rejected : somebody has it that the two be kept apart (409), they hold what one person cannot (409), or one of them
        is not there (404).
    Transient : others kept writing them first.
    """
    duplicates = Duplicates(store)
    for _ in range(ATTEMPTS):
        one, other = _read(pair, store)
        if one.id == other.id:
            return one
        if by != "review" and duplicates.apart(one, other):
            raise Rejected("the two are to be kept apart", code="kept-apart", status=409)
        if kind := together(one.identifiers, other.identifiers, compiled.program.identity):
            limit = compiled.program.identity.limit(kind)
            detail = (
                f"together they hold more than {limit} of {kind}; [identity.limits] of the programme allows no more"
            )
            raise Rejected(detail, code="conflicting-identifiers", status=409)
        joined = joining.join(
            one,
            other,
            compiled,
            origins=lambda person, name: _origin(person, name, store),
            why={"by": by, "weight": round(pair.weight, 2)},
            now=now,
        )
        about = {"by": by, "weight": round(pair.weight, 2), "reasons": pair.reasons}
        write = Write(
            joined.person,
            joined.effects.pack(),
            absorbed=[joined.other],
            consents=tuple(joined.effects.consents),
            had_due=joined.mine.due < NEVER,
            changed=True,
            before=joined.mine,
            also=[
                *duplicates.settled(Pair(pair.one, pair.other, "join", pair.weight, pair.reasons, by, now)),
                duplicates.log(now, joined.mine.id, joined.other.id, about),
            ],
        )
        if not store.write([write], now=now):
            store.put_events([(joined.person, joined.event)])
            duplicates.forget_keys(joined.other.id)
            return joined.person
    raise Transient("others kept writing the two first")


def _read(pair: Pair, store: Store) -> tuple[Person, Person]:
    loaded = store.people([pair.one, pair.other], consistent=True)
    found = [loaded.people.get(loaded.moved.get(id, id)) for id in (pair.one, pair.other)]
    if found[0] is None or found[1] is None:
        raise Rejected("one of the two is not there any more", code="not-found", status=404)
    return found[0], found[1]


def _origin(person: Person, name: str, store: Store) -> str:
    """The source of the newest event that brought a value; asked only where the programme trusts some more."""
    return next((event.source for event in store.events(person, newest_first=True) if name in event.traits), "")


def join_all(pairs: Iterable[Pair], store: Store, compiled: Compiled, *, by: str, clock: Callable[[], int]) -> int:
    """:func:`join` all that may be; answers how many were.

    Two who hold together what one person cannot are two people, however alike they are; those who are to be kept
    apart, or are gone, stay as they are.
    """
    joined = 0
    for pair in pairs:
        try:
            join(pair, store, compiled, by=by, now=clock())
        except Rejected as refused:
            if refused.code not in ("conflicting-identifiers", "kept-apart", "not-found", "too-many-identifiers"):
                raise
        else:
            joined += 1
    return joined
