"""Absorb: who did it, what does it make of them, write it down.

A batch is decided together: one read of the identifiers, one of the people, one step and one version-checked write for
each person, however many of the events are theirs. The order of the writes makes every stop harmless:

1. message states, suppressions and requests for erasure: they only ever move one way, so repeating them changes
   nothing;
2. people, with their consent rows and new identifiers in one transaction, and the outbox inside;
3. event rows: keyed by what they are, and written for known events too, so that a run after a stop completes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tailor.edges.store import Loaded, Store, Write
from tailor.flows.erase import request_erasure
from tailor.kernel.errors import Transient
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import NEVER
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.effects import Effects
from tailor.rules.identity import conflicting, held, merge
from tailor.rules.step import step

ATTEMPTS = 8
"""Rounds of reload-and-decide-again before the batch goes back to the queue."""


@dataclass(slots=True, eq=False)
class Member:
    """One person of the batch.

    ``person`` is a working copy that already holds what the batch brings in identifiers and merges; ``claims`` are the
    identifiers new to the ledger, ``absorbed`` the people merged into this one, as they were read.
    """

    person: Person
    claims: dict[Identifier, None] = field(default_factory=dict)
    absorbed: list[Person] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    had_due: bool = False

    def take(self, identifiers: Sequence[Identifier]) -> None:
        """Claim identifiers nobody holds; rules may ask whether there are some, so all are decided again."""
        if identifiers:
            self.person.program = ""
        for one in identifiers:
            self.claims[one] = None
            values = self.person.identifiers.setdefault(one.kind, [])
            if one.value not in values:
                values.append(one.value)


def absorb(
    events: Sequence[Event], store: Store, compiled: Compiled, *, new_id: Callable[[int], str], now: int
) -> list[tuple[Person, Effects]]:
    """Absorb events, each exactly once in effect; answers the people as written with what they owe.

    Raises
    ------
    Transient : other workers kept writing the same people first; what was written stays, the rest is to be run again.
    """
    done: list[tuple[Person, Effects]] = []
    pending = list(events)
    for attempt in range(ATTEMPTS):
        decided = [
            _decide(member, compiled, now)
            for member in _identify(pending, store, consistent=attempt > 0, new_id=new_id, now=now)
        ]
        news = [one for one in decided if one.write is not None]
        _settle(news, store, now)
        lost = {id(write) for write in store.write([one.write for one in news if one.write], now=now)}
        kept = [one for one in decided if id(one.write) not in lost]
        store.put_events((one.person.id, event) for one in kept for event in one.member.events)
        done += [(one.person, one.effects) for one in kept]
        pending = [event for one in decided if id(one.write) in lost for event in one.member.events]
        if not pending:
            return done
    raise Transient(f"{len(pending)} events lost every race for their people")


@dataclass(slots=True)
class Decision:
    """What the batch makes of one member; ``write`` is ``None`` where everything was known before."""

    member: Member
    person: Person
    effects: Effects
    write: Write | None


def _decide(member: Member, compiled: Compiled, now: int) -> Decision:
    known = not member.claims and not member.absorbed and all(e.mark in member.person.marks for e in member.events)
    if known:
        return Decision(member, member.person, Effects(), None)
    person, effects = step(member.person, member.events, compiled, now=now)
    write = Write(
        person, effects.pack(), tuple(member.claims), tuple(member.absorbed), tuple(effects.consents), member.had_due
    )
    return Decision(member, person, effects, write)


def _settle(decided: Sequence[Decision], store: Store, now: int) -> None:
    for one in decided:
        for message, state, at in one.effects.moves:
            for id in (one.person.id, *one.person.aliases):
                if store.settle(id, message, state, now=at):
                    break
        for email, why in one.effects.suppressed:
            store.suppress(email, why, now=now)
        for at, source in one.effects.erasures:
            request_erasure(one.person.id, store, how=source, now=at)


def _identify(
    events: Sequence[Event], store: Store, *, consistent: bool, new_id: Callable[[int], str], now: int
) -> list[Member]:
    """Find or make the person of every event.

    Events are taken in their order. One whose identifiers belong to several people joins them, unless that would give
    somebody two values of a kind that allows one; then it goes to the holder of its strongest identifier and takes
    along only identifiers nobody holds.
    """
    known = store.claims({i for e in events for i in e.identifiers if i.kind != "person"}, consistent=consistent)
    direct = {i.value for e in events for i in e.identifiers if i.kind == "person"}
    loaded = store.people({*known.values(), *direct}, consistent=consistent)
    members = {id: Member(person.copy(), had_due=person.due < NEVER) for id, person in loaded.people.items()}
    holders: dict[Identifier, Member] = {}
    for one, id in (*known.items(), *((Identifier("person", id), id) for id in direct)):
        if (member := members.get(loaded.moved.get(id, id))) is not None:
            holders[one] = member
    for event in sorted(events, key=lambda e: (e.at, e.id)):
        if any(event.received <= known.erased.get(one, -1) for one in event.identifiers):
            # It was under way when its person was erased, and must not bring them back.
            continue
        holder = _holder(event, holders, loaded, lambda: Member(Person(new_id(now))))
        if holder is not None:
            holder.events.append(event)
    return [member for member in dict.fromkeys(holders.values()) if member.events]


def _holder(
    event: Event, holders: dict[Identifier, Member], loaded: Loaded, newcomer: Callable[[], Member]
) -> Member | None:
    """The person of one event, ``None`` where it is addressed to somebody who is no longer there."""
    own = [one for one in event.identifiers if one.kind != "person"]
    found = list(dict.fromkeys(holders[one] for one in event.identifiers if one in holders))
    if any(one.kind == "person" and one not in holders for one in event.identifiers):
        return None
    member = found[0] if found else newcomer()
    unheld = [one for one in own if one not in holders]
    if conflicting(member.person, own):
        if not any(holders.get(one) is member for one in event.identifiers[:1]):
            member = newcomer()
            _hold(member, unheld, holders)
        return member
    joined = [member, *(other for other in found[1:] if not conflicting(member.person, held(other.person)))]
    survivor = min(joined, key=lambda m: m.person.version == 0)
    for other in joined:
        if other is not survivor:
            _join(survivor, other, holders, loaded)
    _hold(survivor, unheld, holders)
    return survivor


def _hold(member: Member, identifiers: Sequence[Identifier], holders: dict[Identifier, Member]) -> None:
    member.take(identifiers)
    for one in identifiers:
        holders[one] = member


def _join(member: Member, other: Member, holders: dict[Identifier, Member], loaded: Loaded) -> None:
    """Merge ``other`` into ``member``, with everything the batch has already given it."""
    stored = loaded.people.get(other.person.id)
    member.person = merge(member.person, other.person)
    member.person.program = ""
    member.claims |= other.claims
    member.absorbed += [*other.absorbed, *([stored] if stored else [])]
    member.events += other.events
    other.events = []
    for one, holder in list(holders.items()):
        if holder is other:
            holders[one] = member
