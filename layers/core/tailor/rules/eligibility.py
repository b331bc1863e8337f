"""Eligibility: whether a letter may leave, and when; decided here and nowhere else.

The step asks when a letter becomes due, the sender asks again when it is about to leave.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from tailor.kernel.instants import NEVER
from tailor.kernel.journey import Calendar, Journey
from tailor.kernel.person import Person
from tailor.kernel.program import Program, Template
from tailor.rules.calendar import closes, opens, zone
from tailor.rules.consent import permits, view

ROUNDS = 20
"""Windows and quiet hours looked at in turn; two that never fit each other would go on for ever."""


def eligible(person: Person, template: Template | None, program: Program, *, suppressed: str | None, now: int) -> str:
    """The first reason why ``person`` may not get a letter of ``template`` now, ``""`` if there is none."""
    if template is None:
        return "template-gone"
    if person.email() is None:
        return "no-email"
    if suppressed:
        return f"suppressed: {suppressed}"
    purpose = purpose_of(template, program)
    if not permits(person, purpose, program, topic=template.topic, now=now):
        return f"no-consent: {purpose}{':' + template.topic if template.topic else ''}"
    return ""


def purpose_of(template: Template, program: Program) -> str:
    """What a letter is sent for: its topic's purpose, else marketing or service by its kind."""
    if topic := program.topics.get(template.topic):
        return topic.purpose
    return "marketing" if template.kind == "marketing" else "service"


def capped(person: Person, template: Template, program: Program, *, now: int) -> tuple[str, int]:
    """The first cap that leaves no room for a letter of ``template`` at ``now``, and when there will be room again.

    ``("", now)`` where there is room. Transactional letters are never capped.
    """
    if template.kind != "marketing":
        return "", now
    worst, room = "", now
    for cap in program.caps.values():
        if cap.topic and cap.topic != template.topic:
            continue
        counted = sorted(at for at, topic in person.letters.values() if not cap.topic or topic == cap.topic)
        recent = [at for at in counted if at > now - cap.within]
        if len(recent) >= cap.most:
            free = recent[-cap.most] + cap.within
            if free > room:
                worst, room = cap.key, free
    return worst, room


def where_of(person: Person, calendar: Calendar, program: Program, *, now: int) -> ZoneInfo:
    """The person's zone, else the programme's, else UTC."""
    told = view(person, "service", program, now=now).attributes.get("time_zone")
    return (zone(told) if isinstance(told, str) else None) or zone(calendar.time_zone) or ZoneInfo("UTC")


def leaves(person: Person, journey: Journey | None, template: Template, program: Program, *, now: int) -> int:
    """The first instant from ``now`` on at which windows and quiet hours let a letter leave; ``NEVER``: none does."""
    if journey is None:
        return now
    quiet = journey.calendar.quiet if template.kind == "marketing" else None
    if journey.window is None and quiet is None:
        return now
    where = where_of(person, journey.calendar, program, now=now)
    at = now
    for _ in range(ROUNDS):
        before = at
        if quiet is not None and (end := closes(quiet, where, at=at)) is not None:
            at = end
        if journey.window is not None:
            at = opens(journey.window, where, at=at)
        if at == before:
            return at
    return NEVER
