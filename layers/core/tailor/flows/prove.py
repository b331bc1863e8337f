"""Prove: scenarios, which say as data what a programme makes of somebody; each is rehearsed and compared.

A scenario::

    {"title": "Who buys within the hour hears nothing of the cart",
     "start": "2026-03-01T09:00:00Z", "until": "3d",
     "person": {"email": "ada@example.com", "traits": {"first_name": "Ada"}, "consent": {"marketing": "granted"}},
     "events": [{"at": "10m", "name": "Cart Viewed", "properties": {"cart_id": "c1"}},
                {"at": "2026-03-01T09:40:00Z", "name": "Order Completed", "late": "5m"}],
     "expect": [{"at": "1h10m", "letter": "cart", "subject": "Ada, your cart", "shows": ["Trail Shoe"]},
                {"at": "1d", "skipped": "again", "why": "late"},
                {"at": "40m", "finished": "cart", "why": "goal"}]}

``at`` is an instant or a time after ``start``; ``late`` is how long an event was under way. All letters and all that
are skipped must be expected, to the millisecond; of the other kinds (``put-off``, ``entered``, ``finished``, ``in``,
``out``, ``webhook``) those that a scenario speaks of at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from tailor.flows.rehearse import Happening, rehearse
from tailor.kernel.errors import Rejected
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.fields import Fields
from tailor.kernel.instants import duration, iso, parse_instant
from tailor.kernel.person import Person
from tailor.rules.compiled import Compiled

ALWAYS = ("letter", "skipped")
KINDS = (*ALWAYS, "put-off", "entered", "finished", "in", "out", "webhook")
START = "2026-03-02T09:00:00Z"
SOMEBODY = "somebody@example.com"


@dataclass(frozen=True, slots=True)
class Expected:
    """One thing that must happen; what is ``None`` or empty may be anything."""

    at: int
    what: str
    name: str
    why: str | None = None
    subject: str | None = None
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()


@dataclass(slots=True)
class Scenario:
    """One scenario, read."""

    title: str
    start: int
    until: int
    email: str
    events: list[Event] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)


def read_scenario(raw: Any, pointer: str = "") -> Scenario:
    """A scenario as written.

    Raises
    ------
    Rejected : with a pointer to what is malformed.
    """
    fields = Fields(raw, pointer)
    start = _instant(fields, "start", START)
    who = Fields(fields.any("person") or {}, f"{pointer}/person")
    scenario = Scenario(fields.text("title"), start, 0, who.text("email", SOMEBODY))
    scenario.events = [_arrival(who, start), *(_event(item, start, index) for index, item in _listed(fields, "events"))]
    scenario.expected = [_expected(item, start) for item in fields.items("expect")]
    last = max([start, *(one.at for one in scenario.expected), *(one.received for one in scenario.events)])
    scenario.until = _at(fields, "until", start) if "until" in fields.raw else last + duration("30d")
    for one in (who, fields):
        one.done()
    return scenario


def prove(scenario: Scenario, compiled: Compiled) -> list[str]:
    """What happens otherwise than expected, a sentence each; nothing where all is as it should be."""
    person = Person("p_somebody", identifiers={"email": [scenario.email]} if scenario.email else {})
    rehearsed = rehearse(person, scenario.events, compiled, now=scenario.start, until=scenario.until)
    watched = {*ALWAYS, *(one.what for one in scenario.expected)}
    happened = [one for one in rehearsed.happenings if one.what in watched]
    return list(_differences(scenario.expected, happened))


def _differences(expected: Sequence[Expected], happened: Sequence[Happening]) -> Iterator[str]:
    pending = list(happened)
    for one in sorted(expected, key=lambda e: e.at):
        match = next((h for h in pending if (h.at, h.what, h.name) == (one.at, one.what, one.name)), None)
        if match is None:
            other = next((h for h in pending if (h.what, h.name) == (one.what, one.name)), None)
            moved = f"; it came at {iso(other.at)}" if other else ""
            yield f"{one.what} {one.name!r} was expected at {iso(one.at)}{moved}"
            if other:
                pending.remove(other)
            continue
        pending.remove(match)
        yield from _unlike(one, match)
    for left in pending:
        why = f" ({left.why})" if left.why else ""
        yield f"{left.what} {left.name!r} at {iso(left.at)}{why} was not expected"


def _unlike(one: Expected, happening: Happening) -> Iterator[str]:
    about = f"{one.what} {one.name!r} at {iso(one.at)}"
    if one.why is not None and one.why != happening.why:
        yield f"{about}: the reason is {happening.why!r}, not {one.why!r}"
    if (letter := happening.letter) is None:
        return
    if one.subject is not None and letter.subject != one.subject:
        yield f"{about}: the subject is {letter.subject!r}, not {one.subject!r}"
    page = unescape(letter.html)
    yield from (f"{about}: {text!r} is missing" for text in one.shows if text not in page)
    yield from (f"{about}: {text!r} should not be there" for text in one.hides if text in page)


def _listed(fields: Fields, name: str) -> Iterator[tuple[int, Fields]]:
    return enumerate(fields.items(name))


def _arrival(who: Fields, start: int) -> Event:
    """The event by which the person becomes known."""
    traits = dict(Fields(who.any("traits") or {}, f"{who.pointer}/traits").raw)
    return Event(
        "arrival", "identify", "Identify", start, start, "scenario", _SELF, traits=traits, consent=_consent(who)
    )


_SELF = (Identifier("person", "p_somebody"),)


def _event(fields: Fields, start: int, index: int) -> Event:
    at = _at(fields, "at", start)
    event = Event(
        fields.text("id", f"event-{index}"),
        "track",
        fields.text("name"),
        at,
        at + duration(fields.text("late", "0s")),
        fields.text("source", "scenario"),
        _SELF,
        traits=dict(Fields(fields.any("traits") or {}, f"{fields.pointer}/traits").raw),
        properties=dict(Fields(fields.any("properties") or {}, f"{fields.pointer}/properties").raw),
        consent=_consent(fields),
    )
    fields.done()
    return event


def _consent(fields: Fields) -> tuple[ConsentChange, ...]:
    """``{"marketing": "granted", "marketing:deals": "withdrawn"}``."""
    given = Fields(fields.any("consent") or {}, f"{fields.pointer}/consent")
    changes = []
    for key in given.raw:
        purpose, _, topic = str(key).partition(":")
        grant: Any = given.text(key, among=("granted", "denied", "withdrawn", "pending"))
        changes.append(ConsentChange(purpose, grant, topic))
    return tuple(changes)


def _expected(fields: Fields, start: int) -> Expected:
    kinds = [kind for kind in KINDS if kind in fields.raw]
    if len(kinds) != 1:
        raise fields.fail(f"expect exactly one of {', '.join(KINDS)}")
    expected = Expected(
        _at(fields, "at", start),
        kinds[0],
        fields.text(kinds[0]),
        fields.text("why") if "why" in fields.raw else None,
        fields.text("subject") if "subject" in fields.raw else None,
        _texts(fields, "shows"),
        _texts(fields, "hides"),
    )
    fields.done()
    return expected


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    texts = fields.any(name) or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise fields.fail(f"{name!r} is a list of texts", name)
    return tuple(texts)


def _at(fields: Fields, name: str, start: int) -> int:
    """An instant, or a time after ``start``."""
    text = fields.text(name)
    try:
        return start + duration(text)
    except Rejected:
        return _instant(fields, name)


def _instant(fields: Fields, name: str, default: str | None = None) -> int:
    try:
        return parse_instant(fields.text(name, default))
    except Rejected as error:
        raise fields.fail(f"{error.detail}, nor a time after the start such as '1h30m'", name) from error


def scenarios(document: Mapping[str, Any], pointer: str = "") -> list[Scenario]:
    """All scenarios under ``scenario`` in a file's document."""
    fields = Fields(document, pointer)
    found = [read_scenario(item.raw, item.pointer) for item in fields.items("scenario")]
    if not found:
        raise fields.fail("there is no [[scenario]] in it")
    return found
