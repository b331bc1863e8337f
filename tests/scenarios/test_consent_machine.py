"""Whatever happens in whatever order: no purpose reads what it may not, and no letter leaves after a withdrawal.

A machine makes consent changes, events, merges and sends, with the workers standing still in between at any place; a
model that knows nothing of our code says what was permitted.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailor.edges import runtime
from tailor.flows import rights
from tailor.flows.choose import Desk, choose, unsubscribe
from tailor.flows.deliver import links
from tailor.kernel.event import Event, Grant
from tailor.kernel.instants import HOUR, MINUTE
from tailor.kernel.person import Person
from tailor.rules.consent import view
from world import World, world

NAMES = ("a", "b")
HIDDEN = "sensitivemarker"
STRAY = "undeclaredmarker"
SHOWN = "shownmarker"
PROGRAMME: dict[str, Any] = {
    "name": "machine",
    "sender": {"from": "Shop <hello@shop.example>", "postal_address": "1 High Street"},
    "topics": {"deals": {"title": "Deals"}, "news": {"title": "News"}},
    "attributes": {"diagnosis": {"class": "sensitive", "purposes": ["personalization", "marketing", "service"]}},
    "journeys": {
        topic: {"trigger": {"event": f"Wants {topic}"}, "re_entry": "0m", "steps": [{"send": topic}]}
        for topic in ("deals", "news")
    },
    "templates": {
        topic: {
            "topic": topic,
            "subject": "For {first_name}",
            "html": "<html><body><p>{first_name}</p><p>{postal_address} "
            '<a href="{unsubscribe_url}">Unsubscribe</a></p></body></html>',
        }
        for topic in ("deals", "news")
    },
}
Change = tuple[str, str, Grant, int, str]
"""Purpose, topic, grant, instant, source."""

RANK = {"granted": 0, "pending": 1, "denied": 2, "withdrawn": 3}


def in_force(changes: list[Change], purpose: str, topic: str) -> str | None:
    """The choice that counts: per source the last, none older than the person's own, the strictest of these."""
    last: dict[str, tuple[int, int]] = {}
    for one, other, grant, at, source in changes:
        if (one, other) == (purpose, topic):
            last[source] = max(last.get(source, (-1, -1)), (at, RANK[grant]))
    since = last.get("preferences", (0, 0))[0]
    counted = [rank for at, rank in last.values() if at >= since]
    return next(grant for grant, rank in RANK.items() if rank == max(counted)) if counted else None


def permitted(changes: list[Change], purpose: str, topic: str = "") -> bool:
    """Nobody here has declared a country: letters take a consent, personalization ends with an objection."""
    if in_force(changes, "restriction", "") == "withdrawn":
        return False
    whole, part = in_force(changes, purpose, ""), in_force(changes, purpose, topic) if topic else None
    if {"denied", "withdrawn"} & {whole, part}:
        return False
    return "granted" in (whole, part) or purpose == "personalization"


class Machine:
    """Two people who may turn out to be one."""

    def __init__(self) -> None:
        self._patch = pytest.MonkeyPatch()
        self._world = world(self._patch)
        self.shop: World = self._world.__enter__()
        self.shop.publish(PROGRAMME)
        self.committed: dict[str, list[Change]] = {name: [] for name in NAMES}
        self.waiting: list[tuple[str, Change]] = []
        self.one = self.joining = False
        self.serial = 0
        for name in NAMES:
            traits = {"first_name": f"{SHOWN}{name}", "diagnosis": HIDDEN, "shoe": STRAY}
            self._arrives(name, "Identify", kind="identify", traits=traits)
            self._says(name, ("marketing", "", "granted", self.shop.now, "segment"))
        self.absorb()

    def stop(self) -> None:
        self._world.__exit__(None, None, None)
        self._patch.undo()

    def _arrives(self, name: str, event: str, **parts: Any) -> None:
        self.serial += 1
        handles = (("anonymous_id", f"v-{name}"), ("email", f"{name}@example.com"))
        self.shop.arrive(self.shop.event(event, *handles, id=f"e{self.serial}", **parts))

    def _says(self, name: str, change: Change) -> None:
        purpose, topic, grant, at, source = change
        self.waiting.append((name, change))
        self._arrives(name, "Consent Updated", at=at, source=source, consent=[(purpose, grant, topic)])

    def _changes(self, name: str) -> list[Change]:
        return [c for other in NAMES for c in self.committed[other]] if self.one else self.committed[name]

    def _desk(self) -> Desk:
        return Desk(runtime.store(), runtime.compiled(), runtime.signing_keys(), runtime.person_id, runtime.imports)

    # ---- what people and sources do

    def a_source_tells(self, name: str, choice: tuple[tuple[str, str], Grant, int, str]) -> None:
        about, grant, age, source = choice
        self._says(name, (*about, grant, self.shop.now - age * HOUR, source))

    def a_source_changes_its_mind(self, name: str, source: str, in_order: bool) -> None:
        """A grant and the withdrawal after it, which may come in first."""
        told: list[Change] = [
            ("marketing", "", "granted", self.shop.now - HOUR, source),
            ("marketing", "", "withdrawn", self.shop.now, source),
        ]
        for change in told if in_order else reversed(told):
            self._says(name, change)
            self.absorb()

    def a_source_tells_a_whole_from_its_part(self, name: str, source: str, whole: Grant, part: Grant) -> None:
        """A purpose and a topic in it, and a letter of that topic is wanted."""
        self._says(name, ("marketing", "", whole, self.shop.now, source))
        self._says(name, ("marketing", "deals", part, self.shop.now, source))
        self.absorb()
        self.letters_are_asked_for("deals")

    def letters_are_asked_for(self, topic: str) -> None:
        for name in NAMES:
            self._arrives(name, f"Wants {topic}")

    def they_turn_out_to_be_one(self) -> None:
        if not self.joining:
            self.joining = True
            both: Event = self.shop.event(
                "Identify", *(("email", f"{name}@example.com") for name in NAMES), kind="identify", id="join"
            )
            self.shop.arrive(both)

    def somebody_unsubscribes(self, name: str) -> None:
        person = self.shop.person("email", f"{name}@example.com")
        assert person is not None
        url = links(person.id, "marketing", "", runtime.signing_keys())["unsubscribe_url"]
        unsubscribe(url.rpartition("/")[2], self._desk(), how={}, now=self.shop.now)
        self.committed[name].append(("marketing", "", "withdrawn", self.shop.now, "preferences"))

    def somebody_wants_letters_again(self, name: str) -> None:
        person = self.shop.person("email", f"{name}@example.com")
        assert person is not None
        self.shop.now += MINUTE
        url = links(person.id, "marketing", "", runtime.signing_keys())["preferences_url"]
        choose(url.rpartition("/")[2], {"marketing", "personalization"}, self._desk(), how={}, now=self.shop.now)
        for purpose, grant in (("marketing", "granted"), ("personalization", "granted")):
            restricted = in_force(self._changes(name), "restriction", "") == "withdrawn"
            if restricted or not permitted(self._changes(name), purpose):
                self.committed[name].append((purpose, "", grant, self.shop.now, "preferences"))  # type: ignore[arg-type]
        restricted = in_force(self._changes(name), "restriction", "") == "withdrawn"
        assert restricted or permitted(self._changes(name), "marketing")

    def somebody_restricts(self, name: str, lift: bool) -> None:
        """They restrict what their data is used for, or lift that."""
        person = self.shop.person("email", f"{name}@example.com")
        assert person is not None
        self.shop.now += MINUTE
        desk = rights.Desk(runtime.store(), runtime.compiled(), runtime.person_id)
        request = rights.ask(person, "lifting" if lift else "restriction", desk, by="api", now=self.shop.now)
        rights.carry_out(request, rights.Details(), desk, now=self.shop.now)
        grant: Grant = "granted" if lift else "withdrawn"
        self.committed[name].append(("restriction", "", grant, self.shop.now, "preferences"))

    # ---- what workers do, and where they stand still

    def absorb(self) -> None:
        self.shop._work("absorb", "ingest", False, None, 10)
        for name, change in self.waiting:
            self.committed[name].append(change)
        self.waiting = []
        if self.joining and not self.one:
            self.one = len({person.id for name in NAMES if (person := self._person(name))}) == 1

    def _person(self, name: str) -> Person | None:
        return self.shop.person("email", f"{name}@example.com")

    def send(self) -> None:
        before = len(self.shop.ses.mails)
        self.shop._work("send", "send", False, None, 10)
        for mail in self.shop.ses.mails[before:]:
            name, topic = mail["to"][0], mail["tags"]["tailor_journey"]
            changes = self._changes(name)
            assert permitted(changes, "marketing", topic), f"a letter left that {changes} does not permit"
            raw = mail["raw"].decode()
            assert (SHOWN in raw) is permitted(changes, "personalization")
            assert HIDDEN not in raw
            assert STRAY not in raw

    def work(self, stations: int) -> None:
        """Let events, then facts, then letters go on: as many ``stations``; 4 is a sender who is late."""
        if stations in (1, 2, 3):
            self.absorb()
        if stations in (2, 3):
            self.shop._relay(False)
        if stations in (3, 4):
            self.send()

    def time_passes(self, hours: int) -> None:
        self.shop.tick(self.shop.now + hours * HOUR)

    # ---- what always holds

    def no_purpose_sees_what_it_may_not(self) -> None:
        program = runtime.program()
        for person in self.shop.everybody():
            name = person.identifiers["email"][-1][0]
            for purpose in program.purposes:
                seen = view(person, purpose, program, now=self.shop.now).attributes
                assert HIDDEN not in seen.values()
                assert STRAY not in seen.values()
                if purpose in ("marketing", "personalization") and not permitted(self._changes(name), purpose):
                    assert seen == {}


WHO = st.sampled_from(NAMES)
ABOUT = st.sampled_from([("marketing", ""), ("marketing", "deals"), ("personalization", "")])
GRANT = st.sampled_from([*["granted", "withdrawn"] * 2, "denied", "pending"])
SOURCE = st.sampled_from(["segment", "onetrust"])
CHOICE = st.tuples(ABOUT, GRANT, st.integers(0, 2), SOURCE)
DEEDS = st.one_of(
    st.tuples(st.just("letters_are_asked_for"), st.sampled_from(["deals", "news"])),
    st.tuples(st.just("letters_are_asked_for"), st.sampled_from(["deals", "news"])),
    st.tuples(st.just("a_source_tells"), WHO, CHOICE),
    st.tuples(st.just("a_source_changes_its_mind"), WHO, SOURCE, st.booleans()),
    st.tuples(st.just("a_source_tells_a_whole_from_its_part"), WHO, SOURCE, GRANT, GRANT),
    st.tuples(st.just("they_turn_out_to_be_one")),
    st.tuples(st.just("somebody_unsubscribes"), WHO),
    st.tuples(st.just("somebody_wants_letters_again"), WHO),
    st.tuples(st.just("somebody_restricts"), WHO, st.booleans()),
    st.tuples(st.just("time_passes"), st.integers(1, 3)),
)


COURSES = st.lists(st.tuples(DEEDS, st.integers(0, 4)), min_size=12, max_size=24)
"""Deeds, and how far the work goes after each."""


def run_course(course: list[tuple[Any, int]]) -> None:
    machine = Machine()
    try:
        for (deed, *arguments), stations in course:
            getattr(machine, deed)(*arguments)
            machine.work(stations)
            machine.no_purpose_sees_what_it_may_not()
    finally:
        machine.stop()


@given(COURSES)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_order_of_deeds_and_work_gets_past_the_gate(course: list[tuple[Any, int]]) -> None:
    run_course(course)


def test_the_machine_does_send_letters_and_withhold_them() -> None:
    machine = Machine()
    try:
        machine.letters_are_asked_for("deals")
        machine.work(3)
        assert len(machine.shop.ses.mails) == 2
        machine.letters_are_asked_for("news")
        machine.work(2)
        machine.somebody_unsubscribes("a")
        machine.work(4)
        assert sorted(mail["to"][0] for mail in machine.shop.ses.mails) == ["a", "b", "b"]
    finally:
        machine.stop()
