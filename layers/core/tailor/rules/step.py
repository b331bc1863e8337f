"""The one idea: ``step(person, stimuli, program, now) -> (person', effects)``.

Pure: no I/O, no clock, no environment. The live worker, the minute tick, the nightly audit, dry runs and the tests all
decide through it, and nothing else decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tailor.kernel.event import ConsentChange, Event
from tailor.kernel.instants import MINUTE, NEVER
from tailor.kernel.person import MARKS, Person
from tailor.rules import chain, policy, profile
from tailor.rules.bounces import worn_out
from tailor.rules.compiled import Compiled
from tailor.rules.consent import View, fold, grant_of, view
from tailor.rules.effects import Effects
from tailor.rules.eligibility import PUT_OFF
from tailor.rules.journeys import NEWS, REQUESTED, Walk
from tailor.rules.signals import of_gpc

MESSAGE_STATES = {
    "Email Sent": "SENT",
    "Email Delivered": "DELIVERED",
    "Email Bounced": "BOUNCED",
    "Email Complained": "COMPLAINED",
    "Email Rejected": "FAILED",
}
"""What an event about a message says of its state in the send ledger."""

GPC = of_gpc({"sec-gpc": "1"})
"""What a browser asks for with every call it makes."""
QUIET = "quiet"
"""In the context of an event that was brought in from elsewhere and starts no journeys: it is no news to anybody."""
SETTLING = 8
"""Rounds in which journeys set attributes that change segments that start journeys; the rest waits a minute."""


def step(
    person: Person, stimuli: Sequence[Event], compiled: Compiled, *, now: int, replay: bool = False
) -> tuple[Person, Effects]:
    """Decide what ``stimuli`` (none: the clock alone) make of ``person`` at ``now``.

    Parameters
    ----------
    person : as read; it is not changed.
    stimuli : events of this person in any order; those already known are ignored.
    compiled : the program in force.
    now : the instant of the decision; events keep their own.
    replay : what happened has been lived through before, by the one person whom this one was part of: it is entered,
        and starts no journey.

    Returns
    -------
    The next person, one version on, and what it owes to the world.
    """
    after = person.copy()
    after.version += 1
    effects = Effects()
    walk = Walk(after, compiled, effects, now)
    fresh = [event for event in sorted(stimuli, key=lambda e: (e.at, e.id)) if _remember(after, event)]
    touched = [_absorb(after, event, compiled, effects, walk) for event in fresh]
    forgotten, kept_until = profile.forget(after, compiled.program, now=now)
    due = min(kept_until, policy.lapses(after, now=now))
    quiet = bool(fresh) and all(event.context.get(QUIET) for event in fresh)
    due = min(due, _reclassify(person, after, forgotten.union(*touched), walk, starts=not (replay or quiet)))
    for event, names in zip(fresh, touched, strict=True):
        if event.at > now - NEWS and not replay:
            _news(event, names, walk)
    after.due = min(due, _travel(person, walk))
    after.program = compiled.version
    after.decided = now
    return after, effects


def _news(event: Event, names: set[str], walk: Walk) -> None:
    """Let journeys hear of an event, of the attributes it changed, and of what it asks for."""
    walk.hear(event)
    if event.context.get(QUIET):
        return
    walk.start(f"event:{event.name}", event)
    for name in sorted(names):
        if name.startswith("@"):
            walk.start(f"attribute_changed:{name[1:]}")
    if event.name == REQUESTED and event.source == "tailor":
        walk.request(event)


def _travel(before: Person, walk: Walk) -> int:
    """Take the journeys as far as they go; answers when they go on, or what they have changed could change again."""
    due = NEVER
    for _ in range(SETTLING):
        walk.touched.clear()
        going_on = walk.advance()
        if not walk.touched:
            return min(due, going_on)
        decided = replace(before, program=walk.compiled.version, due=NEVER)
        due = min(due, _reclassify(decided, walk.person, {f"@{name}" for name in walk.touched}, walk))
        for name in sorted(walk.touched):
            walk.start(f"attribute_changed:{name}")
    return walk.now + MINUTE


def _remember(person: Person, event: Event) -> bool:
    mark = event.mark
    if mark in person.marks:
        return False
    person.marks.append(mark)
    del person.marks[:-MARKS]
    return True


def _absorb(person: Person, event: Event, compiled: Compiled, effects: Effects, walk: Walk) -> set[str]:
    """Enter one event; answers what changed, in the words of :meth:`SegmentSet.decide`."""
    changed = {f"@{name}" for name in profile.apply(person, event)}
    changed |= {f"@{coarser[name]}" for one in changed if (name := one[1:]) in (coarser := compiled.program.coarser)}
    person.count(event.name, event.at, ring=compiled.ring(event.name))
    changed.add(event.name)
    for one in compiled.tallies(event.name):
        one.count(person, event, ring=compiled.ring(one.key))
    if choices := [one for one in _choices(event, compiled) if not _said_before(person, one, event)]:
        changed.add("~consent")
        for choice in choices:
            _choose(person, choice, event, effects)
        walk.withdraw(choices)
    if "@country" in changed or policy.implies(person, event.name):
        # Another law holds, or the law takes what happened for a consent: any purpose may see more now, or less.
        changed.add("~consent")
    if event.source in ("ses", "tailor"):
        _report(person, event, effects)
    if event.kind == "delete":
        effects.erasures.append((event.received, event.source))
        effects.facts.append({"name": "person.erasure_requested", "at": event.at, "person": person.id})
    return changed


def _choices(event: Event, compiled: Compiled) -> Sequence[ConsentChange]:
    """The consent an event changes. A complaint withdraws marketing; a request for deletion withdraws everything."""
    if event.kind == "delete":
        return [ConsentChange(purpose, "withdrawn") for purpose in compiled.program.purposes]
    if event.name == "Email Complained" and event.source == "ses":
        return [*event.consent, ConsentChange("marketing", "withdrawn")]
    return event.consent


def _said_before(person: Person, choice: ConsentChange, event: Event) -> bool:
    """Whether a browser only says again, with each of its calls, what is in force already."""
    return (
        event.context.get("gpc") is True
        and choice in GPC
        and grant_of(person, choice.purpose, choice.topic) == choice.grant
    )


def _choose(person: Person, choice: ConsentChange, event: Event, effects: Effects) -> None:
    """Fold one choice and chain a row for it; also a choice overtaken by a newer one leaves its row."""
    fold(person, choice, at=event.at, source=event.source)
    how = event.context.get("consent", {}) | ({"signal": "Sec-GPC: 1"} if event.context.get("gpc") else {})
    about = {"at": event.at, "received": event.received, "source": event.source, "event": event.id}
    chain_choice(person, choice, {**about, "how": how}, effects)


def chain_choice(person: Person, choice: ConsentChange, about: dict[str, Any], effects: Effects) -> None:
    """Add a row to the person's consent chain; ``about``: ``{"at", "received", "source", "event", "how"}``."""
    row = {"purpose": choice.purpose, "topic": choice.topic, "grant": choice.grant, **about}
    row["before"] = person.consent_head
    row["hash"] = chain.seal(row)
    person.consent_head = row["hash"]
    effects.consents.append(row)


def _report(person: Person, event: Event, effects: Effects) -> None:
    """Enter what became of a message: it is owed no longer, and an address that refuses for good is left alone."""
    if message := event.properties.get("message_id"):
        if event.name == PUT_OFF:
            owed = person.owed.get(message)
            if owed is not None:
                owed |= {"retry": event.properties["until"], "tries": 0, "off": event.properties["why"]}
            return
        person.owed.pop(message, None)
        if event.name in ("Email Skipped", "Email Failed"):
            person.letters.pop(message, None)
        if state := MESSAGE_STATES.get(event.name):
            effects.moves.append((message, state, event.at, str(event.properties.get("campaign", ""))))
    forever = event.name == "Email Complained" or (
        event.name == "Email Bounced" and (event.properties.get("bounce_type") == "Permanent" or worn_out(person))
    )
    if forever and (email := event.properties.get("recipient") or person.email()):
        effects.suppressed.append((email, event.name))


def _reclassify(before: Person, after: Person, changed: set[str], walk: Walk, *, starts: bool = True) -> int:
    """Decide the segments that could have changed; answers the next instant at which time could change any.

    ``starts``: whether journeys begin with coming into a segment, or leaving it.
    """
    compiled, effects, now = walk.compiled, walk.effects, walk.now
    # The clock may have been set for a letter alone that is now owed no longer: then nobody knows what is next.
    freed = any(owed["retry"] == before.due for one, owed in before.owed.items() if one not in after.owed)
    everything = before.program != compiled.version or before.due <= now or freed
    seen: dict[str, View] = {}

    def see(purpose: str) -> View:
        if purpose not in seen:
            seen[purpose] = view(after, purpose, compiled.program, now=now)
        return seen[purpose]

    decisions = compiled.segments.decide(see, None if everything else changed, now=now)
    known = _known_before(before, compiled) if before.program not in ("", compiled.version) else frozenset[str]()
    due = decisions.due if everything else min(before.due, decisions.due)
    for key, member in decisions.changing(after.memberships):
        fact = {"at": now, "person": after.id, "segment": key, "program": compiled.version}
        if member:
            after.memberships[key] = now
            effects.facts.append({"name": "segment.entered", **fact})
            if starts and key not in known:
                walk.start(f"segment_entered:{key}")
        else:
            del after.memberships[key]
            effects.facts.append({"name": "segment.exited", **fact})
            if starts and before.program in ("", compiled.version):
                walk.start(f"segment_exited:{key}")
    if everything:
        for key in [key for key in after.memberships if key not in compiled.program.segments]:
            del after.memberships[key]
    return due


def _known_before(before: Person, compiled: Compiled) -> frozenset[str]:
    """Under a new program: the segments it would already have put the person in when last decided.

    Entering those is news of the program, not of the person, and starts no journey.
    """

    def see(purpose: str) -> View:
        return view(before, purpose, compiled.program, now=before.decided)

    return frozenset(key for key, member, _ in compiled.segments.decide(see, now=before.decided) if member)
