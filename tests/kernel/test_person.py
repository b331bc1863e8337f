from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailor.kernel.history import NAMES
from tailor.kernel.instants import NEVER
from tailor.kernel.person import MARKS, Person

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6), st.integers(0, 10**6), st.integers(0, NEVER))
def test_a_packed_person_unpacks_to_the_same(attributes: dict[str, object], version: int, due: int) -> None:
    person = Person("p_1", version, attributes=attributes, marks=["x"], due=due)
    person.count("Page Viewed", 5)
    assert Person.unpack("p_1", version, person.pack(), due) == person


def test_a_typical_person_takes_less_than_a_kilobyte() -> None:
    person = Person(
        "p_1", 7, identifiers={"user_id": ["u-1"], "email": ["ada@example.com"], "anonymous_id": ["a" * 36]}
    )
    person.attributes = {"first_name": "Ada", "country": "DE", "interests": ["outdoor", "eco"], "order_count": 3}
    person.written = dict.fromkeys(person.attributes, 1_795_500_000_000)
    for index in range(50):
        person.count(f"Event {index % 8}", 1_795_500_000_000 + index * 86_400_000)
    person.marks = [f"{index:010d}" for index in range(MARKS)]
    assert len(person.pack()) < 1000


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40), st.integers(1, 20))
def test_a_ring_holds_the_newest_whatever_the_order(times: list[int], ring: int) -> None:
    person = Person("p_1")
    for at in times:
        person.count("X", at, ring=ring)
    assert person.history["X"] == [len(times), sorted(times, reverse=True)[:ring]]


def test_counting_changes_no_copy() -> None:
    person = Person("p_1")
    person.count("X", 1)
    copy = person.copy()
    copy.count("X", 2)
    copy.identifiers.setdefault("email", []).append("ada@example.com")
    assert person.history == {"X": [1, [1]]}
    assert person.identifiers == {}


def test_names_beyond_the_limit_push_out_the_longest_silent() -> None:
    person = Person("p_1")
    for at in range(NAMES + 1):
        person.count(f"E{at}", at)
    assert len(person.history) == NAMES
    assert "E0" not in person.history
