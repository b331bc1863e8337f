"""Outline: a journey in English, a line for what begins it, for each step and for what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from tailor.kernel.instants import spell
from tailor.kernel.journey import (
    EVERY_DAY,
    NEXT,
    WEEKDAYS,
    Branch,
    Course,
    Exit,
    Given,
    Goto,
    Journey,
    Leave,
    Occurrence,
    Send,
    Set,
    Split,
    Start,
    Trigger,
    Wait,
    WaitEvent,
    WaitLocal,
    Webhook,
    Window,
)
from tailor.rules.compiled import Compiled


def outline(journey: Journey, compiled: Compiled) -> list[str]:
    """The whole journey, line by line."""
    lines = [f"Begins {begins(journey.trigger)}{f', once for each {journey.keyed!r}' if journey.keyed else ''}."]
    if (entry := compiled.entry.get(journey.key)) is not None:
        lines.append(f"Enters only if: {entry.sentence}.")
    again = "never again" if journey.re_entry is None else f"again after {spell(journey.re_entry)} at the earliest"
    lines.append(f"Nobody enters twice at a time, and {again}.")
    lines += [f"{place}. {says(journey, journey.course, place - 1, compiled)}" for place in places(journey)]
    for name, ending, rules in (("Goal", journey.goal, compiled.goals), ("Left", journey.exit_when, compiled.exits)):
        if isinstance(ending, Occurrence):
            lines.append(f"{name} when {happens(ending)}.")
        elif ending is not None:
            lines.append(f"{name} when: {rules[journey.key].sentence}.")
    if journey.window is not None:
        lines.append(f"Letters leave {_between(journey.window)} only, where the recipient is.")
    if journey.calendar.quiet is not None:
        lines.append(f"No offers {_between(journey.calendar.quiet)}, where the recipient is.")
    if journey.paused:
        lines.append("Paused: nobody enters, and those in it stand still.")
    return lines


def places(journey: Journey) -> range:
    """The numbers of its steps, as people count."""
    return range(1, len(journey.steps) + 1)


def begins(trigger: Trigger) -> str:
    """When a journey begins: ``when 'Signed Up' happens``."""
    match trigger.kind:
        case "event":
            return f"when {happens(Occurrence(trigger.name, trigger.where))}"
        case "segment_entered":
            return f"on entering the segment {trigger.name!r}"
        case "segment_exited":
            return f"on leaving the segment {trigger.name!r}"
        case "attribute_changed":
            return f"when the attribute {trigger.name!r} changes"
        case "date":
            early = f", {trigger.before} days before" if trigger.before else ""
            return f"each year on the day of {trigger.name!r}{early}, at {_clock(trigger.at)}"
        case _:
            return "when the API asks for it"


def happens(occurrence: Occurrence) -> str:
    """``'Order Completed' happens``."""
    return f"{named(occurrence)} happens"


def named(occurrence: Occurrence) -> str:
    """An event in words: ``'Order Completed' with total ge 50``."""
    with_ = f" with {_where(occurrence.where)}" if occurrence.where else ""
    same = f" with the same {occurrence.same!r}" if occurrence.same else ""
    return f"{occurrence.event!r}{with_}{same}"


def says(journey: Journey, course: Course, here: int, compiled: Compiled) -> str:
    """One step in words."""
    step = course.steps[here]

    def go(name: str) -> str:
        place = course.place(name, here) + 1
        return "go on" if name == NEXT else f"go to {place}" if place <= len(course.steps) else "end"

    match step:
        case Wait(span):
            return f"Wait {spell(span)}." if span else "Go on at once."
        case WaitLocal(at, weekdays):
            return f"Wait until {_clock(at)}{_days(weekdays)}, where they are."
        case WaitEvent(occurrence, span, otherwise):
            return f"Wait until {happens(occurrence)}; after {spell(span)} without it {go(otherwise)}."
        case Send(template, late, capped):
            until = f", not later than {spell(late)} after it is due" if late is not None else ""
            room = ", waiting for room under the caps" if capped == "wait" else ""
            return f"Send {template!r}{until}{room}."
        case Branch(cases):
            rules = compiled.branches(journey.key, course.version, here)
            ways = [f"if {rule.sentence}, {go(name)}" for rule, (_, name) in zip(rules, cases, strict=True)]
            return f"{'; '.join(ways).capitalize()}; else go on."
        case Split(shares):
            whole = sum(weight for _, weight in shares)
            return "; ".join(f"{weight / whole:.0%} {go(name)}" for name, weight in shares).capitalize() + "."
        case Set(values):
            return f"Set {_filled(values)}."
        case Webhook(name, properties):
            return f"Call the webhook {name!r}{f' with {_filled(properties)}' if properties else ''}."
        case Start(other):
            return f"Begin the journey {other!r}."
        case Leave(other):
            return f"Leave the journey {other!r}."
        case Goto(name):
            return f"{go(name).capitalize()}."
        case Exit():
            return "End."
        case _:
            assert_never(step)


def _filled(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} to {f'the {value.path!r} of the event' if isinstance(value, Given) else repr(value)}"
        for name, value in values.items()
    )


def _where(where: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {' and '.join(f'{how} {what!r}' for how, what in asked.items())}"
        if isinstance(asked, Mapping)
        else f"{name} {asked!r}"
        for name, asked in where.items()
    )


def _between(window: Window) -> str:
    return f"from {_clock(window.start)} to {_clock(window.end)}{_days(window.weekdays)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _days(weekdays: frozenset[int]) -> str:
    return "" if weekdays == EVERY_DAY else f" on {', '.join(WEEKDAYS[day].capitalize() for day in sorted(weekdays))}"
