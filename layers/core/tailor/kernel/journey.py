"""Journeys as data: what starts one, what it does step by step, what ends it.

A journey of a programme document::

    {"trigger": {"event": "Cart Updated", "where": {"total": {"ge": 50}}},
     "key": "cart_id", "entry": {"consent": "marketing"}, "re_entry": "7d", "priority": "high",
     "goal": {"event": "Order Completed"}, "exit_when": {"segment": "staff"},
     "window": {"from": "09:00", "until": "18:00", "weekdays": ["mon", "tue", "wed", "thu", "fri"]},
     "steps": [{"wait": "1h"},
               {"name": "first", "send": "cart", "not_after": "6h"},
               {"wait_until": {"event": "Email Clicked", "within": "2d", "otherwise": "again"}},
               {"exit": true},
               {"name": "again", "branch": [{"when": {"segment": "vip"}, "goto": "call"}]},
               {"split": {"call": 10, "next": 90}},
               {"send": "cart-again"},
               {"exit": true},
               {"name": "call", "webhook": "sales"}]}

============  ====================================================================================================
trigger       starts the journey
============  ====================================================================================================
event         an event of this name, whose properties fit ``where``
segment_…     ``segment_entered`` and ``segment_exited``: the membership changed
attribute_…   ``attribute_changed``: another value, or the first one
date          each year on the day of this attribute, ``at`` a local time, ``before`` so many days earlier
api           the event ``Journey Requested`` whose property ``journey`` is this one's key
============  ====================================================================================================

Steps go on with the one below; a ``name`` makes a step a place to go to, ``next`` stands for the one below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailor.kernel.errors import Rejected
from tailor.kernel.fields import Fields, nearest
from tailor.kernel.instants import DAY, duration
from tailor.kernel.keys import digest

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
TRIGGERS = ("event", "segment_entered", "segment_exited", "attribute_changed", "date", "api")
PRIORITIES = ("high", "normal", "low")
NEXT = "next"
YEARLY = 300 * DAY
"""``re_entry`` of a journey that begins on a date, unless it says otherwise."""
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """Local times of day, in minutes since midnight; ``end`` is out, and before ``start`` it is of the next day.

    ``weekdays`` are those on which the window opens, Monday is 0.
    """

    start: int
    end: int
    weekdays: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event by name whose properties fit ``where``."""

    event: str
    where: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a journey; ``name`` is of the event, segment or attribute.

    ``at``: minutes since midnight, ``before``: days, both of a ``date``.
    """

    kind: str
    name: str
    where: Mapping[str, Any] | None = None
    at: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on after ``span`` milliseconds."""

    span: int


@dataclass(frozen=True, slots=True)
class WaitLocal:
    """Go on when the recipient's clock next shows ``at`` minutes since midnight, on one of ``weekdays``."""

    at: int
    weekdays: frozenset[int]


@dataclass(frozen=True, slots=True)
class WaitEvent:
    """Go on when ``occurrence`` happens; after ``span`` milliseconds without it go to ``otherwise``."""

    occurrence: Occurrence
    span: int
    otherwise: str


@dataclass(frozen=True, slots=True)
class Send:
    """Owe the person one letter.

    ``not_after``: ms after the step was due when the letter is of no use any more. ``capped``: whether a letter that a
    frequency cap forbids is left out (``skip``) or put off until it is allowed (``wait``).
    """

    template: str
    not_after: int | None = None
    capped: str = "skip"


@dataclass(frozen=True, slots=True)
class Branch:
    """Go to the first whose rule, an object or text, holds, else on: ``(rule, step)`` pairs."""

    cases: tuple[tuple[Mapping[str, Any] | str, str], ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Go to one of ``(step, weight)``; the same person goes the same way each time."""

    shares: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Set:
    """Make attributes true of the person; ``None`` forgets one."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Tell the fact ``journey.webhook`` with this name and these properties."""

    name: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """Enter another journey, where its entry rules allow."""

    journey: str


@dataclass(frozen=True, slots=True)
class Leave:
    """End the enrolment in another journey."""

    journey: str


@dataclass(frozen=True, slots=True)
class Goto:
    """Go on at another step."""

    step: str


@dataclass(frozen=True, slots=True)
class Exit:
    """End the enrolment."""


Step = Wait | WaitLocal | WaitEvent | Send | Branch | Split | Set | Webhook | Start | Leave | Goto | Exit
_KINDS = (
    "wait",
    "wait_until",
    "send",
    "branch",
    "split",
    "set",
    "webhook",
    "start",
    "leave",
    "goto",
    "exit",
)


@dataclass(frozen=True, slots=True)
class Course:
    """One version of a journey's steps; ``names`` → place, ``version`` follows what they say."""

    steps: tuple[Step, ...]
    names: Mapping[str, int] = field(default_factory=dict)
    version: str = ""

    def place(self, name: str, here: int) -> int:
        """Where ``name`` leads from the step at ``here``."""
        return here + 1 if name == NEXT else self.names[name]

    def leads(self, here: int) -> tuple[int, ...]:
        """All places the step at ``here`` can lead to."""
        match self.steps[here]:
            case Exit():
                return ()
            case Goto(step):
                return (self.place(step, here),)
            case Split(shares):
                return tuple(self.place(step, here) for step, _ in shares)
            case Branch(cases):
                return (*(self.place(step, here) for _, step in cases), here + 1)
            case WaitEvent(_, _, otherwise):
                return here + 1, self.place(otherwise, here)
            case _:
                return (here + 1,)


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a programme says of local time: the zone of those who told none, and when marketing must be quiet."""

    time_zone: str = "UTC"
    quiet: Window | None = None


ANY_TIME = Calendar()
"""UTC, and no quiet hours."""


@dataclass(frozen=True, slots=True)
class Journey:
    """Trigger, steps, and what ends it early.

    Attributes
    ----------
    course : the steps; ``former``: those of earlier versions, on which their enrolled finish.
    moves : name of a former step → name of the step at which whoever waits there goes on in this version.
    re_entry : shortest time between the starts of two enrolments, in ms; ``None`` means never again.
    keyed : property of the triggering event of whose values each has an enrolment of its own, ``""`` for one in all.
    entry : rule that must hold to enter.
    exit_when : rule watched all the time: once true, the enrolment ends.
    goal : the same, as a rule or as an event after entry; counted as success.
    priority : which letter goes first where a cap leaves room for one.
    window : local times at which its letters may leave.
    """

    key: str
    title: str
    trigger: Trigger
    course: Course
    re_entry: int | None = None
    exit_when: Mapping[str, Any] | str | None = None
    former: Mapping[str, Course] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    keyed: str = ""
    entry: Mapping[str, Any] | str | None = None
    goal: Mapping[str, Any] | str | Occurrence | None = None
    priority: str = "normal"
    window: Window | None = None
    calendar: Calendar = ANY_TIME

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the version in force."""
        return self.course.steps

    @property
    def courses(self) -> Iterator[tuple[str, Course]]:
        """(pointer below the journey, steps) of every version."""
        yield "steps", self.course
        for version, course in self.former.items():
            yield f"former/{version}", course


def read_journey(key: str, fields: Fields, calendar: Calendar) -> Journey:
    """One entry of ``journeys``.

    Raises
    ------
    Rejected : with the pointer to what is malformed: also a step that is never reached and a loop without a wait.
    """
    if "#" in key:
        raise fields.fail("the key of a journey has no '#'")
    trigger = _trigger(fields)
    keyed = fields.text("key", "")
    if keyed and trigger.kind not in ("event", "api"):
        raise fields.fail("'key' names a property of the triggering event, and there is none", "key")
    re_entry = fields.text("re_entry", "300d" if trigger.kind == "date" else "never")
    course = read_course(fields, "steps")
    former = {
        version: read_course(Fields({version: steps}, f"{fields.pointer}/former"), version)
        for version, steps in Fields(fields.any("former") or {}, f"{fields.pointer}/former").raw.items()
    }
    moves = Fields(fields.any("moves") or {}, f"{fields.pointer}/moves")
    for old in moves.raw:
        if moves.text(old) not in course.names:
            raise moves.fail(f"there is no step {moves.raw[old]!r}{nearest(moves.raw[old], course.names)}", old)
    window = fields.any("window")
    return Journey(
        key,
        fields.text("title", key),
        trigger,
        course,
        None if re_entry == "never" else _span(fields, "re_entry", re_entry),
        fields.any("exit_when"),
        former,
        dict(moves.raw),
        keyed,
        fields.any("entry"),
        _goal(fields),
        fields.text("priority", "normal", among=PRIORITIES),
        read_window(Fields(window, f"{fields.pointer}/window")) if window is not None else None,
        calendar,
    )


def read_course(fields: Fields, name: str) -> Course:
    """A list of steps, which leads everywhere and never in a circle without a wait."""
    items = list(fields.items(name))
    names: dict[str, int] = {}
    for place, item in enumerate(items):
        if label := item.text("name", ""):
            if label in names or label == NEXT:
                raise item.fail(f"{label!r} is taken: steps have names of their own", "name")
            names[label] = place
    course = Course(
        tuple(_step(item, names) for item in items),
        names,
        digest(json.dumps(fields.any(name), sort_keys=True), size=5),
    )
    if not any(isinstance(step, (Send, Set, Webhook, Start, Leave)) for step in course.steps):
        raise fields.fail("a journey without a 'send' step does nothing", name)
    _check_ways(course, items)
    return course


def read_window(fields: Fields) -> Window:
    """``{"from": "09:00", "until": "18:00", "weekdays": ["mon", …]}``."""
    window = Window(_time(fields, "from"), _time(fields, "until"), _weekdays(fields))
    if window.start == window.end:
        raise fields.fail("a window ends at another time than it begins", "until")
    fields.done()
    return window


def read_calendar(fields: Fields) -> Calendar:
    """``{"time_zone": "Europe/Berlin", "quiet": {"from": "21:00", "until": "08:00"}}``."""
    quiet = fields.any("quiet")
    calendar = Calendar(
        fields.text("time_zone", "UTC"),
        read_window(Fields(quiet, f"{fields.pointer}/quiet")) if quiet is not None else None,
    )
    fields.done()
    return calendar


def _trigger(journey: Fields) -> Trigger:
    fields = Fields(journey.any("trigger"), f"{journey.pointer}/trigger")
    kinds = [kind for kind in TRIGGERS if kind in fields.raw]
    if len(kinds) != 1:
        raise fields.fail(f"a trigger has exactly one of {', '.join(TRIGGERS)}, as in {{'event': NAME}}")
    kind = kinds[0]
    if kind == "api":
        if fields.any("api") is not True:
            raise fields.fail("write 'api': true", "api")
        trigger = Trigger(kind, "")
    else:
        name = fields.text(kind)
        where = _where(fields) if kind == "event" else None
        at = _time(fields, "at", "09:00") if kind == "date" else 0
        before = _span(fields, "before", fields.any("before") or "0d") if kind == "date" else 0
        if before % DAY or before > 180 * DAY:
            raise fields.fail("write whole days, up to '180d'", "before")
        trigger = Trigger(kind, name, where, at, before // DAY)
    fields.done()
    return trigger


def _goal(journey: Fields) -> Mapping[str, Any] | str | Occurrence | None:
    raw = journey.any("goal")
    if not isinstance(raw, Mapping) or "event" not in raw:
        return raw
    fields = Fields(raw, f"{journey.pointer}/goal")
    goal = Occurrence(fields.text("event"), _where(fields))
    fields.done()
    return goal


def _step(fields: Fields, names: Mapping[str, int]) -> Step:
    kinds = [kind for kind in _KINDS if kind in fields.raw]
    if len(kinds) != 1:
        raise fields.fail(
            "a step is one of {'wait': '1h'}, {'send': TEMPLATE}, {'exit': true}, or one with "
            + ", ".join(kind for kind in _KINDS if kind not in ("wait", "send", "exit"))
        )
    kind = kinds[0]
    value = fields.any(kind)
    step: Step
    match kind:
        case "wait":
            step = Wait(_span(fields, kind, value))
        case "wait_until":
            step = _wait_until(Fields(value, f"{fields.pointer}/{kind}"), names)
        case "send":
            if not isinstance(value, str):
                raise fields.fail("'send' names a template", kind)
            late = fields.any("not_after")
            capped = fields.text("capped", "skip", among=("skip", "wait"))
            step = Send(value, None if late is None else _span(fields, "not_after", late), capped)
        case "branch":
            step = Branch(tuple(_case(item, names) for item in fields.items(kind)))
        case "split":
            step = _split(Fields(value, f"{fields.pointer}/{kind}"), names)
        case "set":
            step = Set(dict(Fields(value, f"{fields.pointer}/{kind}").raw))
        case "webhook":
            told = fields.any("properties")
            step = Webhook(fields.text(kind), dict(Fields(told or {}, f"{fields.pointer}/properties").raw))
        case "start":
            step = Start(fields.text(kind))
        case "leave":
            step = Leave(fields.text(kind))
        case "goto":
            step = Goto(_target(fields, kind, names))
        case _:
            step = Exit()
    fields.done()
    return step


def _wait_until(fields: Fields, names: Mapping[str, int]) -> Step:
    step: Step
    if "event" in fields.raw:
        occurrence = Occurrence(fields.text("event"), _where(fields))
        span = _span(fields, "within", fields.any("within"))
        if span <= 0:
            raise fields.fail("wait for more than nothing", "within")
        step = WaitEvent(occurrence, span, _target(fields, "otherwise", names, NEXT))
    else:
        step = WaitLocal(_time(fields, "time"), _weekdays(fields))
    fields.done()
    return step


def _case(fields: Fields, names: Mapping[str, int]) -> tuple[Mapping[str, Any] | str, str]:
    when = fields.any("when")
    case = when if isinstance(when, str) else Fields(when, f"{fields.pointer}/when").raw, _target(fields, "goto", names)
    fields.done()
    return case


def _split(fields: Fields, names: Mapping[str, int]) -> Split:
    shares = []
    for name, weight in fields.raw.items():
        if name != NEXT and name not in names:
            raise fields.fail(f"there is no step {name!r}{nearest(name, names)}", name)
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= 1_000_000:
            raise fields.fail("a weight is a whole number", name)
        shares.append((name, weight))
    if not sum(weight for _, weight in shares):
        raise fields.fail("a split has weights: {'a': 50, 'next': 50}")
    return Split(tuple(shares))


def _target(fields: Fields, name: str, names: Mapping[str, int], default: str | None = None) -> str:
    target = fields.text(name, default)
    if target != NEXT and target not in names:
        raise fields.fail(f"there is no step {target!r}: give one this 'name'{nearest(target, names)}", name)
    return target


def _where(fields: Fields) -> Mapping[str, Any] | None:
    where = fields.any("where")
    return None if where is None else Fields(where, f"{fields.pointer}/where").raw


def _span(fields: Fields, name: str, raw: Any) -> int:
    try:
        if not isinstance(raw, str):
            raise Rejected("write a duration such as '48h', '30d' or '1d12h'")
        return duration(raw)
    except Rejected as error:
        raise fields.fail(error.detail, name) from error


def _time(fields: Fields, name: str, default: str | None = None) -> int:
    match = _TIME.fullmatch(fields.text(name, default))
    if match is None:
        raise fields.fail("write a time of day as '09:00' or '21:30'", name)
    return int(match[1]) * 60 + int(match[2])


def _weekdays(fields: Fields) -> frozenset[int]:
    raw = fields.any("weekdays")
    if raw is None:
        return EVERY_DAY
    if not isinstance(raw, list) or not raw or any(day not in WEEKDAYS for day in raw):
        raise fields.fail(f"write a list of {', '.join(WEEKDAYS)}", "weekdays")
    return frozenset(WEEKDAYS.index(day) for day in raw)


def _check_ways(course: Course, items: Sequence[Fields]) -> None:
    reached = {0}
    todo = [0]
    while todo:
        for place in course.leads(todo.pop()):
            if place < len(items) and place not in reached:
                reached.add(place)
                todo.append(place)
    for place, item in enumerate(items):
        if place not in reached:
            raise item.fail("no step leads here: remove it, or give it a 'name' to go to")
    for place, item in enumerate(items):
        if _circles(course, place):
            raise item.fail("from here the journey comes back without a wait: put a 'wait' into the loop")


def _circles(course: Course, start: int) -> bool:
    """Whether the step at ``start`` is come back to with no time passing."""
    seen: set[int] = set()
    todo = [start]
    while todo:
        place = todo.pop()
        step = course.steps[place]
        if isinstance(step, (WaitLocal, WaitEvent)) or (isinstance(step, Wait) and step.span > 0):
            continue
        for lead in course.leads(place):
            if lead == start:
                return True
            if lead < len(course.steps) and lead not in seen:
                seen.add(lead)
                todo.append(lead)
    return False
