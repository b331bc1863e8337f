"""Whatever happens to somebody in journeys: looking more often changes nothing, nor does hearing of it twice."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailor.flows.rehearse import Happening, rehearse
from tailor.kernel.event import ConsentChange, Event, Identifier
from tailor.kernel.instants import DAY, MINUTE, parse_instant
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled

START = parse_instant("2026-03-25T07:00:00Z")
FOLDER = Path(__file__).with_name("journeys")
PROGRAMS = {
    name: Compiled(Program.of([tomllib.loads((FOLDER / f"{name}.toml").read_text())["program"]]))
    for name in ("steps", "caps", "local_time", "priorities")
}
HAPPENING: dict[str, list[dict[str, Any]]] = {
    "steps": [
        {"name": "Signed Up"},
        {"name": "Lesson Done", "properties": {"lesson": 1}},
        {"name": "Lesson Done", "properties": {"lesson": 2}},
        {"name": "Cart Viewed", "properties": {"cart_id": "a", "url": "https://shop.example/a"}},
        {"name": "Cart Viewed", "properties": {"cart_id": "b", "url": "https://shop.example/b"}},
        {"name": "Order Completed", "properties": {"cart_id": "a"}},
        {"name": "Upgraded", "traits": {"plan": "gold"}},
        {"name": "Downgraded", "traits": {"plan": "free"}},
        {"name": "Subscribed"},
        {"name": "Stopped"},
        {"name": "Account Closed"},
        {"name": "Product Viewed", "properties": {"price": 150}},
        {"name": "Consent Changed", "consent": (ConsentChange("marketing", "withdrawn"),)},
        {"name": "Consent Changed", "consent": (ConsentChange("marketing", "granted"),)},
    ],
    "caps": [
        {"name": "News"},
        {"name": "Deal"},
        {"name": "Patient"},
        {"name": "Moved", "traits": {"country": "DE"}},
        {"name": "Order Completed"},
    ],
    "priorities": [
        {"name": "Cart Viewed"},
        {"name": "Product Viewed"},
        {"name": "Product Added"},
        {"name": "News"},
        {"name": "Great News"},
        {"name": "Patient"},
        {"name": "Opened"},
        {"name": "Order Completed"},
    ],
    "local_time": [
        {"name": "Half Past Two"},
        {"name": "Nine"},
        {"name": "A Day Later"},
        {"name": "At Once"},
        {"name": "Within Six Hours"},
        {"name": "Office"},
        {"name": "On Monday"},
        {"name": "Moved", "traits": {"time_zone": "Pacific/Kiritimati"}},
        {"name": "Moved", "traits": {"time_zone": "America/New_York"}},
        {"name": "Told", "traits": {"birth_date": "1980-03-28"}},
    ],
}


def event(number: int, at: int, **parts: Any) -> Event:
    return Event(f"e-{number}", "track", received=at, source="test", identifiers=(ME,), at=at, **parts)


ME = Identifier("person", "p_me")
MINUTES = st.integers(0, 10 * DAY // MINUTE)


def told(program: str, events: list[Event]) -> list[Happening]:
    joined = Event(
        "join", "identify", "Identify", START, START, "test", (ME,), consent=(ConsentChange("marketing", "granted"),)
    )
    person = Person("p_me", identifiers={"email": ["me@example.com"]})
    rehearsed = rehearse(person, [joined, *events], PROGRAMS[program], now=START, until=START + 40 * DAY)
    return sorted(rehearsed.happenings, key=lambda h: (h.at, h.what, h.name, h.why))


@pytest.mark.parametrize("program", PROGRAMS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_looking_more_often_and_hearing_of_it_twice_change_nothing(program: str, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.tuples(st.sampled_from(HAPPENING[program]), MINUTES), max_size=8))
    events = [event(number, START + minute * MINUTE, **one) for number, (one, minute) in enumerate(drawn)]
    looks = data.draw(st.lists(MINUTES, max_size=12))
    again = [event(1000 + n, START + minute * MINUTE, name="Nothing Much") for n, minute in enumerate(looks)]
    assert told(program, [*events, *again, *events]) == told(program, events)


@pytest.mark.parametrize("program", PROGRAMS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_order_of_arrival_within_one_delivery_is_no_matter(program: str, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.tuples(st.sampled_from(HAPPENING[program]), MINUTES), max_size=6))
    events = [event(number, START + minute * MINUTE, **one) for number, (one, minute) in enumerate(drawn)]
    shuffled = data.draw(st.permutations(events))
    assert told(program, list(shuffled)) == told(program, events)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_who_is_known_to_come_is_not_kept_out_by_a_lower_priority(data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.tuples(st.sampled_from(["Cart Viewed", "News", "Patient"]), MINUTES), max_size=8))
    happened = told("priorities", [event(n, START + at * MINUTE, name=name) for n, (name, at) in enumerate(drawn)])
    entered = [one.at for one in happened if one.what == "entered" and one.name == "cart"]
    sent = [(one.at, one.name) for one in happened if one.what == "letter"]
    for late in (one for one in happened if one.what == "skipped" and one.name == "cart"):
        began = max(at for at in entered if at < late.at)
        took = [(at, name) for at, name in sent if late.at - DAY < at <= late.at]
        assert all(at < began or name == "cart" for at, name in took), (late, took)
