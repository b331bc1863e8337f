"""Two people become one and two again, through the tables, with workers that are killed and races that are lost."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from tailor.edges import runtime
from tailor.edges.duplicates import Pair
from tailor.flows.absorb import absorb
from tailor.flows.join import join
from tailor.flows.part import part
from tailor.flows.verify import verify
from tailor.kernel.errors import Rejected
from tailor.kernel.event import Event
from tailor.kernel.instants import DAY, HOUR, MINUTE
from tailor.kernel.person import Person
from world import Killed, World

ADA = ("email", "ada@example.com")
ADA2 = ("email", "ada.lovelace@work.example")
YES = (("marketing", "granted"),)
NO = (("marketing", "withdrawn"),)


def meet(shop: World, *events: Event) -> list[Person]:
    shop.arrive(*events)
    shop.pump(batch=1)
    return sorted(shop.everybody(), key=lambda one: one.id)


def two(shop: World, **traits: Any) -> tuple[Person, Person]:
    """Ada, twice: once by her own address and a browser, once by that of her work."""
    one, other = meet(
        shop,
        shop.event(
            "Identify",
            ADA,
            ("anonymous_id", "a-1"),
            kind="identify",
            traits={"first_name": "Ada", "city": "Kyiv", **traits},
            consent=YES,
            at=shop.now - DAY,
        ),
        shop.event("Identify", ADA2, kind="identify", traits={"city": "Lviv"}, consent=YES, at=shop.now - HOUR),
    )
    return one, other


def pair(one: Person, other: Person) -> Pair:
    first, second = sorted((one.id, other.id))
    return Pair(first, second, "review", 4.2, [["last_name", "same", 5.1]])


def joined(shop: World, one: Person, other: Person, by: str = "night") -> Person:
    return join(pair(one, other), shop.store, runtime.compiled(), by=by, now=shop.now)


def parted(shop: World, one: Person, other: Person) -> tuple[Person, Person]:
    return part(one.id, other.id, shop.store, runtime.compiled(), by="review", now=shop.now)


def essence(person: Person) -> dict[str, Any]:
    """What must come back as it was: all but what tells when it was last looked at."""
    kept = ("identifiers", "attributes", "written", "consent", "memberships", "enrolments", "finished", "aliases")
    history = {name: entry for name, entry in person.history.items() if not name.startswith("Profiles ")}
    return {name: getattr(person, name) for name in kept} | {"history": history, "orders": person.orders}


def owners(shop: World, *people: Person) -> None:
    """Every identifier has one owner, and the ledger knows whom."""
    for person in people:
        for kind, values in person.identifiers.items():
            for value in values:
                holder = shop.person(kind, value)
                assert holder is not None
                assert holder.id == person.id, (kind, value)


def test_a_merge_is_one_person_with_everything_of_both(shop: World) -> None:
    one, other = two(shop)
    ada = joined(shop, one, other)
    assert [person.id for person in shop.everybody()] == [ada.id]
    assert ada.aliases == [other.id]
    assert ada.attributes["city"] == "Lviv"
    assert {*ada.identifiers["email"]} == {ADA[1], ADA2[1]}
    owners(shop, ada)
    assert shop.store.person(other.id, consistent=True) == ada
    assert [event.name for event in shop.store.events(ada)].count("Identify") == 2
    assert verify(ada, shop.store)["intact"]


def test_merging_what_is_already_merged_changes_nothing(shop: World) -> None:
    one, other = two(shop)
    ada = joined(shop, one, other)
    assert joined(shop, one, other) == ada


def test_undoing_restores_both_exactly(shop: World) -> None:
    one, other = two(shop)
    before = [essence(one), essence(other)]
    ada = joined(shop, one, other)
    first, second = parted(shop, ada, other)
    assert [essence(first), essence(second)] == before
    owners(shop, first, second)
    assert sorted(person.id for person in shop.everybody()) == sorted((one.id, other.id))
    assert verify(first, shop.store)["intact"]
    assert verify(second, shop.store)["intact"]


def test_what_happened_since_goes_to_whom_it_names(shop: World) -> None:
    one, other = two(shop)
    ada = joined(shop, one, other)
    shop.now += MINUTE
    meet(
        shop,
        shop.event("Product Viewed", ("anonymous_id", "a-1"), properties={"name": "Tent"}),
        shop.event("Wishlist", ADA2, ("user_id", "u-work"), traits={"job": "poet"}),
        shop.event("Choice", ADA2, kind="consent", consent=NO),
    )
    first, second = parted(shop, ada, other)
    assert "Product Viewed" in first.history
    assert "Product Viewed" not in second.history
    assert second.history["Wishlist"][0] == 1
    assert second.identifiers["user_id"] == ["u-work"]
    assert (first.consent["marketing"][0], second.consent["marketing"][0]) == ("granted", "withdrawn")
    owners(shop, first, second)
    names = [event.name for event in shop.store.events(second)]
    assert {"Wishlist", "Choice"} <= {*names}
    assert "Wishlist" not in [event.name for event in shop.store.events(first)]
    assert verify(first, shop.store)["intact"]
    assert verify(second, shop.store)["intact"]


def test_the_stricter_consent_holds_while_they_are_one_and_not_afterwards(shop: World) -> None:
    one, other = meet(
        shop,
        shop.event("Identify", ADA, kind="identify", consent=NO, at=shop.now - DAY),
        shop.event("Identify", ADA2, kind="identify", consent=YES, at=shop.now - HOUR),
    )
    ada = joined(shop, one, other)
    assert ada.consent["marketing"][0] == "withdrawn"
    first, second = parted(shop, ada, other)
    assert (first.consent["marketing"][0], second.consent["marketing"][0]) == ("withdrawn", "granted")
    assert verify(first, shop.store)["intact"]


def test_two_who_are_kept_apart_are_never_joined_by_themselves(shop: World) -> None:
    one, other = two(shop)
    ada = joined(shop, one, other)
    parted(shop, ada, other)
    with pytest.raises(Rejected, match="kept apart"):
        joined(shop, one, other)
    assert joined(shop, one, other, by="review").aliases == [other.id]


def test_two_user_ids_never_become_one_person(shop: World) -> None:
    one, other = meet(
        shop, shop.event("Identify", ADA, ("user_id", "u-1")), shop.event("Identify", ADA2, ("user_id", "u-2"))
    )
    with pytest.raises(Rejected, match="user_id"):
        joined(shop, one, other, by="review")
    assert len(shop.everybody()) == 2


def test_chains_of_merges_are_undone_from_the_last(shop: World) -> None:
    one, other = two(shop)
    (third,) = [p for p in meet(shop, shop.event("Identify", ("phone", "+4917012345"))) if "phone" in p.identifiers]
    ada = joined(shop, one, other)
    shop.now += MINUTE
    ada = joined(shop, ada, third)
    assert {*ada.aliases} == {other.id, third.id}
    with pytest.raises(Rejected, match="undo that first"):
        parted(shop, ada, other)
    ada, again = parted(shop, ada, third)
    assert essence(again) == essence(third)
    first, second = parted(shop, ada, other)
    assert (essence(first), essence(second)) == (essence(one), essence(other))


def test_who_was_merged_further_is_not_parted_before_that_is_undone(shop: World) -> None:
    one, other = two(shop)
    ada = joined(shop, one, other)
    (boss,) = [p for p in meet(shop, shop.event("Identify", ("user_id", "u-0"))) if "user_id" in p.identifiers]
    assert joined(shop, ada, boss).id == boss.id
    with pytest.raises(Rejected, match="merged into"):
        parted(shop, ada, other)


def test_two_merges_at_once_make_one_person_or_one_of_them_waits(shop: World) -> None:
    """Between reading and writing of the first another worker merges the same two."""
    one, other = two(shop)
    write = shop.store.write
    raced: list[Person] = []

    def late(writes: Any, *, now: int) -> Any:
        if not raced:
            raced.append(one)
            raced[0] = joined(shop, one, other)
        return write(writes, now=now)

    shop.store.write = late  # type: ignore[method-assign]
    ada = joined(shop, one, other)
    assert ada == raced[0]
    assert [person.id for person in shop.everybody()] == [ada.id]


def test_a_merge_during_a_send_sends_once(shop: World) -> None:
    viewed = shop.event("Product Viewed", ADA, properties={"name": "Tent"}, at=shop.now - 48 * HOUR + MINUTE)
    one, other = two(shop)
    shop.arrive(viewed)
    shop.pump()
    shop.now += MINUTE
    from world import CONTEXT, app

    app("refresh").handler({"job": "tick"}, CONTEXT)
    shop._relay(twice=False)
    assert len(shop.queues["send"]) == 1
    one, other = (shop.store.person(id, consistent=True) or one for id in (one.id, other.id))
    ada = joined(shop, one, other)
    shop.pump(twice=True)
    assert [mail["to"] for mail in shop.ses.mails] == [ada.email()]
    for _ in range(3):
        shop.tick(shop.now + HOUR)
        shop.pump()
    assert len(shop.ses.mails) == 1


def test_no_letter_goes_out_again_after_a_merge_is_undone(shop: World) -> None:
    one, other = two(shop)
    meet(shop, shop.event("Product Viewed", ADA2, properties={"name": "Tent"}, at=shop.now - 47 * HOUR))
    one, other = (shop.store.person(id, consistent=True) or one for id in (one.id, other.id))
    ada = joined(shop, one, other)
    shop.tick(shop.now + 2 * HOUR)
    shop.pump()
    assert len(shop.ses.mails) == 1
    first, second = parted(shop, ada, other)
    for _ in range(3):
        shop.tick(shop.now + HOUR)
        shop.pump()
    assert len(shop.ses.mails) == 1
    assert "come-back" in first.finished
    assert "come-back" in second.finished


def test_a_receipt_that_is_owed_to_the_other_is_still_sent(shop: World) -> None:
    """A finished enrolment of one does not end the other's, where the journey may be entered again."""
    one, other = two(shop)
    meet(shop, shop.event("Order Completed", ADA, properties={"order_id": "1", "total": "5"}))
    shop.tick(shop.now + 2 * HOUR)
    shop.pump()
    assert len(shop.ses.mails) == 1
    meet(shop, shop.event("Order Completed", ADA2, properties={"order_id": "2", "total": "5"}))
    one, other = (shop.store.person(id, consistent=True) or one for id in (one.id, other.id))
    joined(shop, one, other)
    shop.tick(shop.now + 2 * HOUR)
    shop.pump()
    assert len(shop.ses.mails) == 2


def test_survivorship_is_for_the_programme_to_say(shop: World) -> None:
    from copy import deepcopy

    from shop import SHOP

    document = deepcopy(SHOP)
    rules = {"first_name": "oldest", "interests": "union", "city": "trusted", "language": "verified"}
    document["identity"] = {"survivorship": rules, "trusted": ["crm"]}
    shop.publish(document)
    one, other = meet(
        shop,
        shop.event(
            "Identify",
            ADA,
            kind="identify",
            source="crm",
            traits={"first_name": "Ada", "city": "Kyiv", "interests": ["tents"], "language": "uk"},
            at=shop.now - DAY,
        ),
        shop.event("Email Clicked", ADA, at=shop.now - DAY),
        shop.event(
            "Identify",
            ADA2,
            kind="identify",
            traits={"first_name": "A.", "city": "Lviv", "interests": ["boots"], "language": "en", "shoe": 38},
        ),
    )
    ada = joined(shop, one, other)
    kept = {name: ada.attributes[name] for name in (*rules, "shoe")}
    assert kept == {
        "first_name": "Ada", "interests": ["boots", "tents"], "city": "Kyiv", "language": "uk", "shoe": 38
    }  # fmt: skip
    assert ada.email() == ADA[1]


def test_a_merge_killed_between_any_two_calls_heals_on_the_next_pass(worlds: Any) -> None:
    with worlds() as shop:
        one, other = two(shop)
        shop.gate.calls = 0
        ada = join(pair(one, other), runtime.store(), runtime.compiled(), by="night", now=shop.now)
        calls, want = shop.gate.calls, essence(ada)
    assert calls >= 4
    for kill_at in range(1, calls + 1):
        with worlds() as shop:
            one, other = two(shop)
            shop.gate.calls, shop.gate.kill_at = 0, kill_at
            with suppress(Killed):
                join(
                    pair(one, other),
                    runtime.store(),
                    runtime.compiled(),
                    by="night",
                    now=shop.now,
                )
            assert shop.gate.killed
            shop.gate.kill_at = None
            ada = joined(shop, one, other)
            where = f"killed after call {kill_at} of {calls}"
            assert essence(ada) == want, where
            owners(shop, ada)
            assert [person.id for person in shop.everybody()] == [ada.id], where


def test_an_undoing_killed_between_any_two_calls_is_finished_by_the_next(worlds: Any) -> None:
    def begun(shop: World) -> tuple[Person, Person]:
        one, other = two(shop)
        ada = joined(shop, one, other)
        shop.now += MINUTE
        meet(shop, shop.event("Wishlist", ADA2, ("user_id", "u-work")))
        return ada, other

    def undo(shop: World, ada: Person, other: Person) -> tuple[Person, Person]:
        parts = runtime.store(), runtime.compiled()
        return part(ada.id, other.id, *parts, by="review", now=shop.now)

    with worlds() as shop:
        ada, other = begun(shop)
        shop.gate.calls = 0
        want = [essence(one) for one in undo(shop, ada, other)]
        calls = shop.gate.calls
    for kill_at in range(1, calls + 1):
        with worlds() as shop:
            ada, other = begun(shop)
            shop.gate.calls, shop.gate.kill_at = 0, kill_at
            with suppress(Killed):
                undo(shop, ada, other)
            shop.gate.kill_at = None
            with suppress(Rejected):
                undo(shop, ada, other)
            people = [shop.store.person(id, consistent=True) for id in (ada.id, other.id)]
            where = f"killed after call {kill_at} of {calls}"
            assert [essence(one) for one in people if one] == want, where
            owners(shop, *[one for one in people if one])
            theirs = people[1]
            assert theirs is not None
            assert [event.name for event in shop.store.events(theirs)].count("Wishlist") == 1, where


def test_a_later_event_of_either_finds_the_one_they_became(shop: World) -> None:
    one, other = two(shop)
    ada = joined(shop, one, other)
    event = shop.event("Wishlist", ADA2)
    ((person, _),) = absorb([event], shop.store, runtime.compiled(), new_id=shop.new_id, now=shop.now)
    assert person.id == ada.id
