"""Values that several come with: entered once each, learned to be shared, and never a reason to join."""

from __future__ import annotations

from copy import deepcopy

from shop import SHOP
from tailor.kernel.event import Identifier
from tailor.kernel.instants import iso
from world import World

FAMILY = ("phone", "+4917012345")


def comes(shop: World, number: int) -> None:
    shop.arrive(shop.event("Identify", ("email", f"p{number}@example.com"), FAMILY, kind="identify", id=str(number)))
    shop.pump()


def test_a_phone_that_many_come_with_is_learned_to_be_shared(shop: World) -> None:
    phone = Identifier(*FAMILY)
    for number in range(4):
        assert shop.store.claims([phone], consistent=True).shared == set()
        comes(shop, number)
    assert len(shop.everybody()) == 4
    claims = shop.store.claims([phone], consistent=True)
    assert claims.shared == {phone}
    holder = shop.person(*FAMILY)
    assert holder is not None
    assert holder.email() == "p0@example.com"
    comes(shop, 4)
    newcomer = shop.person("email", "p4@example.com")
    assert newcomer is not None
    assert newcomer.flags == []
    assert "phone" not in newcomer.identifiers


def test_a_dispute_is_entered_once_and_shows_among_the_findings(shop: World) -> None:
    comes(shop, 0)
    for _ in range(3):
        shop.now += 1
        shop.arrive(shop.event("Page Viewed", ("email", "p1@example.com"), FAMILY))
        shop.pump()
    other = shop.person("email", "p1@example.com")
    assert other is not None
    (flag,) = other.flags
    assert flag.startswith("disputed:phone:")
    assert "+49" not in flag
    assert shop.store.dispute(Identifier(*FAMILY), other.id, now=shop.now) == 1


def test_what_the_programme_says_is_nobody_goes_to_the_quarantine_if_it_is_all_there_is(shop: World) -> None:
    document = deepcopy(SHOP)
    document["identity"] = {"never": {"email": ["till@shop.example"]}}
    shop.publish(document)
    shop.arrive(
        shop.event("Order Completed", ("email", "till@shop.example"), ("user_id", "u-1"), id="1"),
        shop.event("Order Completed", ("email", "till@shop.example"), id="2"),
    )
    shop.pump()
    (person,) = shop.everybody()
    assert person.identifiers == {"user_id": ["u-1"]}
    assert person.history["Order Completed"][0] == 1
    (row,) = shop.store.quarantined(iso(shop.now)[:10])
    assert row["reason"]["code"] == "names-nobody"
