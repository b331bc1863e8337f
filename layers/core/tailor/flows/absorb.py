"""Absorb: who did it, what does it make of them, write it down.

A batch is decided together: one read of the identifiers, one of the people, one step and one version-checked write for
each person, however many of the events are theirs. The order of the writes makes every stop harmless:

1. message states, suppressions and requests for erasure: they only ever move one way, so repeating them changes
   nothing;
2. people, with their consent rows and new identifiers in one transaction, and the outbox inside;
3. event rows: keyed by what they are, and written for known events too, so that a run after a stop completes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tailor.edges.store import MESSAGE_RANKS, Loaded, Store, Write
from tailor.flows.erase import request_erasure
from tailor.kernel.errors import Transient
from tailor.kernel.event import Event, Identifier
from tailor.kernel.instants import NEVER
from tailor.kernel.keys import digest
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled
from tailor.rules.effects import Effects
from tailor.rules.identity import merge
from tailor.rules.likeness import TELLING
from tailor.rules.step import step
from tailor.rules.stitching import stitch, usable

DISPUTES = 20
"""Identifiers in dispute that a person remembers, so that each is entered once."""
ATTEMPTS = 8
"""Rounds of reload-and-decide-again before the batch goes back to the queue."""


@dataclass(slots=True, eq=False)
class Member:
    """One person of the batch.

    ``person`` is a working copy that already holds what the batch brings in identifiers and merges; ``claims`` are the
    identifiers new to the ledger, ``absorbed`` the people merged into this one, as they were read; ``disputes`` are
    identifiers the batch brings and somebody else has, with their id; ``stored`` is the person as it was read.
    """

    person: Person
    claims: dict[Identifier, None] = field(default_factory=dict)
    absorbed: list[Person] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    disputes: list[tuple[Identifier, str]] = field(default_factory=list)
    stored: Person | None = None
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
            for member in _identify(pending, store, compiled, consistent=attempt > 0, new_id=new_id, now=now)
        ]
        news = [one for one in decided if one.write is not None]
        _settle(news, store, now)
        lost = {id(write) for write in store.write([one.write for one in news if one.write], now=now)}
        kept = [one for one in decided if id(one.write) not in lost]
        store.put_events((one.person, event) for one in kept for event in one.member.events)
        _record(kept, store, compiled, now)
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
    flags = member.person.flags
    room = DISPUTES - sum(flag.startswith("disputed:") for flag in flags)
    flags += [_disputed(one) for one, _ in member.disputes][: max(room, 0)]
    person, effects = step(member.person, member.events, compiled, now=now)
    write = Write(
        person,
        effects.pack(),
        tuple(member.claims),
        tuple(member.absorbed),
        tuple(effects.consents),
        member.had_due,
        changed=bool(member.claims or member.absorbed) or any(e.traits.keys() & TELLING for e in member.events),
        before=member.stored,
    )
    return Decision(member, person, effects, write)


def _disputed(one: Identifier) -> str:
    """How a person's flags tell of an identifier that is somebody else's; it holds no value."""
    return f"disputed:{one.kind}:{digest(one.kind, one.value, size=5)}"


def _record(decided: Sequence[Decision], store: Store, compiled: Compiled, now: int) -> None:
    """Enter what was in dispute for the first time; a value that too many quarrel about joins nobody any more."""
    for one in decided:
        for identifier, holder in one.member.disputes:
            rivals = store.dispute(identifier, one.person.id, now=now)
            if rivals >= compiled.program.identity.shared_after:
                store.share(identifier, holder, rivals)


def _settle(decided: Sequence[Decision], store: Store, now: int) -> None:
    reached: Counter[tuple[str, str]] = Counter()
    for one, (message, state, at, campaign) in _news_of_letters(decided, store):
        for id in (one.person.id, *one.person.aliases):
            if store.settle(id, message, state, now=at):
                reached[campaign, state] += 1
                break
    for one in decided:
        for email, why in one.effects.suppressed:
            store.suppress(email, why, now=now)
        for at, source in one.effects.erasures:
            request_erasure(one.person.id, store, how=source, now=at)
    for (campaign, state), times in reached.items():
        # Letters accepted are counted by the sender.
        if campaign and state != "SENT":
            store.tally(f"campaign:{campaign}", state, times)


def _news_of_letters(decided: Sequence[Decision], store: Store) -> list[tuple[Decision, tuple[str, str, int, str]]]:
    """The moves that the ledger may not know. Nearly all that were sent it knows from the sender: to read them all at
    once costs less than to be refused one by one."""
    moves = [(one, move) for one in decided for move in one.effects.moves]
    sent = [(id, m[0]) for one, m in moves if m[1] == "SENT" for id in (one.person.id, *one.person.aliases)]
    if not sent:
        return moves
    rows, _ = store.letters(sent, ())
    known = {message for (_, message), row in rows.items() if row["rank"] >= MESSAGE_RANKS["SENT"]}
    return [(one, move) for one, move in moves if move[1] != "SENT" or move[0] not in known]


def _identify(
    events: Sequence[Event],
    store: Store,
    compiled: Compiled,
    *,
    consistent: bool,
    new_id: Callable[[int], str],
    now: int,
) -> list[Member]:
    """Find or make the person of every event, by the rules of :mod:`tailor.rules.stitching`, in the events' order."""
    known = store.claims({i for e in events for i in e.identifiers if i.kind != "person"}, consistent=consistent)
    direct = {i.value for e in events for i in e.identifiers if i.kind == "person"}
    loaded = store.people({*known.values(), *direct}, consistent=consistent)
    members = {
        id: Member(person.copy(), stored=person, had_due=person.due < NEVER) for id, person in loaded.people.items()
    }
    holders: dict[Identifier, Member] = {}
    for one, id in (*known.items(), *((Identifier("person", id), id) for id in direct)):
        if (member := members.get(loaded.moved.get(id, id))) is not None:
            holders[one] = member
    homeless = []
    for event in sorted(events, key=lambda e: (e.at, e.id)):
        if any(event.received <= known.erased.get(one, -1) for one in event.identifiers):
            # It was under way when its person was erased, and must not bring them back.
            continue
        if any(one.kind == "person" and one not in holders for one in event.identifiers):
            # Addressed to somebody who is no longer there.
            continue
        named = usable(event.identifiers, compiled.program.identity, known.shared)
        if not named:
            homeless.append(event)
            continue
        _place(event, named, holders, loaded, compiled, lambda: Member(Person(new_id(now)))).events.append(event)
    if homeless:
        detail = "its identifiers are among those that the programme says stand for nobody"
        reason = {"code": "names-nobody", "detail": detail, "pointer": "/identifiers"}
        store.quarantine(
            [{"source": event.source, "reason": reason, "raw": event.to_json()} for event in homeless], now=now
        )
    return [member for member in dict.fromkeys(holders.values()) if member.events]


def _place(
    event: Event,
    named: Sequence[Identifier],
    holders: dict[Identifier, Member],
    loaded: Loaded,
    compiled: Compiled,
    newcomer: Callable[[], Member],
) -> Member:
    """The person of one event, with what it brings them."""
    found = {holders[one].person.id: holders[one] for one in named if one in holders}
    stitched = stitch(
        named,
        {one: holders[one].person.id for one in named if one in holders},
        {id: member.person.identifiers for id, member in found.items()},
        compiled.program.identity,
    )
    home = newcomer() if stitched.home is None else found[stitched.home]
    joined = [home, *(found[id] for id in stitched.joins)]
    survivor = min(joined, key=lambda member: member.person.version == 0)
    for other in joined:
        if other is not survivor:
            _join(survivor, other, holders, loaded, compiled)
    survivor.take(stitched.claims)
    for one in stitched.claims:
        holders[one] = survivor
    for one in stitched.conflicts:
        holder = holders[one].person.id if one in holders else survivor.person.id
        if _disputed(one) not in survivor.person.flags and all(one != known for known, _ in survivor.disputes):
            survivor.disputes.append((one, holder))
    return survivor


def _join(member: Member, other: Member, holders: dict[Identifier, Member], loaded: Loaded, compiled: Compiled) -> None:
    """Merge ``other`` into ``member``, with everything the batch has already given it."""
    stored = loaded.people.get(other.person.id)
    member.person = merge(member.person, other.person, compiled.program.journeys)
    member.person.program = ""
    member.claims |= other.claims
    member.absorbed += [*other.absorbed, *([stored] if stored else [])]
    member.disputes += other.disputes
    member.events += other.events
    other.events = []
    for one, holder in list(holders.items()):
        if holder is other:
            holders[one] = member
