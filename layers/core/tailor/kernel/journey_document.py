"""Journeys as people write them, read into :mod:`tailor.kernel.journey`.

A journey of a programme document::

    {"trigger": {"event": "Cart Updated", "where": {"total": {"ge": 50}}},
     "key": "cart_id", "entry": {"consent": "marketing"}, "re_entry": "7d", "priority": "high",
     "goal": {"event": "Order Completed", "same": "cart_id"}, "exit_when": {"segment": "staff"},
     "window": {"from": "09:00", "until": "18:00", "weekdays": ["mon", "tue", "wed", "thu", "fri"]},
     "steps": [{"wait": "1h"},
               {"set": {"cart_url": {"from": "url"}}},
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

Steps go on with the one below; a ``name`` makes a step a place to go to, ``next`` stands for the one below. ``entry``
and the ``when`` of a branch are rules; ``goal`` and ``exit_when`` are rules or events. The weights of a ``split`` are
per cent and sum to 100. With a ``key`` there is an enrolment for each value of that property of the event, and ``same``
says which property of another event must agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isclose
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from tailor.kernel.document import canonical
from tailor.kernel.fields import Fields, nearest
from tailor.kernel.instants import DAY, spell
from tailor.kernel.journey import (
    EVERY_DAY,
    NEXT,
    PRIORITIES,
    TRIGGERS,
    WEEKDAYS,
    Branch,
    Calendar,
    Course,
    Exit,
    Given,
    Goto,
    Journey,
    Leave,
    Occurrence,
    Rule,
    Send,
    Set,
    Split,
    Start,
    Step,
    Trigger,
    Wait,
    WaitEvent,
    WaitLocal,
    Webhook,
    Window,
)
from tailor.kernel.keys import digest

WHOLE = 100
"""What the weights of a split sum to."""
STEPS = 200
"""Steps of one journey."""
LONGEST = 3 * 365 * DAY
"""What a step may wait."""
_KEY = re.compile(r"[\w.-]+")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
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


def read_journey(key: str, fields: Fields, calendar: Calendar) -> Journey:
    """One entry of ``journeys``.

    Raises
    ------
    Rejected : with the pointer to what is malformed: also a step that is never reached and a loop without a wait.
    """
    if not _KEY.fullmatch(key):
        raise fields.fail("the key of a journey has letters, digits, '-', '_' and '.', such as 'come-back'")
    trigger = _trigger(fields)
    keyed = fields.text("key", "")
    if keyed and trigger.kind not in ("event", "api"):
        raise fields.fail("'key' names a property of the triggering event, and there is none", "key")
    re_entry = fields.text("re_entry", "300d" if trigger.kind == "date" else "never")
    again = None if re_entry == "never" else fields.span("re_entry", re_entry)
    course = read_course(fields, "steps", keyed=keyed)
    former = {
        version: read_course(Fields({version: steps}, f"{fields.pointer}/former"), version, keyed=keyed)
        for version, steps in Fields(fields.any("former") or {}, f"{fields.pointer}/former").raw.items()
    }
    moves = Fields(fields.any("moves") or {}, f"{fields.pointer}/moves")
    for old in moves.raw:
        if moves.text(old) not in course.names:
            raise moves.fail(f"there is no step {moves.raw[old]!r}{nearest(moves.raw[old], course.names)}", old)
    window, paused = fields.any("window"), fields.any("paused")
    if paused not in (None, True, False):
        raise fields.fail("'paused' is true or false", "paused")
    return Journey(
        key,
        fields.text("title", key),
        trigger,
        course,
        again,
        _ending(fields, "exit_when", keyed),
        former,
        dict(moves.raw),
        keyed,
        fields.any("entry"),
        _ending(fields, "goal", keyed),
        fields.text("priority", "normal", among=PRIORITIES),
        read_window(Fields(window, f"{fields.pointer}/window")) if window is not None else None,
        calendar,
        bool(paused),
    )


def read_course(fields: Fields, name: str, *, keyed: str = "") -> Course:
    """A list of steps, which leads everywhere and never in a circle without a wait; of a journey ``keyed`` so."""
    items = list(fields.items(name))
    if len(items) > STEPS:
        raise fields.fail(f"a journey has up to {STEPS} steps: let it 'start' another", name)
    names: dict[str, int] = {}
    for place, item in enumerate(items):
        if label := item.text("name", ""):
            if label in names or label == NEXT:
                raise item.fail(f"{label!r} is taken: steps have names of their own", "name")
            names[label] = place
    course = Course(
        tuple(_step(item, names, keyed) for item in items),
        names,
        version_of(fields.any(name)),
    )
    if not any(isinstance(step, (Send, Set, Webhook, Start, Leave)) for step in course.steps):
        raise fields.fail("a journey without a 'send' step does nothing", name)
    _check_ways(course, items)
    return course


def version_of(steps: Any) -> str:
    """The version of a list of steps: a digest of what it says."""
    return digest(canonical(steps), size=5)


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
        _zone(fields),
        read_window(Fields(quiet, f"{fields.pointer}/quiet")) if quiet is not None else None,
    )
    fields.done()
    return calendar


def _zone(fields: Fields) -> str:
    name = fields.text("time_zone", "UTC")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = nearest(name, available_timezones())
        raise fields.fail(f"there is no time zone {name!r}: write it as 'Europe/Paris'{hint}", "time_zone") from None
    return name


def _trigger(journey: Fields) -> Trigger:
    raw = journey.any("trigger")
    if not isinstance(raw, Mapping):
        wrong = "'trigger' is missing" if raw is None else "'trigger' is an object"
        raise journey.fail(f"{wrong}: say what begins the journey, as in {{'event': 'Signed Up'}}", "trigger")
    fields = Fields(raw, f"{journey.pointer}/trigger")
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
        before = fields.span("before", "0d") if kind == "date" else 0
        if before % DAY or before > 180 * DAY:
            raise fields.fail("write whole days, up to '180d'", "before")
        trigger = Trigger(kind, name, where, at, before // DAY)
    fields.done()
    return trigger


def _ending(journey: Fields, name: str, keyed: str) -> Rule | Occurrence | None:
    """A rule, for the rules to read, or an event."""
    raw = journey.any(name)
    if not isinstance(raw, Mapping) or "event" not in raw:
        return cast("Rule | None", raw)
    fields = Fields(raw, f"{journey.pointer}/{name}")
    occurrence = _occurrence(fields, keyed)
    fields.done()
    return occurrence


def _occurrence(fields: Fields, keyed: str) -> Occurrence:
    same = fields.text("same", "")
    if same and not keyed:
        raise fields.fail("'same' compares with the 'key' of the journey, and it has none", "same")
    return Occurrence(fields.text("event"), _where(fields), same)


def _step(fields: Fields, names: Mapping[str, int], keyed: str) -> Step:
    kinds = [kind for kind in _KINDS if kind in fields.raw]
    if len(kinds) != 1:
        likely = next((hint for name in fields.raw if name not in _KINDS and (hint := nearest(str(name), _KINDS))), "")
        raise fields.fail(
            "a step is one of {'wait': '1h'}, {'send': TEMPLATE}, {'exit': true}, or one with "
            + ", ".join(kind for kind in _KINDS if kind not in ("wait", "send", "exit"))
            + likely
        )
    kind = kinds[0]
    value = fields.any(kind)
    step: Step
    match kind:
        case "wait":
            step = Wait(_wait(fields, kind))
        case "wait_until":
            if not isinstance(value, Mapping):
                raise fields.fail(_UNTIL, kind)
            step = _wait_until(Fields(value, f"{fields.pointer}/{kind}"), names, keyed)
        case "send":
            if not isinstance(value, str):
                raise fields.fail("'send' names a template", kind)
            late = None if fields.any("not_after") is None else fields.span("not_after")
            if late == 0:
                raise fields.fail("after no time at all every letter is late: write '6h', or leave it out", "not_after")
            step = Send(value, late, fields.text("capped", "skip", among=("skip", "wait")))
        case "branch":
            step = Branch(tuple(_case(item, names) for item in fields.items(kind)))
            if not step.cases:
                raise fields.fail("a branch has cases: [{'when': RULE, 'goto': STEP}]", kind)
        case "split":
            step = _split(Fields(value, f"{fields.pointer}/{kind}"), names)
        case "set":
            step = Set(_values(Fields(value, f"{fields.pointer}/{kind}")))
            if not step.values:
                raise fields.fail("'set' names attributes and their values: {'plan': 'gold'}", kind)
        case "webhook":
            told = fields.any("properties")
            name = fields.text(kind)
            if not _KEY.fullmatch(name):
                detail = "a webhook has a name, such as 'sales'; who subscribes to 'journey.webhook:NAME' is told"
                raise fields.fail(detail, kind)
            step = Webhook(name, _values(Fields(told or {}, f"{fields.pointer}/properties")))
        case "start":
            step = Start(fields.text(kind))
        case "leave":
            step = Leave(fields.text(kind))
        case "goto":
            step = Goto(_target(fields, kind, names))
        case _:
            if value is not True:
                raise fields.fail("write 'exit': true", kind)
            step = Exit()
    fields.done()
    return step


def _wait(fields: Fields, name: str) -> int:
    span = fields.span(name)
    if span > LONGEST:
        raise fields.fail(f"nobody waits for longer than {spell(LONGEST)}", name)
    return span


_UNTIL = "wait until an event, {'event': NAME, 'within': '2d'}, or a time of day, {'time': '09:00'}"


def _wait_until(fields: Fields, names: Mapping[str, int], keyed: str) -> Step:
    step: Step
    if "event" in fields.raw:
        occurrence = _occurrence(fields, keyed)
        if fields.any("within") is None:
            raise fields.fail("'within' is missing: for how long to wait at most, such as '48h'", "within")
        span = _wait(fields, "within")
        if span <= 0:
            raise fields.fail("wait for more than nothing, such as '48h'", "within")
        step = WaitEvent(occurrence, span, _target(fields, "otherwise", names, NEXT))
    elif "time" not in fields.raw:
        raise fields.fail(_UNTIL)
    else:
        step = WaitLocal(_time(fields, "time"), _weekdays(fields))
    fields.done()
    return step


def _case(fields: Fields, names: Mapping[str, int]) -> tuple[Rule, str]:
    if (when := fields.any("when")) is None:
        raise fields.fail("'when' is missing: the rule that leads there", "when")
    case = when, _target(fields, "goto", names)
    fields.done()
    return case


def _values(fields: Fields) -> dict[str, Any]:
    """Values by name: as they are, or ``{"from": PATH}`` for what the event that began the enrolment has there."""
    values: dict[str, Any] = {}
    for name, value in fields.raw.items():
        if isinstance(value, Mapping):
            source = Fields(value, f"{fields.pointer}/{name}")
            values[name] = Given(source.text("from"))
            source.done()
        else:
            values[name] = value
    return values


def _split(fields: Fields, names: Mapping[str, int]) -> Split:
    shares = []
    for name, weight in fields.raw.items():
        if name != NEXT and name not in names:
            raise fields.fail(f"there is no step {name!r}{nearest(name, names)}", name)
        if not isinstance(weight, (int, float)) or isinstance(weight, bool) or not 0 <= weight <= WHOLE:
            raise fields.fail("a weight is a share in per cent, from 0 to 100", name)
        shares.append((name, weight))
    if not isclose(total := sum(weight for _, weight in shares), WHOLE):
        raise fields.fail(f"a split has weights that sum to 100, not to {total:g}: {{'a': 50, 'next': 50}}")
    return Split(tuple(shares))


def _target(fields: Fields, name: str, names: Mapping[str, int], default: str | None = None) -> str:
    target = fields.text(name, default)
    if target != NEXT and target not in names:
        raise fields.fail(f"there is no step {target!r}: give one this 'name'{nearest(target, names)}", name)
    return target


def _where(fields: Fields) -> Mapping[str, Any] | None:
    where = fields.any("where")
    return None if where is None else Fields(where, f"{fields.pointer}/where").raw


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
        if place in course.at_once(place):
            raise item.fail("from here the journey comes back without a wait: put a 'wait' into the loop")
