"""Journeys: who enters, what each step does, what ends it. Enrolments live inside the person; nothing waits in a queue.

A wait counts from the instant the step before it was due, the first one from the event, not from when the clock came
round or the event came in, so what is late shifts nothing. An enrolment is ``{"entered", "step", "wake", "cause",
"version"}`` and, where needed, ``turn`` (how often it went back, which tells the letters of a loop apart), ``after``
(when what began it happened, where that was earlier), ``about`` (path → what the steps take from that event or a later
one that they waited for), ``since`` (it waits since then), ``heard``, and ``planned`` (when a letter was due that has
been put off). Those enrolled in an earlier version finish on its steps, or move to the step that ``moves`` names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from tailor.kernel.event import ConsentChange, Event
from tailor.kernel.instants import DAY, MINUTE, NEVER
from tailor.kernel.journey import (
    PRIORITIES,
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
    Wait,
    WaitEvent,
    WaitLocal,
    Webhook,
)
from tailor.kernel.keys import message_id
from tailor.kernel.person import Person
from tailor.rules.calendar import anniversary, next_time
from tailor.rules.compiled import Compiled
from tailor.rules.consent import View, view
from tailor.rules.effects import Effects
from tailor.rules.eligibility import GO, Terms, count, purpose_of, when, where_of
from tailor.rules.priority import coming

RETRY = 40 * MINUTE
"""An owed message nobody reported on is handed over again after this, then after 4, 16, ... times as long."""
TRIES = 5
KEYED = 50
"""Enrolments of one keyed journey that a person may have at a time, and ended ones that are remembered."""
GIVEN = 1_000
"""Characters of JSON that an enrolment takes along from its event at one path; more is left out."""
NEWS = DAY
"""An event older than this starts no journey when it arrives: history that is loaded late is no news."""
REQUESTED = "Journey Requested"
"""The event that starts a journey with the trigger ``api``; its property ``journey`` is the key."""


@dataclass(slots=True)
class Walk:
    """One person's journeys in one step.

    ``touched``: names of attributes that a step has set to another value, for the rules that read them.
    """

    person: Person
    compiled: Compiled
    effects: Effects
    now: int
    touched: set[str] = field(default_factory=set)

    # ---- in

    def hear(self, event: Event) -> None:
        """Tell those who wait for an event, and those whose goal it is."""
        for key, enrolment in list(self.person.enrolments.items()):
            journey = self.compiled.program.journeys.get(key.partition("#")[0])
            if journey is None or event.at < enrolment.get("after", enrolment["entered"]):
                continue
            if how := next((how for how, ending in _endings(journey) if self._ends(ending, event, key, how)), None):
                self._finish(key, how)
                continue
            if "since" in enrolment and event.at >= enrolment["since"] and (course := self._course(journey, enrolment)):
                step = course.steps[enrolment["step"]]
                place = (journey.key, course.version, str(enrolment["step"]))
                if isinstance(step, WaitEvent) and self._fits(event, step.occurrence, key, *place):
                    enrolment["wake"], enrolment["heard"] = self.now, True
                    self._take_along(enrolment, journey, event)

    def _ends(self, ending: Any, event: Event, key: str, how: str) -> bool:
        return isinstance(ending, Occurrence) and self._fits(event, ending, key, key.partition("#")[0], how)

    def _fits(self, event: Event, occurrence: Occurrence, key: str, *place: str) -> bool:
        if occurrence.same and _key(event.properties.get(occurrence.same)) != key.partition("#")[2]:
            return False
        return self.compiled.fits(event, occurrence, *place)

    def start(self, trigger: str, event: Event | None = None) -> None:
        """Begin the journeys that wait for ``trigger``, where their entry rules allow."""
        for key in self.compiled.entries.get(trigger, ()):
            journey = self.compiled.program.journeys[key]
            asked = event is not None and journey.trigger.where is not None
            if asked and event is not None:
                wanted = Occurrence(journey.trigger.name, journey.trigger.where)
                if not self.compiled.fits(event, wanted, key, "trigger"):
                    continue
            self.enter(journey, trigger, event)

    def request(self, event: Event) -> None:
        """Begin the journey that ``Journey Requested`` names."""
        journey = self.compiled.program.journeys.get(str(event.properties.get("journey")))
        if journey is not None and journey.trigger.kind == "api":
            self.enter(journey, "api:", event)

    def enter(self, journey: Journey, cause: str, event: Event | None = None, *, by: str = "") -> None:
        """Enrol the person, unless they are, it is paused or over, the re-entry rule bars them, or the entry rule does
        not hold; ``by`` is the enrolment in another journey that begins this one."""
        key, other = journey.key, self.person.enrolments.get(by, {})
        if journey.keyed:
            value = _key(event.properties.get(journey.keyed)) if event is not None else by.partition("#")[2]
            if not value:
                return
            key = f"{key}#{value}"
        if journey.paused or key in self.person.enrolments or not self._may_enter(key, journey):
            return
        if event is not None and self._is_over(journey, event):
            return
        rule = self.compiled.entry.get(journey.key)
        if rule is not None and not rule.holds(self._view(), now=self.now)[0]:
            return
        fact = {"at": self.now, "person": self.person.id, "journey": key, "cause": cause}
        if sum(one.partition("#")[0] == journey.key for one in self.person.enrolments) >= KEYED:
            self.effects.facts.append({"name": "journey.crowded", **fact})
            return
        enrolment = {
            "entered": self.now,
            "step": 0,
            "wake": self.now,
            "cause": cause,
            "version": journey.course.version,
        }
        if event is not None and event.at < self.now:
            enrolment["wake"] = enrolment["after"] = event.at
        self._take_along(enrolment, journey, event, other)
        self.person.enrolments[key] = enrolment
        self.effects.facts.append({"name": "journey.entered", **fact})

    def _take_along(
        self, enrolment: dict[str, Any], journey: Journey, event: Event | None, other: Mapping[str, Any] | None = None
    ) -> None:
        """Keep what the steps ask of an event; what it does not say stays as it was."""
        asked = self.compiled.asks.get(journey.key, ())
        about = {path: value for path in asked if (value := _given(path, event, other or {})) is not None}
        if about:
            enrolment["about"] = {**enrolment.get("about", {}), **about}

    def _is_over(self, journey: Journey, event: Event) -> bool:
        """Whether what ends the journey happened after ``event``, which is the later one to come in."""
        for _, ending in _endings(journey):
            if isinstance(ending, Occurrence) and not (ending.where or ending.same) and ending.event != event.name:
                known = self.person.history.get(ending.event)
                if known is not None and known[1][0] >= event.at:
                    return True
        return False

    def _may_enter(self, key: str, journey: Journey) -> bool:
        last = self.person.finished.get(key)
        if last is None:
            return True
        # Never twice at one instant: two journeys that start each other would not end.
        return journey.re_entry is not None and self.now >= last[0] + max(1, journey.re_entry)

    def celebrate(self) -> int:
        """Begin the journeys whose date has come; answers when the next one comes."""
        due = NEVER
        for journey in self.compiled.dates:
            trigger = journey.trigger
            known = self._view().attributes.get(trigger.name)
            if known is None:
                continue
            where = where_of(self.person, journey.calendar, self.compiled.program, now=self.now)
            after = max(self.person.decided, self.now - NEWS)
            at = anniversary(known, trigger.at, trigger.before, where, after=after)
            if at is not None and at <= self.now:
                self.enter(journey, f"date:{trigger.name}")
                at = anniversary(known, trigger.at, trigger.before, where, after=self.now)
            due = min(due, NEVER if at is None else at)
        return due

    # ---- through

    def advance(self) -> int:
        """Take every step that is due; answers the next instant at which one will be.

        At one instant the journey of the higher priority comes first, then who waits longest. To letters of a higher
        priority that are known to come the others leave the room, see :mod:`tailor.rules.priority`.
        """
        due = self.celebrate()
        done: set[tuple[str, int]] = set()
        # A step may start another journey.
        while todo := [key for key, one in self.person.enrolments.items() if (key, one["entered"]) not in done]:
            key = min(todo, key=self._rank)
            done.add((key, self.person.enrolments[key]["entered"]))
            due = min(due, self._attend(key))
        return min(due, self._hand_over_again())

    def _rank(self, key: str) -> tuple[int, int]:
        journey = self.compiled.program.journeys.get(key.partition("#")[0])
        return PRIORITIES.index(journey.priority) if journey else 0, self.person.enrolments[key]["wake"]

    def _attend(self, key: str) -> int:
        """One enrolment: whether it ends, then its steps."""
        enrolment = self.person.enrolments[key]
        journey = self.compiled.program.journeys.get(key.partition("#")[0])
        course = self._course(journey, enrolment) if journey else None
        if journey is None or course is None:
            self._finish(key, "withdrawn")
            return NEVER
        due = NEVER
        for how, rules in (("exit_when", self.compiled.exits), ("goal", self.compiled.goals)):
            if (rule := rules.get(journey.key)) is not None:
                ends, until = rule.holds(self._view(), now=self.now)
                if ends:
                    self._finish(key, how)
                    return NEVER
                due = min(due, until)
        return due if journey.paused else min(due, self._walk(key, journey, course))

    def _course(self, journey: Journey, enrolment: dict[str, Any]) -> Course | None:
        """The steps an enrolment is on, after moving it where it is told to; ``None`` where they are forgotten."""
        version = enrolment.get("version", journey.course.version)
        if version == journey.course.version:
            return journey.course
        former = journey.former.get(version)
        if former is None:
            return None
        here = next((name for name, place in former.names.items() if place == enrolment["step"]), "")
        if here not in journey.moves:
            return former
        enrolment["step"] = journey.course.names[journey.moves[here]]
        enrolment["version"] = journey.course.version
        for name in ("since", "heard", "planned"):
            enrolment.pop(name, None)
        enrolment["wake"] = min(enrolment["wake"], self.now)
        return journey.course

    def _walk(self, key: str, journey: Journey, course: Course) -> int:
        enrolment = self.person.enrolments[key]
        while enrolment["wake"] <= self.now:
            here = enrolment["step"]
            if here >= len(course.steps):
                self._finish(key, "end")
                return NEVER
            there: int | None = here + 1
            step = course.steps[here]
            match step:
                case Wait() | WaitLocal() | WaitEvent():
                    there = self._wait(enrolment, journey, course, step, here)
                case Send():
                    there = self._letter(key, journey, course, step, here)
                case Branch(cases):
                    rules = self.compiled.branches(journey.key, course.version, here)
                    for rule, (_, target) in zip(rules, cases, strict=True):
                        if rule.holds(self._view(), now=self.now)[0]:
                            there = course.place(target, here)
                            break
                case Split():
                    there = course.place(step.way(self.person.id, journey.key, str(here)), here)
                case Set(values):
                    self._set(_filled(values, enrolment))
                case Webhook(name, properties):
                    fact = {"name": "journey.webhook", "at": self.now, "person": self.person.id, "journey": key}
                    told = {**fact, "webhook": name, "properties": _filled(properties, enrolment)}
                    self.effects.facts.append(told)
                case Start(other):
                    self.enter(self.compiled.program.journeys[other], f"journey:{journey.key}", by=key)
                case Leave(other):
                    for one in [one for one in self.person.enrolments if one.partition("#")[0] == other and one != key]:
                        self._finish(one, "left")
                case Goto(target):
                    there = course.place(target, here)
                case Exit():
                    self._finish(key, "exit")
                    return NEVER
                case _:
                    assert_never(step)
            if there is None:
                continue
            if there <= here:
                enrolment["turn"] = enrolment.get("turn", 0) + 1
            enrolment["step"] = there
        wake: int = enrolment["wake"]
        return wake

    def _wait(
        self, enrolment: dict[str, Any], journey: Journey, course: Course, step: Wait | WaitLocal | WaitEvent, here: int
    ) -> int | None:
        """Begin to wait, or go on: ``None`` while there is something to wait for."""
        if "since" not in enrolment:
            enrolment["since"] = enrolment["wake"]
            if isinstance(step, WaitLocal):
                where = where_of(self.person, journey.calendar, self.compiled.program, now=self.now)
                enrolment["wake"] = next_time(step.at, step.weekdays, where, after=enrolment["wake"])
            else:
                enrolment["wake"] += step.span
            return None
        del enrolment["since"]
        heard = enrolment.pop("heard", False)
        return here + 1 if heard or not isinstance(step, WaitEvent) else course.place(step.otherwise, here)

    def _letter(self, key: str, journey: Journey, course: Course, step: Send, here: int) -> int | None:
        """Owe the letter, put it off (``None``), or owe it with the reason for which it is left out."""
        person, program = self.person, self.compiled.program
        enrolment = person.enrolments[key]
        planned: int = enrolment.get("planned", enrolment["wake"])
        deadline = NEVER if step.not_after is None else planned + step.not_after
        message, verdict = self._message(key, course, here), GO
        if template := program.templates.get(step.template):
            terms = Terms(journey.window, journey.calendar, deadline, step.capped == "wait")
            ahead = coming(person, template, journey.priority, program, now=self.now)
            verdict = when(person, message, template, terms, program, ahead=ahead, now=self.now)
            if verdict.later:
                enrolment["planned"], enrolment["wake"] = planned, verdict.at
                return None
            if not verdict.why:
                count(person, message, template, program, now=self.now)
        enrolment.pop("planned", None)
        self._owe(message, key, here, step.template, verdict.why, deadline)
        return here + 1

    def _message(self, key: str, course: Course, here: int) -> str:
        enrolment = self.person.enrolments[key]
        turned: int = here + enrolment.get("turn", 0) * len(course.steps)
        return message_id(self.person.id, key, turned, enrolment["entered"])

    def _owe(self, message: str, key: str, here: int, template: str, skip: str, deadline: int) -> None:
        enrolment = self.person.enrolments[key]
        owed = {
            "journey": key.partition("#")[0],
            "step": here,
            "template": template,
            "entered": enrolment["entered"],
            "at": self.now,
            "cause": enrolment["cause"],
        }
        if skip:
            owed["skip"] = skip
        if deadline < NEVER:
            owed["not_after"] = deadline
        self.person.owed[message] = {**owed, "retry": self.now + RETRY, "tries": 1}
        self.effects.messages.append({"message": message, "person": self.person.id, **owed})

    def _set(self, values: Mapping[str, Any]) -> None:
        attributes = self.person.attributes
        for name, value in values.items():
            if attributes.get(name) == value:
                continue
            self.touched.add(name)
            self.person.written[name] = self.now
            if value is None:
                attributes.pop(name)
            else:
                attributes[name] = value

    def _hand_over_again(self) -> int:
        due = NEVER
        for message, owed in list(self.person.owed.items()):
            if owed["retry"] <= self.now:
                if owed["tries"] >= TRIES:
                    del self.person.owed[message]
                    fact = {"name": "message.unconfirmed", "at": self.now, "person": self.person.id}
                    self.effects.facts.append({**fact, "message": message})
                    continue
                owed["retry"] = self.now + RETRY * 4 ** owed["tries"]
                owed["tries"] += 1
                owed.pop("off", None)
                told = {name: value for name, value in owed.items() if name not in ("retry", "tries")}
                self.effects.messages.append({"message": message, "person": self.person.id, **told})
            due = min(due, owed["retry"])
        return due

    # ---- out

    def withdraw(self, choices: Iterable[ConsentChange]) -> None:
        """End the enrolments all of whose letters the person has just refused."""
        refused = {(c.purpose, c.topic) for c in choices if c.grant in ("denied", "withdrawn")}
        if not refused:
            return
        program = self.compiled.program
        for key, enrolment in list(self.person.enrolments.items()):
            journey = program.journeys.get(key.partition("#")[0])
            course = self._course(journey, enrolment) if journey else None
            if course is None:
                continue
            letters = [program.templates.get(step.template) for step in course.steps if isinstance(step, Send)]
            if letters and all(
                one is None or {(purpose_of(one, program), ""), (purpose_of(one, program), one.topic)} & refused
                for one in letters
            ):
                self._finish(key, "refused")

    def _finish(self, key: str, how: str) -> None:
        person = self.person
        enrolment = person.enrolments.pop(key)
        person.finished[key] = [enrolment["entered"], self.now, how]
        if "#" in key:
            like = f"{key.partition('#')[0]}#"
            ended = sorted((one for one in person.finished if one.startswith(like)), key=lambda k: person.finished[k])
            for one in ended[:-KEYED]:
                del person.finished[one]
        fact = {"name": "journey.finished", "at": self.now, "person": person.id, "journey": key, "how": how}
        self.effects.facts.append(fact)

    def _view(self) -> View:
        return view(self.person, "personalization", self.compiled.program, now=self.now)


def _endings(journey: Journey) -> tuple[tuple[str, Any], ...]:
    return ("goal", journey.goal), ("exit_when", journey.exit_when)


def _key(value: object) -> str:
    """The value that tells the enrolments of a keyed journey apart, ``""`` where there is none."""
    return "" if value is None else str(value)[:80]


def _given(path: str, event: Event | None, other: Mapping[str, Any]) -> Any:
    """What an event has at ``path``, else what the enrolment that began this one took along."""
    if event is None:
        return other.get("about", {}).get(path)
    value: Any = event.properties
    for name in path.split("."):
        if isinstance(value, list):
            value = [one[name] for one in value if isinstance(one, Mapping) and name in one]
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value if len(json.dumps(value, default=str)) <= GIVEN else None


def _filled(values: Mapping[str, Any], enrolment: Mapping[str, Any]) -> dict[str, Any]:
    about = enrolment.get("about", {})
    return {name: about.get(value.path) if isinstance(value, Given) else value for name, value in values.items()}
