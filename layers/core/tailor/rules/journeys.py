"""Journeys: trigger, wait, send, exit. Enrolments live inside the person; nothing waits in a queue.

A wait counts from the instant the step before it was due, not from when the clock came round, so a late tick shifts
nothing. An enrolment is ``{"entered", "step", "wake", "cause"}``.
"""

from __future__ import annotations

from typing import Any, assert_never

from tailor.kernel.instants import MINUTE, NEVER
from tailor.kernel.keys import message_id
from tailor.kernel.person import Person
from tailor.kernel.program import Exit, Journey, Send, Wait
from tailor.rules.compiled import Compiled
from tailor.rules.consent import view
from tailor.rules.effects import Effects

RETRY = 40 * MINUTE
"""An owed message nobody reported on is handed over again after this, then after 4, 16, ... times as long."""
TRIES = 5


def enrol(person: Person, trigger: str, compiled: Compiled, effects: Effects, *, now: int) -> None:
    """Start the journeys that wait for ``trigger``, where the re-entry rule allows."""
    for key in compiled.entries.get(trigger, ()):
        journey = compiled.program.journeys[key]
        if key in person.enrolments or not _may_enter(person, journey, now):
            continue
        person.enrolments[key] = {"entered": now, "step": 0, "wake": now, "cause": trigger}
        effects.facts.append(
            {"name": "journey.entered", "at": now, "person": person.id, "journey": key, "cause": trigger}
        )


def _may_enter(person: Person, journey: Journey, now: int) -> bool:
    last = person.finished.get(journey.key)
    if last is None:
        return True
    return journey.re_entry is not None and now >= last + journey.re_entry


def advance(person: Person, compiled: Compiled, effects: Effects, *, now: int) -> int:
    """Take every step that is due; answers the next instant at which one will be."""
    due = NEVER
    for key in list(person.enrolments):
        journey = compiled.program.journeys.get(key)
        if journey is None:
            _finish(person, key, "withdrawn", effects, now=now)
            continue
        if (rule := compiled.exits.get(key)) is not None:
            left, until = rule.holds(view(person, "personalization", compiled.program, now=now), now=now)
            if left:
                _finish(person, key, "exit_when", effects, now=now)
                continue
            due = min(due, until)
        due = min(due, _walk(person, journey, effects, now))
    return min(due, _hand_over_again(person, effects, now))


def _walk(person: Person, journey: Journey, effects: Effects, now: int) -> int:
    enrolment = person.enrolments[journey.key]
    while enrolment["wake"] <= now:
        if enrolment["step"] >= len(journey.steps):
            _finish(person, journey.key, "end", effects, now=now)
            return NEVER
        step = journey.steps[enrolment["step"]]
        match step:
            case Wait(span):
                enrolment["wake"] += span
            case Send(template):
                _owe(person, journey.key, enrolment, template, effects, now)
            case Exit():
                _finish(person, journey.key, "exit", effects, now=now)
                return NEVER
            case _:
                assert_never(step)
        enrolment["step"] += 1
    wake: int = enrolment["wake"]
    return wake


def _owe(person: Person, journey: str, enrolment: dict[str, Any], template: str, effects: Effects, now: int) -> None:
    message = message_id(person.id, journey, enrolment["step"], enrolment["entered"])
    owed = {
        "journey": journey,
        "step": enrolment["step"],
        "template": template,
        "entered": enrolment["entered"],
        "at": now,
        "cause": enrolment["cause"],
    }
    person.owed[message] = {**owed, "retry": now + RETRY, "tries": 1}
    effects.messages.append({"message": message, "person": person.id, **owed})


def _hand_over_again(person: Person, effects: Effects, now: int) -> int:
    due = NEVER
    for message, owed in list(person.owed.items()):
        if owed["retry"] <= now:
            if owed["tries"] >= TRIES:
                del person.owed[message]
                effects.facts.append(
                    {"name": "message.unconfirmed", "at": now, "person": person.id, "message": message}
                )
                continue
            owed["retry"] = now + RETRY * 4 ** owed["tries"]
            owed["tries"] += 1
            told = {name: value for name, value in owed.items() if name not in ("retry", "tries")}
            effects.messages.append({"message": message, "person": person.id, **told})
        due = min(due, owed["retry"])
    return due


def _finish(person: Person, key: str, how: str, effects: Effects, *, now: int) -> None:
    enrolment = person.enrolments.pop(key)
    person.finished[key] = enrolment["entered"]
    effects.facts.append({"name": "journey.finished", "at": now, "person": person.id, "journey": key, "how": how})
