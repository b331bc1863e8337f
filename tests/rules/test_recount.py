"""Brute force over the event rows against the live counters: it agrees with what is right and mends what is not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tailor.kernel.event import Event, Identifier
from tailor.kernel.history import RING, keeps_oldest
from tailor.kernel.instants import DAY, HOUR, MINUTE
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.compiled import Compiled
from tailor.rules.recount import AGAIN, Recount, judge, rebuilt, recount
from tailor.rules.step import step

START = 1_795_500_000_000
LIFE = 395 * DAY
NAMES = ("A", "B")
RULES: dict[str, Any] = {
    "buyers": {"did": "A"},
    "lately": {"did": "A", "within": "1h"},
    "thrice": {"count": "A", "at_least": 3, "within": "1d", "where": {"colour": "red"}},
    "left": {"did_then_not": ["A", "B"], "within": "2h"},
    "never-red": {"did_not": "B", "where": {"colour": "red"}},
    "loyal": {"count": "A", "at_least": 40},
    "since-long": {"first": "A", "where": {"colour": "red"}, "older_than": "3h"},
    "spenders": {"sum": "price", "of": "A", "within": "1d", "ge": 9},
    "colourful": {"distinct": "colour", "of": "B", "ge": 2},
}


def compiled(**rules: Any) -> Compiled:
    segments = {key: {"rule": rule} for key, rule in rules.items()}
    return Compiled(Program.of([{"name": "test", "segments": segments}]))


PROGRAM = compiled(**RULES)


def event(name: str, at: int, colour: str = "red", id: str = "") -> Event:
    properties = {"colour": colour, "price": at // MINUTE % 5 + 0.5}
    who = (Identifier("user_id", "u"),)
    return Event(id or f"{name}{at}{colour}", "track", name, at, at, "shop", who, properties=properties)


def lived(events: list[Event], program: Compiled = PROGRAM, *, until: int) -> Person:
    """Somebody to whom these happened, one after the other as listed."""
    person = Person("p_1", identifiers={"user_id": ["u"]})
    for one in events:
        person, _ = step(person, [one], program, now=max(one.at, person.decided))
    return step(person, (), program, now=until)[0] if person.due <= until else person


happenings = st.lists(
    st.builds(
        event,
        st.sampled_from(NAMES),
        st.integers(0, 500).map(lambda n: START + n * MINUTE),
        st.sampled_from(("red", "blue")),
    ),
    min_size=1,
    max_size=60,
)


@given(happenings, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_late_repeated_and_shuffled_events_agree_with_brute_force(events: list[Event], random: Any) -> None:
    rows = list({one.mark: one for one in events}.values())
    random.shuffle(events)
    now = START + 2 * DAY
    live = lived(events + events[-5:], until=now)
    found = recount(live, rows, PROGRAM, now=now + HOUR, life=LIFE)
    assert found == Recount(live.history)
    assert not judge(live, found, PROGRAM, now=now + HOUR).disagrees


@given(happenings, st.data())
@settings(max_examples=200, deadline=None)
def test_a_lost_or_an_invented_count_is_found_and_mended(events: list[Event], data: st.DataObject) -> None:
    rows = list({one.mark: one for one in events}.values())
    now = START + 2 * DAY
    right = lived(rows, until=now)
    wrong = right.copy()
    name = data.draw(st.sampled_from(sorted(right.history)))
    count, times, *values = right.history[name]
    if data.draw(st.booleans()):
        # A first occurrence that is not the first, a value of something that did not happen, one time too many.
        added = [START + MINUTE // 2] if keeps_oldest(name) else sorted([*times, START + DAY], reverse=True)
        more = [[values[0][0], *values[0]][: len(added)]] if values else []
        wrong.history[name] = [count + (not keeps_oldest(name)), added[: PROGRAM.ring(name)], *more]
    elif count == 1:
        del wrong.history[name]
    else:
        wrong.history[name] = [count - 1, times[1:], *(column[1:] for column in values)]
    found = recount(wrong, rows, PROGRAM, now=now + HOUR, life=LIFE)
    assert name in found.wrong
    assert found.history == right.history


def test_what_has_expired_is_believed_and_what_has_not_is_not() -> None:
    old = [event("A", START + n * DAY) for n in range(5)]
    young = [event("A", START + (300 + n) * DAY) for n in range(30)]
    now = START + 500 * DAY
    live = lived(old + young, until=now)
    assert live.history["A"] == [35, sorted((e.at for e in young), reverse=True)[:RING]]
    assert recount(live, young, PROGRAM, now=now, life=LIFE) == Recount(live.history)
    few = lived(old + young[:3], until=now)
    assert recount(few, young[:3], PROGRAM, now=now, life=LIFE) == Recount(few.history)
    found = recount(few, young[:4], PROGRAM, now=now, life=LIFE)
    assert "A" in found.wrong
    assert found.history["A"][0] == 9


def test_a_row_that_is_on_its_way_is_waited_for() -> None:
    now = START + 10 * MINUTE
    live = lived([event("A", START), event("B", START - 3 * DAY)], until=START)
    assert recount(live, [], PROGRAM, now=now, life=LIFE) == Recount(live.history)
    assert recount(live, [], PROGRAM, now=now + HOUR, life=LIFE).history == {}


def test_a_new_rule_gets_its_counters_from_the_rows() -> None:
    rows = [event("A", START + n * HOUR, "red" if n % 2 else "blue") for n in range(60)]
    before, now = compiled(plain={"did": "A"}), START + 5 * DAY
    assert PROGRAM.counts_more_than(before)
    assert not before.counts_more_than(PROGRAM)
    assert not PROGRAM.counts_more_than(PROGRAM)
    live = lived(rows, before, until=now)
    found = recount(live, rows, PROGRAM, now=now, life=LIFE)
    born = lived(rows, PROGRAM, until=now)
    assert found.history == born.history
    again, _ = step(rebuilt(live, found.history), (), PROGRAM, now=now)
    assert again.memberships.keys() == born.memberships.keys()


def test_the_counter_of_a_rule_that_is_gone_is_dropped_without_a_fuss() -> None:
    rows = [event("A", START)]
    live = lived(rows, until=START + DAY)
    found = recount(live, rows, compiled(plain={"did": "A"}), now=START + DAY, life=LIFE)
    assert found.history.keys() == {"A"}
    assert found.wrong == ()
    assert found.differs


def test_a_membership_or_a_clock_that_is_wrong_is_told_apart() -> None:
    rows = [event("A", START), event("B", START - 3 * DAY)]
    now = START + 90 * MINUTE
    live = lived(rows, until=now)
    found = recount(live, rows, PROGRAM, now=now, life=LIFE)
    assert not judge(live, found, PROGRAM, now=now).disagrees

    def verdict(**parts: Any) -> tuple[list[str], list[str], bool]:
        wrong = deepcopy(live)
        for name, value in parts.items():
            setattr(wrong, name, value)
        one = judge(wrong, found, PROGRAM, now=now)
        return one.missing, one.extra, one.clock

    assert verdict(memberships={"lately": START}) == (["buyers"], ["lately"], False)
    assert verdict(due=START + DAY) == ([], [], True)
    assert verdict(due=now - MINUTE, memberships={}) == ([], [], False)


def test_a_repair_starts_no_journey_with_old_news() -> None:
    document = {
        "name": "test",
        "segments": {"buyers": {"rule": {"did": "A"}}},
        "journeys": {"hail": {"trigger": {"segment_entered": "buyers"}, "steps": [{"send": "hail"}]}},
        "templates": {"hail": {"subject": "Hail", "html": "<p>Hail</p>"}},
    }
    program = Compiled(Program.of([document]))
    lost = lived([event("B", START)], program, until=START)
    rows = [event("A", START - HOUR), event("B", START)]
    found = recount(lost, rows, program, now=START + DAY, life=LIFE)
    again, effects = step(rebuilt(lost, found.history), (), program, now=START + DAY)
    assert again.memberships.keys() == {"buyers"}
    assert not again.enrolments
    assert [fact["name"] for fact in effects.facts] == ["segment.entered"]
    assert again.program == program.version != AGAIN
