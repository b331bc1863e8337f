"""Whatever happens in whatever order: an identifier is one person's, a merge has a way back, no letter goes twice."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shop import SHOP
from tailor.edges import runtime
from tailor.edges.duplicates import Duplicates, Pair
from tailor.flows.erase import SETTLE, erase, request_erasure
from tailor.flows.join import join
from tailor.flows.part import part
from tailor.flows.verify import verify
from tailor.kernel.errors import Rejected
from tailor.kernel.instants import HOUR, MINUTE
from tailor.kernel.person import Person
from world import World, world

HANDLES = [
    *(("user_id", f"u-{n}") for n in range(3)),
    *(("email", f"{name}@example.com") for name in ("ada", "bob", "eve", "work")),
    *(("anonymous_id", f"a-{n}") for n in range(3)),
    ("phone", "+4917012345"),
]
KEPT = ("identifiers", "attributes", "written", "consent", "memberships", "enrolments", "finished", "aliases", "orders")
GRANTS = st.sampled_from(["granted", "withdrawn"])


def essence(person: Person) -> dict[str, Any]:
    history = {name: entry for name, entry in person.history.items() if not name.startswith("Profiles ")}
    # Who was joined and parted has their identifiers of one kind in the order in which they came back.
    identifiers = {kind: sorted(values) for kind, values in person.identifiers.items() if values}
    return {name: getattr(person, name) for name in KEPT} | {"history": history, "identifiers": identifiers}


class Identity(RuleBasedStateMachine):
    """Sequences of events, merges, undone merges and erasures, on the tables, with letters going out between them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.making = world(self.patch)
        self.world: World = self.making.__enter__()
        self.world.publish(SHOP)
        self.number = 0

    def teardown(self) -> None:
        self.making.__exit__(None, None, None)
        self.patch.undo()

    def people(self) -> list[Person]:
        return sorted(self.world.everybody(), key=lambda person: person.id)

    def happens(self, name: str, who: list[tuple[str, str]], **parts: Any) -> None:
        self.number += 1
        self.world.arrive(self.world.event(name, *who, id=str(self.number), **parts))
        self.world.pump(twice=self.number % 3 == 0)

    @rule(
        who=st.lists(st.sampled_from(HANDLES), min_size=1, max_size=3, unique_by=lambda one: one[0]),
        city=st.sampled_from(["Kyiv", "Lviv"]),
        grant=GRANTS,
    )
    def identify(self, who: list[tuple[str, str]], city: str, grant: str) -> None:
        self.happens("Identify", who, kind="identify", traits={"city": city}, consent=[("marketing", grant)])

    @rule(who=st.sampled_from(HANDLES), hours=st.integers(0, 50))
    def view(self, who: tuple[str, str], hours: int) -> None:
        self.happens("Product Viewed", [who], at=self.world.now - hours * HOUR, properties={"name": "Tent"})

    @rule(one=st.sampled_from(HANDLES), other=st.sampled_from(HANDLES))
    def alias(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        self.happens("Alias", list(dict.fromkeys([one, other])), kind="alias")

    @rule(hours=st.sampled_from([1, 24, 49]))
    def wait(self, hours: int) -> None:
        self.world.tick(self.world.now + hours * HOUR)
        self.world.pump()

    def _merge(self, seed: int) -> tuple[list[Person], Person] | None:
        two = Random(seed).sample(self.people(), 2)
        one, other = sorted(person.id for person in two)
        self.world.now += MINUTE
        try:
            pair = Pair(one, other, "review", 3.0)
            return two, join(pair, self.world.store, runtime.compiled(), by="review", now=self.world.now)
        except Rejected as refused:
            if refused.code != "conflicting-identifiers":
                raise
            return None

    def _undo(self, person: Person) -> tuple[Person, Person] | None:
        merges = Duplicates(self.world.store).merges(person.id)
        if not merges:
            return None
        self.world.now += MINUTE
        parts = self.world.store, runtime.compiled()
        return part(person.id, merges[0].other.id, *parts, by="review", now=self.world.now)

    @precondition(lambda self: len(self.people()) > 1)
    @rule(seed=st.integers(0, 99))
    def merge(self, seed: int) -> None:
        self._merge(seed)

    @precondition(lambda self: len(self.people()) > 1)
    @rule(seed=st.integers(0, 99))
    def merge_and_undo_at_once(self, seed: int) -> None:
        if (done := self._merge(seed)) is not None:
            two, whole = done
            back = self._undo(whole)
            assert back is not None
            assert {one.id: essence(one) for one in back} == {one.id: essence(one) for one in two}

    @precondition(lambda self: bool(self.people()))
    @rule(seed=st.integers(0, 99))
    def undo(self, seed: int) -> None:
        self._undo(Random(seed).choice(self.people()))

    @precondition(lambda self: bool(self.people()))
    @rule(seed=st.integers(0, 99))
    def forget(self, seed: int) -> None:
        person = Random(seed).choice(self.people())
        request = request_erasure(person.id, self.world.store, how="api", now=self.world.now)
        erase(request, self.world.store, clock=lambda: self.world.now)
        self.world.now += SETTLE
        erase(request, self.world.store, clock=lambda: self.world.now)
        assert self.world.store.person(person.id, consistent=True) is None

    @invariant()
    def an_identifier_belongs_to_one_person_and_the_ledger_knows_whom(self) -> None:
        owners: dict[tuple[str, str], str] = {}
        for person in self.people():
            for kind, values in person.identifiers.items():
                for value in values:
                    assert owners.setdefault((kind, value), person.id) == person.id
                    holder = self.world.person(kind, value)
                    assert holder is not None
                    assert holder.id == person.id

    @invariant()
    def nobody_has_two_user_ids(self) -> None:
        assert all(len(person.identifiers.get("user_id", ())) <= 1 for person in self.people())

    @invariant()
    def nobody_gets_a_letter_twice(self) -> None:
        sent = Counter((mail["to"], mail["tags"]["tailor_message"]) for mail in self.world.ses.mails)
        assert all(times == 1 for times in sent.values())
        letters = Counter(mail["tags"]["tailor_message"] for mail in self.world.ses.mails)
        assert all(times == 1 for times in letters.values())

    @invariant()
    def every_consent_chain_is_whole(self) -> None:
        for person in self.people():
            assert verify(person, self.world.store)["breaks"] == []


TestIdentity = Identity.TestCase
TestIdentity.settings = settings(
    max_examples=8,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_the_same_facts_make_the_same_person_in_whatever_order_they_arrive(worlds: Any) -> None:
    """Where nothing conflicts; all orders of the facts that link, and some of those that only tell."""
    orders = [*permutations(range(5))]
    found: list[dict[str, Any]] = []
    for seed, order in enumerate(Random(5).sample(orders, 10)):
        with worlds() as shop:
            view, sign_in, order_, crm, phone = (
                shop.event("Product Viewed", ("anonymous_id", "a-1"), at=shop.now - 5 * HOUR),
                shop.event("Signed In", ("user_id", "u-1"), ("anonymous_id", "a-1"), at=shop.now - 4 * HOUR),
                shop.event("Order Completed", ("email", "ada@example.com"), at=shop.now - 3 * HOUR),
                shop.event(
                    "Identify",
                    ("user_id", "u-1"),
                    ("email", "ada@example.com"),
                    kind="identify",
                    traits={"city": "Kyiv"},
                    consent=[("marketing", "withdrawn")],
                    at=shop.now - 2 * HOUR,
                ),
                shop.event(
                    "Identify",
                    ("user_id", "u-1"),
                    ("anonymous_id", "a-2"),
                    kind="identify",
                    traits={"city": "Lviv"},
                    consent=[("marketing", "granted")],
                    id="second device",
                    at=shop.now - HOUR,
                ),
            )
            facts = [view, sign_in, order_, crm, phone]
            shop.arrive(*(facts[place] for place in order))
            shop.pump(batch=1 + seed % 3)
            (ada,) = shop.everybody()
            told = essence(ada)
            found.append({name: told[name] for name in ("identifiers", "attributes", "written", "consent", "history")})
    assert all(one == found[0] for one in found)
