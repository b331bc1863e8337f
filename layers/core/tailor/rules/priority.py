"""Priority: which letters of a higher priority are known to come, so that others leave them the room under a cap.

Known is what time alone brings: an enrolment that waits for a fixed instant, and what its steps lead to from there, up
to one of which nobody can say yet how it goes on, a branch or a wait for an event. A journey that nobody has entered is
not known, however likely it is; what has left is not taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tailor.kernel.journey import (
    PRIORITIES,
    Branch,
    Course,
    Exit,
    Goto,
    Journey,
    Send,
    Split,
    Wait,
    WaitEvent,
    WaitLocal,
)
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.calendar import next_time
from tailor.rules.eligibility import Coming, Terms, eligible, leaves, remembered, where_of

FAR = 50
"""Steps looked ahead in one enrolment."""


def coming(person: Person, template: Template, priority: str, program: Program, *, now: int) -> tuple[Coming, ...]:
    """Letters of journeys of a higher priority than ``priority`` that will be due while a cap still remembers a letter
    of ``template`` sent at ``now``, the soonest first."""
    memory = remembered(person, program, now=now)
    if not memory or template.kind != "marketing":
        return ()
    until, found = now + memory, list[Coming]()
    for key, enrolment in person.enrolments.items():
        journey = program.journeys.get(key.partition("#")[0])
        if journey is None or journey.paused or PRIORITIES.index(journey.priority) >= PRIORITIES.index(priority):
            continue
        if (course := _course(journey, enrolment)) is None:
            continue
        for at, send in _due(person, journey, course, enrolment, program, until):
            letter = program.templates.get(send.template)
            if letter is None or letter.kind != "marketing":
                continue
            if eligible(person, letter, program, suppressed=None, now=now):
                continue
            leave = leaves(person, Terms(journey.window, journey.calendar), letter, program, now=at)
            # What is due and not yet attended to comes at once.
            leaves_at = max(leave.at if leave.why else at, now + 1)
            if leaves_at < until:
                found.append(Coming(leaves_at, letter.topic, journey.key))
    return tuple(sorted(found, key=lambda one: one.at))


def _course(journey: Journey, enrolment: Mapping[str, Any]) -> Course | None:
    version = enrolment.get("version", journey.course.version)
    return journey.course if version == journey.course.version else journey.former.get(version)


def _due(
    person: Person, journey: Journey, course: Course, enrolment: Mapping[str, Any], program: Program, until: int
) -> Iterator[tuple[int, Send]]:
    """The letters that an enrolment comes to by time alone, and when."""
    at, place, waits = enrolment["wake"], enrolment["step"], "since" in enrolment
    for _ in range(FAR):
        if place >= len(course.steps) or at >= until:
            return
        step, there = course.steps[place], place + 1
        match step:
            case Wait(span):
                at += 0 if waits else span
            case WaitLocal(minute, weekdays):
                where = where_of(person, journey.calendar, program, now=at)
                at = at if waits else next_time(minute, weekdays, where, after=at)
            case Send():
                yield at, step
            case Split():
                there = course.place(step.way(person.id, journey.key, str(place)), place)
            case Goto(target):
                there = course.place(target, place)
            case WaitEvent() | Branch() | Exit():
                return
            case _:
                pass
        place, waits = there, False
