"""Journeys as plain data: what starts one, what it does step by step, what ends it; see
:mod:`tailor.kernel.journey_document` for how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailor.kernel.instants import DAY
from tailor.kernel.keys import share

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
TRIGGERS = ("event", "segment_entered", "segment_exited", "attribute_changed", "date", "api")
PRIORITIES = ("high", "normal", "low")
NEXT = "next"
Rule = Mapping[str, Any] | str
"""As people write it, an object or text; the rules read it."""
_DAY, _WEEK = 1_440, 10_080
"""In minutes."""
YEARLY = 300 * DAY
"""``re_entry`` of a journey that begins on a date, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Window:
    """Local times of day, in minutes since midnight; ``end`` is out, and before ``start`` it is of the next day.

    ``weekdays`` are those on which the window opens, Monday is 0.
    """

    start: int
    end: int
    weekdays: frozenset[int] = EVERY_DAY

    def lies_in(self, other: Window) -> bool:
        """Whether it is never open but when ``other`` is."""
        # Where it is open alone, it begins to be so as it opens, or as the other closes.
        begins = {(day * _DAY + self.start) % _WEEK for day in self.weekdays}
        begins |= {(day * _DAY + other.start + other._length) % _WEEK for day in other.weekdays}
        return not any(self._open(minute) and not other._open(minute) for minute in begins)

    @property
    def _length(self) -> int:
        return (self.end - self.start) % _DAY

    def _open(self, minute: int) -> bool:
        return any((minute - day * _DAY - self.start) % _WEEK < self._length for day in self.weekdays)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event by name whose properties fit ``where``; in a keyed journey ``same`` names the property that must hold
    the key of the enrolment."""

    event: str
    where: Mapping[str, Any] | None = None
    same: str = ""


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
    """Go to the first whose rule holds, else on: ``(rule, step)`` pairs."""

    cases: tuple[tuple[Rule, str], ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Go to one of ``(step, weight)``, weights in per cent; the same person goes the same way each time."""

    shares: tuple[tuple[str, float], ...]

    def way(self, *about: str) -> str:
        """The step that ``about`` leads to: person, journey and place."""
        at = share(*about) * sum(weight for _, weight in self.shares)
        for step, weight in self.shares:
            if at < weight:
                return step
            at -= weight
        return self.shares[-1][0]


@dataclass(frozen=True, slots=True)
class Given:
    """What the event had at ``path`` that began the enrolment, or the newest that it waited for and that has it;
    ``products.name`` is one below another, for each of a list."""

    path: str


@dataclass(frozen=True, slots=True)
class Set:
    """Make attributes true of the person; ``None`` forgets one, a :class:`Given` stands for what it names."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Tell the fact ``journey.webhook`` with this name and these properties, :class:`Given` or as they are."""

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


@dataclass(frozen=True, slots=True)
class Course:
    """One version of a journey's steps; ``names`` → place, ``version`` follows what they say."""

    steps: tuple[Step, ...]
    names: Mapping[str, int] = field(default_factory=dict)
    version: str = ""

    def place(self, name: str, here: int) -> int:
        """Where ``name`` leads from the step at ``here``."""
        return here + 1 if name == NEXT else self.names[name]

    @property
    def asks(self) -> frozenset[str]:
        """Paths of what the steps take from the event that began the enrolment."""
        told = [
            step.values if isinstance(step, Set) else step.properties
            for step in self.steps
            if isinstance(step, (Set, Webhook))
        ]
        return frozenset(value.path for values in told for value in values.values() if isinstance(value, Given))

    def at_once(self, start: int) -> frozenset[int]:
        """The places come to from the one at ``start`` with no time passing; ``start`` too, where it is a circle."""
        seen: set[int] = set()
        todo = [start]
        while todo:
            step = self.steps[place := todo.pop()]
            if isinstance(step, (WaitLocal, WaitEvent)) or (isinstance(step, Wait) and step.span > 0):
                continue
            leads = {lead for lead in self.leads(place) if lead < len(self.steps)} - seen
            seen |= leads
            todo += leads
        return frozenset(seen)

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
    exit_when : watched all the time, a rule or an event after entry: once true, the enrolment ends.
    goal : the same, counted as success.
    priority : which letter has the room that a cap leaves, see :mod:`tailor.rules.priority`.
    window : local times at which its letters may leave.
    paused : whether nobody enters and those in it stand still; what ends them goes on being watched.
    """

    key: str
    title: str
    trigger: Trigger
    course: Course
    re_entry: int | None = None
    exit_when: Rule | Occurrence | None = None
    former: Mapping[str, Course] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    keyed: str = ""
    entry: Rule | None = None
    goal: Rule | Occurrence | None = None
    priority: str = "normal"
    window: Window | None = None
    calendar: Calendar = ANY_TIME
    paused: bool = False

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
