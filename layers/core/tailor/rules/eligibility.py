"""Eligibility: whether a letter may leave, and when; decided here and nowhere else.

The step asks when a letter becomes due, the sender asks again when it is about to leave. Of these the first that holds
is the answer, and what the ledger keeps as the reason:

==============================  ===================================================================== ===========
reason                          what stands in the way                                                may leave
==============================  ===================================================================== ===========
``template-gone``               the template is in force no more                                      never
``holdout``, ``capped: KEY``,   what was decided when the letter became due, handed along as ``skip`` never
…
``no-email``                    there is no address                                                   never
``suppressed: WHY``             the address complained, or refused for good                           never
``paused``                      the person wants no letters for the time being                        never
``no-consent: PURPOSE:TOPIC``   the person does not permit it, or has objected                        never
``late``                        its ``not_after`` has passed, or will have when it could leave        never
``capped: KEY``                 a frequency cap leaves no room (transactional letters have none)      never, later
``yields: JOURNEY``             the room is left to a letter of a higher priority that is known to    never, later
                                come before the cap has forgotten this one
``no-window``                   windows and quiet hours that never fit each other                     never
``paused``                      its journey stands still; asked again each :data:`PAUSE`              later
``quiet-hours``, ``window``     it is night where they are, or not the hour of journey or campaign    later
==============================  ===================================================================== ===========
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from tailor.kernel.campaign import Campaign
from tailor.kernel.instants import DAY, HOUR, NEVER
from tailor.kernel.journey import ANY_TIME, Calendar, Window
from tailor.kernel.person import Person
from tailor.kernel.program import Cap, Program, Template
from tailor.rules.calendar import closes, opens, zone
from tailor.rules.consent import permits, restricted, view

PUT_OFF = "Email Put Off"
"""What the sender reports of a letter that may leave later; the person hands it over again at ``until``."""
PAUSE = HOUR
ROUNDS = 20
"""Windows and quiet hours looked at in turn; two that never fit each other would go on for ever."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a letter may leave: now where ``why`` is empty, else from ``at`` on, which is ``NEVER`` for never."""

    why: str = ""
    at: int = NEVER

    @property
    def later(self) -> bool:
        """Whether it is only to wait."""
        return bool(self.why) and self.at < NEVER


FREQUENCIES = {
    "daily": Cap("their own, daily", 1, DAY),
    "weekly": Cap("their own, weekly", 1, 7 * DAY),
    "monthly": Cap("their own, monthly", 1, 30 * DAY),
}
"""What somebody may choose as ``letters_at_most`` → the cap it is."""

GO = Verdict()
"""Nothing stands in the way."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A letter of a higher priority that is known to leave ``at`` an instant; see :mod:`tailor.rules.priority`."""

    at: int
    topic: str
    journey: str


@dataclass(frozen=True, slots=True)
class Terms:
    """When whoever owes a letter wants it to leave.

    ``window``: local times of its journey or campaign; ``not_after``: instant after which it is of no use; ``patient``:
    whether it waits for room where a cap leaves none, and is left out otherwise.
    """

    window: Window | None = None
    calendar: Calendar = ANY_TIME
    not_after: int = NEVER
    patient: bool = False


def decide(
    person: Person,
    owed: Mapping[str, Any],
    program: Program,
    *,
    suppressed: str | None,
    campaign: Campaign | None = None,
    now: int,
) -> Verdict:
    """Whether the letter ``owed`` may leave now.

    Parameters
    ----------
    owed : ``{"message", "journey", "template"}`` and, where they apply, ``skip`` (a reason decided before) and
        ``not_after`` (an instant).
    suppressed : why the address must not be written to, ``None`` where it may.
    campaign : whose letter it is, where it is a campaign's.
    """
    template = program.templates.get(owed["template"])
    if template is None:
        return Verdict("template-gone")
    if skip := owed.get("skip"):
        return Verdict(str(skip))
    if why := eligible(person, template, program, suppressed=suppressed, now=now):
        return Verdict(why)
    journey = program.journeys.get(owed["journey"])
    terms = Terms(not_after=owed.get("not_after", NEVER))
    if journey is not None and journey.paused and now <= terms.not_after:
        return Verdict("paused", now + PAUSE)
    if (owner := journey or campaign) is not None:
        terms = Terms(owner.window, owner.calendar, terms.not_after)
    return when(person, owed["message"], template, terms, program, now=now)


def eligible(person: Person, template: Template | None, program: Program, *, suppressed: str | None, now: int) -> str:
    """The first reason why ``person`` may get no letter of ``template`` as things stand, ``""`` if there is none."""
    if template is None:
        return "template-gone"
    if person.email() is None:
        return "no-email"
    if suppressed:
        return f"suppressed: {suppressed}"
    if template.kind == "marketing" and paused(person, program, now=now):
        return "paused"
    purpose = purpose_of(template, program)
    if not permits(person, purpose, program, topic=template.topic, now=now):
        if restricted(person):
            return "restricted"
        return f"no-consent: {purpose}{':' + template.topic if template.topic else ''}"
    return ""


def when(
    person: Person,
    message: str,
    template: Template,
    terms: Terms,
    program: Program,
    *,
    ahead: Sequence[Coming] = (),
    now: int,
) -> Verdict:
    """When a letter may leave, by deadlines, caps, windows and quiet hours; ``ahead`` are those it has to give way to,
    if it has no place under the caps yet."""
    if now > terms.not_after:
        return Verdict("late")
    leave = leaves(person, terms, template, program, now=now)
    if leave.why and not leave.later:
        return leave
    at = leave.at if leave.later else now
    cap, room = capped(person, message, template, program, now=at)
    why = f"capped: {cap}" if cap else ""
    if not cap and (higher := yields(person, template, ahead, program, now=at)) is not None:
        why, room = f"yields: {higher.journey}", higher.at
    if why and not terms.patient:
        return Verdict(why)
    verdict = Verdict(why, room) if why else leave
    return Verdict("late") if verdict.why and verdict.at > terms.not_after else verdict


def paused(person: Person, program: Program, *, now: int) -> bool:
    """Whether the person wants no letters for the time being."""
    until = view(person, "service", program, now=now).attributes.get("letters_paused_until")
    return isinstance(until, int) and not isinstance(until, bool) and until > now


def own_caps(person: Person, program: Program, *, now: int) -> tuple[Cap, ...]:
    """How often the person wants letters at most, where they have said so."""
    chosen = view(person, "service", program, now=now).attributes.get("letters_at_most")
    return (FREQUENCIES[chosen],) if isinstance(chosen, str) and chosen in FREQUENCIES else ()


def purpose_of(template: Template, program: Program) -> str:
    """What a letter is sent for: its topic's purpose, else marketing or service by its kind."""
    if topic := program.topics.get(template.topic):
        return topic.purpose
    return "marketing" if template.kind == "marketing" else "service"


def capped(person: Person, message: str, template: Template, program: Program, *, now: int) -> tuple[str, int]:
    """The cap that leaves no room for ``message`` at ``now`` for longest, and when there will be room again.

    ``("", now)`` where there is room. Transactional letters are never capped. A letter that has its place already
    gives way to those that had theirs before.
    """
    if template.kind != "marketing":
        return "", now
    mine = (person.letters[message][0], message) if message in person.letters else (NEVER, message)
    before = [(at, topic) for one, (at, topic) in person.letters.items() if (at, one) < mine]
    worst, room = "", now
    for cap in caps_of(person, program, now=now):
        if cap.topic and cap.topic != template.topic:
            continue
        counted = sorted(at for at, topic in before if at > now - cap.within and cap.topic in ("", topic))
        if len(counted) >= cap.most and (free := counted[-cap.most] + cap.within) > room:
            worst, room = cap.key, free
    return worst, room


def caps_of(person: Person, program: Program, *, now: int) -> tuple[Cap, ...]:
    """The frequency caps that hold for a person."""
    return (*program.caps.values(), *own_caps(person, program, now=now))


def remembered(person: Person, program: Program, *, now: int) -> int:
    """For how long, in ms, a letter counts for any cap; 0 where there is none."""
    return max((cap.within for cap in caps_of(person, program, now=now)), default=0)


def yields(person: Person, template: Template, ahead: Sequence[Coming], program: Program, *, now: int) -> Coming | None:
    """The first of the letters ``ahead``, the soonest first, whose place one of ``template`` would take at ``now``."""
    for cap in caps_of(person, program, now=now) if ahead else ():
        if cap.topic and cap.topic != template.topic:
            continue
        placed = [at for at, topic in person.letters.values() if cap.topic in ("", topic)]
        for one in ahead:
            if cap.topic not in ("", one.topic) or one.at <= now:
                continue
            beside = sum(one.at - cap.within < at <= one.at for at in placed)
            if beside >= cap.most:
                continue
            if beside + 1 == cap.most and one.at - cap.within < now:
                return one
            placed.append(one.at)
    return None


def count(person: Person, message: str, template: Template, program: Program, *, now: int) -> None:
    """Give a letter that is about to be owed its place under the frequency caps."""
    memory = remembered(person, program, now=now)
    if template.kind == "marketing" and memory:
        person.letters = {one: place for one, place in person.letters.items() if place[0] > now - memory}
        person.letters[message] = [now, template.topic]


def where_of(person: Person, calendar: Calendar, program: Program, *, now: int) -> ZoneInfo:
    """The person's zone, else the programme's, else UTC."""
    told = view(person, "service", program, now=now).attributes.get("time_zone")
    return (zone(told) if isinstance(told, str) else None) or zone(calendar.time_zone) or ZoneInfo("UTC")


def leaves(person: Person, terms: Terms, template: Template, program: Program, *, now: int) -> Verdict:
    """When windows and quiet hours let a letter leave: quiet hours bind marketing alone, windows every letter."""
    quiet = terms.calendar.quiet if template.kind == "marketing" else None
    if terms.window is None and quiet is None:
        return GO
    where = where_of(person, terms.calendar, program, now=now)
    at, why = now, ""
    for _ in range(ROUNDS):
        before = at
        if quiet is not None and (end := closes(quiet, where, at=at)) is not None:
            at, why = end, why or "quiet-hours"
        if terms.window is not None and (start := opens(terms.window, where, at=at)) > at:
            at, why = start, why or "window"
        if at == before:
            return Verdict(why, at) if why else GO
    return Verdict("no-window")
