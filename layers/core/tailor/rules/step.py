"""The one idea: ``step(person, stimuli, program, now) -> (person', effects)``.

Pure: no I/O, no clock, no environment. The live worker, the minute tick, the nightly audit, dry runs and the tests all
decide through it, and nothing else decides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tailor.kernel.event import ConsentChange, Event
from tailor.kernel.instants import DAY, NEVER
from tailor.kernel.keys import digest
from tailor.kernel.person import MARKS, Person
from tailor.rules import journeys, profile
from tailor.rules.compiled import Compiled
from tailor.rules.consent import View, fold, view
from tailor.rules.effects import Effects

MESSAGE_STATES = {
    "Email Sent": "SENT",
    "Email Delivered": "DELIVERED",
    "Email Bounced": "BOUNCED",
    "Email Complained": "COMPLAINED",
    "Email Rejected": "FAILED",
}
"""What an event about a message says of its state in the send ledger."""

NEWS = DAY
"""An event older than this starts no journey when it arrives: history that is loaded late is no news."""


def step(person: Person, stimuli: Sequence[Event], compiled: Compiled, *, now: int) -> tuple[Person, Effects]:
    """Decide what ``stimuli`` (none: the clock alone) make of ``person`` at ``now``.

    Parameters
    ----------
    person : as read; it is not changed.
    stimuli : events of this person in any order; those already known are ignored.
    compiled : the program in force.
    now : the instant of the decision; events keep their own.

    Returns
    -------
    The next person, one version on, and what it owes to the world.
    """
    after = person.copy()
    after.version += 1
    effects = Effects()
    changed: set[str] = set()
    fresh = [event for event in sorted(stimuli, key=lambda e: (e.at, e.id)) if _remember(after, event)]
    for event in fresh:
        changed |= _absorb(after, event, compiled, effects)
    due = _reclassify(person, after, changed, compiled, effects, now)
    for event in fresh:
        if event.at <= now - NEWS:
            continue
        journeys.enrol(after, f"event:{event.name}", compiled, effects, now=now)
    after.due = min(due, journeys.advance(after, compiled, effects, now=now))
    after.program = compiled.version
    after.decided = now
    return after, effects


def _remember(person: Person, event: Event) -> bool:
    mark = event.mark
    if mark in person.marks:
        return False
    person.marks.append(mark)
    del person.marks[:-MARKS]
    return True


def _absorb(person: Person, event: Event, compiled: Compiled, effects: Effects) -> set[str]:
    """Enter one event; answers what changed, in the words of :meth:`SegmentSet.decide`."""
    changed = {f"@{name}" for name in profile.apply(person, event)}
    person.count(event.name, event.at, ring=compiled.ring(event.name))
    changed.add(event.name)
    for one in compiled.filters(event.name):
        if one.matches(event.properties):
            person.count(one.key, event.at, ring=compiled.ring(one.key))
    if choices := _choices(event, compiled):
        changed.add("~consent")
        for choice in choices:
            _choose(person, choice, event, effects)
    if event.source in ("ses", "tailor"):
        _report(person, event, effects)
    if event.kind == "delete":
        effects.facts.append({"name": "person.erasure_requested", "at": event.at, "person": person.id})
    return changed


def _choices(event: Event, compiled: Compiled) -> Sequence[ConsentChange]:
    """The consent an event changes. A complaint withdraws marketing; a request for deletion withdraws everything."""
    if event.kind == "delete":
        return [ConsentChange(purpose, "withdrawn") for purpose in compiled.program.purposes]
    if event.name == "Email Complained" and event.source == "ses":
        return [*event.consent, ConsentChange("marketing", "withdrawn")]
    return event.consent


def _choose(person: Person, choice: ConsentChange, event: Event, effects: Effects) -> None:
    """Fold one choice and chain a row for it; also a choice overtaken by a newer one leaves its row."""
    fold(person, choice, at=event.at, source=event.source)
    row: dict[str, Any] = {
        "purpose": choice.purpose,
        "topic": choice.topic,
        "grant": choice.grant,
        "at": event.at,
        "received": event.received,
        "source": event.source,
        "event": event.id,
        "how": event.context.get("consent", {}),
        "before": person.consent_head,
    }
    row["hash"] = digest(json.dumps(row, sort_keys=True, ensure_ascii=False))
    person.consent_head = row["hash"]
    effects.consents.append(row)


def _report(person: Person, event: Event, effects: Effects) -> None:
    """Enter what became of a message: it is owed no longer, and an address that refuses for good is left alone."""
    if message := event.properties.get("message_id"):
        person.owed.pop(message, None)
        if state := MESSAGE_STATES.get(event.name):
            effects.moves.append((message, state, event.at))
    forever = event.name == "Email Complained" or (
        event.name == "Email Bounced" and event.properties.get("bounce_type") == "Permanent"
    )
    if forever and (email := event.properties.get("recipient") or person.email()):
        effects.suppressed.append((email, event.name))


def _reclassify(
    before: Person, after: Person, changed: set[str], compiled: Compiled, effects: Effects, now: int
) -> int:
    """Decide the segments that could have changed; answers the next instant at which time could change any."""
    everything = before.program != compiled.version or before.due <= now
    seen: dict[str, View] = {}

    def see(purpose: str) -> View:
        if purpose not in seen:
            seen[purpose] = view(after, purpose, compiled.program, now=now)
        return seen[purpose]

    decisions = compiled.segments.decide(see, None if everything else changed, now=now)
    known = _known_before(before, compiled) if before.program not in ("", compiled.version) else frozenset[str]()
    due = NEVER if everything else before.due
    for key, member, until in decisions:
        due = min(due, until)
        if member == (key in after.memberships):
            continue
        fact = {"at": now, "person": after.id, "segment": key, "program": compiled.version}
        if member:
            after.memberships[key] = now
            effects.facts.append({"name": "segment.entered", **fact})
            if key not in known:
                journeys.enrol(after, f"segment_entered:{key}", compiled, effects, now=now)
        else:
            del after.memberships[key]
            effects.facts.append({"name": "segment.exited", **fact})
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
