"""Dedup: every identifier of a person is claimed for that person.

The ledger holds one claim an identifier, so two people cannot be made for the same one. This walk heals what else can
come about: a claim that was lost is made again, and people of whom one holds what the ledger says is the other's are
joined, by the same rules as at the door.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import batched

from tailor.edges.store import Store
from tailor.flows.absorb import absorb
from tailor.kernel.event import Event, Identifier
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.identity import held, ordered

PAGE = 50


def dedup(
    store: Store,
    compiled: Compiled,
    *,
    new_id: Callable[[int], str],
    now: int,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """Walk all people; answers how many were mended. ``enough`` answers true when the time left is too short."""
    mended = 0
    for page in batched(store.everybody(), PAGE, strict=False):
        events = [_check(person, now) for person in _at_odds(page, store)]
        if events:
            absorb(events, store, compiled, new_id=new_id, now=now)
            mended += len(events)
        if enough():
            break
    return mended


def _at_odds(page: Sequence[Person], store: Store) -> list[Person]:
    claims = store.claims({one for person in page for one in held(person)}, consistent=True)
    return [person for person in page if any(claims.get(one) != person.id for one in held(person))]


def _check(person: Person, now: int) -> Event:
    return Event(
        id=digest("dedup", person.id, str(person.version)),
        kind="identify",
        name="Identity Checked",
        at=now,
        received=now,
        source="tailor",
        identifiers=ordered([Identifier("person", person.id), *held(person)]),
    )
